"""Two very short minutes of use."""

from benchmarks.campaigns import soak
from benchmarks.campaigns._campaign import Plan
from benchmarks.campaigns._vitals import slope


async def test_use_leaves_nothing_behind(server_url: str) -> None:
    tallies = await soak.run(Plan(seed=1, scale=2 / 60), server_url, minute=2)
    assert [fault for tally in tallies for fault in tally.failures] == []
    assert all(tally.has_passed for tally in tallies)


def test_a_slope_is_that_of_the_line_and_says_how_sure_it_is() -> None:
    exact, rough = slope([0, 1, 2, 3], [5, 7, 9, 11]), slope([0, 1, 2, 3], [5, 8, 8, 11])
    assert (exact.per_unit, exact.give) == (2, 0)
    assert abs(rough.per_unit - 1.8) < 1e-9
    assert rough.give > 0
