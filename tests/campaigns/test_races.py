"""A round of each race: whatever can be had once is had once."""

from benchmarks.campaigns import races
from benchmarks.campaigns._campaign import Plan


async def test_what_can_be_had_once_is_had_once(server_url: str) -> None:
    tallies = await races.run(Plan(seed=1, scale=0.0015), server_url)
    assert [fault for tally in tallies for fault in tally.failures] == []
    assert all(tally.has_passed for tally in tallies)
    assert tallies[0].figures["answers"] == "201 3, 409 147"
