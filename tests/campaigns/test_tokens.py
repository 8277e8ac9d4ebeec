"""Forged tokens, races for the next one, and tokens that were good a moment ago."""

from benchmarks.campaigns import tokens
from benchmarks.campaigns._campaign import Plan


async def test_nobody_gets_in_with_a_token_that_is_not_good(server_url: str) -> None:
    tallies = await tokens.run(Plan(seed=1, scale=0.002), server_url)
    assert [fault for tally in tallies for fault in tally.failures] == []
    assert all(tally.has_passed for tally in tallies)
    kinds = [name for name in tallies[0].figures if name != "slowest"]
    assert sum(int(tallies[0].figures[name]) for name in kinds) == tallies[0].done == 400
