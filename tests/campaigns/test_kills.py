"""A short storm: two workers, an API and a Postgres are killed, and one worker is frozen."""

from benchmarks.campaigns import kills
from benchmarks.campaigns._campaign import Plan


async def test_what_was_acknowledged_outlives_whoever_acknowledged_it() -> None:
    tallies = await kills.run(Plan(seed=2, scale=0.004))
    assert [fault for tally in tallies for fault in tally.failures] == []
    assert all(tally.has_passed for tally in tallies)
    assert tallies[0].done == 4
