"""A few made-up requests to each route: answers are what the OpenAPI document says."""

from benchmarks.campaigns import contract
from benchmarks.campaigns._campaign import Plan


async def test_what_is_answered_is_what_is_documented(server_url: str) -> None:
    (tally,) = await contract.run(Plan(seed=1, scale=0.004), server_url, roles=["member"])
    assert tally.failures == []
    assert tally.has_passed
    assert tally.done >= 40
    assert set(tally.figures) >= {"200", "422"}
