"""One drill of each kind."""

from benchmarks.campaigns import restores
from benchmarks.campaigns._campaign import Plan


async def test_a_saved_library_is_made_again_and_a_damaged_copy_refused(server_url: str) -> None:
    tallies = await restores.run(Plan(seed=1, scale=0.2), server_url)
    assert [fault for tally in tallies for fault in tally.failures] == []
    assert all(tally.has_passed for tally in tallies)
    assert [tally.done for tally in tallies] == [1, 1, 1, 8]
