"""Deaths at some of the points, and the table of all of them."""

from benchmarks.campaigns import crash_points
from benchmarks.campaigns._campaign import Plan
from benchmarks.campaigns._crash_points import POINTS
from benchmarks.campaigns._deeds import DEEDS


async def test_what_a_death_leaves_behind_heals(server_url: str) -> None:
    tallies = await crash_points.run(Plan(seed=752, scale=0.0017), server_url)
    assert [fault for tally in tallies for fault in tally.failures] == []
    assert all(tally.has_passed for tally in tallies)
    assert tallies[0].figures["points reached"] == f"{tallies[0].done} of {len(POINTS)}"


def test_points_have_names_of_their_own_and_a_deed() -> None:
    assert len({point.name for point in POINTS}) == len(POINTS)
    assert {point.deed for point in POINTS} == DEEDS.keys()
