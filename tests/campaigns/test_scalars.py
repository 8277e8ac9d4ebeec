"""A share of the hostile values, drawn anew for each place they can be sent to."""

from benchmarks.campaigns import scalars
from benchmarks.campaigns._campaign import Plan


async def test_no_hostile_value_does_harm(server_url: str) -> None:
    tallies = await scalars.run(Plan(seed=1, scale=0.02), server_url)
    assert [fault for tally in tallies for fault in tally.failures] == []
    assert all(tally.has_passed for tally in tallies)
    assert {tally.what for tally in tallies} == {f"values in {place}" for place in scalars.PLACES}
