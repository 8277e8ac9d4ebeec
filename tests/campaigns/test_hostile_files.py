"""Some spoiled files and bombs, in a child and through a server."""

from benchmarks.campaigns import hostile_files
from benchmarks.campaigns._campaign import Plan


async def test_files_of_strangers_end_truthfully_and_hurt_nobody() -> None:
    tallies = await hostile_files.run(Plan(seed=1, scale=0.002))
    assert [fault for tally in tallies for fault in tally.failures] == []
    assert all(tally.has_passed for tally in tallies)
    assert "read" in tallies[0].figures["endings"]
