"""What is shown of what a model found."""

from collections import Counter
from random import Random
from uuid import UUID

import pytest

from app.domains.recommendations.service.arranging import Placed, arranged, with_arrivals
from app.ports.recommender import Reason, Recommendation

BACKED = [
    Recommendation(UUID(int=n), 1 / n, (Reason("you_like_genre", value="SF"),))
    for n in range(1, 21)
]
POPULAR = [Recommendation(UUID(int=n), 0.0, (Reason("popular"),)) for n in range(101, 121)]


def shown(
    found: list[Recommendation],
    k: int,
    *,
    out: set[int] = frozenset(),  # type: ignore[assignment]
    explore: float = 0.0,
    seed: int = 0,
) -> list[Placed]:
    free = {one.item_id for one in found if one.item_id.int not in out}
    return arranged(found, k, free=free, explore=explore, chance=Random(seed))


def numbers(placed: list[Placed]) -> list[int]:
    return [each.found.item_id.int for each in placed]


def test_where_every_book_is_free_the_order_is_the_models() -> None:
    assert numbers(shown(BACKED, 6)) == [1, 2, 3, 4, 5, 6]
    assert {each.propensity for each in shown(BACKED, 6)} == {1.0}


def test_books_that_are_out_come_last_and_the_best_of_them_stay() -> None:
    assert numbers(shown(BACKED, 6, out={1, 3, 4, 5})) == [2, 6, 7, 8, 1, 3]


def test_books_that_are_out_fill_up_where_nothing_else_is_left() -> None:
    assert numbers(shown(BACKED[:4], 6, out={1, 2, 3})) == [4, 1, 2, 3]


def test_popularity_stays_behind_all_that_something_better_is_known_for() -> None:
    found = [*BACKED[:3], *POPULAR[:5]]
    assert numbers(shown(found, 6, out={1, 101})) == [2, 3, 1, 102, 103, 101]
    assert numbers(shown([*BACKED[:8], *POPULAR], 6, out=set(range(1, 9)))) == [1, 2, 3, 4, 5, 6]


def test_chance_takes_places_of_the_last_third_only() -> None:
    for seed in range(50):
        placed = numbers(shown(BACKED, 9, explore=0.5, seed=seed))
        assert placed[:6] == [1, 2, 3, 4, 5, 6]
        assert len(set(placed)) == 9
        assert set(placed[6:]) <= set(range(7, 21))


def test_the_same_seed_takes_the_same_chances() -> None:
    assert shown(BACKED, 9, explore=0.5, seed=7) == shown(BACKED, 9, explore=0.5, seed=7)
    assert len({tuple(numbers(shown(BACKED, 9, explore=0.5, seed=s))) for s in range(20)}) > 5


@pytest.mark.parametrize("explore", [0.05, 0.5])
def test_a_propensity_is_how_often_a_book_is_at_its_place(explore: float) -> None:
    runs, found = 20_000, BACKED[:13]
    chance, free = Random(1), {one.item_id for one in found}
    seen: Counter[tuple[int, int]] = Counter()
    said: dict[tuple[int, int], float] = {}
    for _ in range(runs):
        placed = arranged(found, 9, free=free, explore=explore, chance=chance)
        for place, each in enumerate(placed):
            seen[place, each.found.item_id.int] += 1
            said[place, each.found.item_id.int] = each.propensity
    for where, propensity in said.items():
        assert seen[where] / runs == pytest.approx(propensity, abs=0.01)
    for place in range(9):
        assert sum(p for (at, _), p in said.items() if at == place) == pytest.approx(1)


def test_chance_never_shows_a_book_that_is_out_or_a_popular_one_for_a_better() -> None:
    found = [*BACKED[:12], *POPULAR]
    for seed in range(50):
        placed = numbers(shown(found, 9, out={11, 12}, explore=0.5, seed=seed))
        assert set(placed) <= set(range(1, 11))


def test_among_popular_books_chance_takes_popular_ones() -> None:
    drawn = {n for s in range(50) for n in numbers(shown(POPULAR, 6, explore=0.5, seed=s))}
    assert drawn > set(range(101, 110))


@pytest.mark.parametrize(("found", "k"), [(0, 5), (1, 1), (2, 5), (20, 1), (3, 3)])
def test_few_books_are_shown_as_they_are(found: int, k: int) -> None:
    placed = shown(BACKED[:found], k, explore=0.5)
    assert numbers(placed)[: min(k, 2)] == list(range(1, min(found, k) + 1))[: min(k, 2)]
    assert len(placed) == min(found, k)


def test_new_books_come_in_the_middle_and_are_few() -> None:
    new = [Recommendation(UUID(int=200 + n), 9.0, BACKED[0].reasons) for n in range(9)]
    mixed = with_arrivals(BACKED, new, 10)
    assert [one.item_id.int for one in mixed[:10]] == [1, 2, 3, 4, 5, 200, 201, 6, 7, 8]
    assert [one.score for one in mixed] == sorted((one.score for one in mixed), reverse=True)
    assert with_arrivals(POPULAR, new, 10)[0].item_id.int == 200
    assert with_arrivals(BACKED, new, 4) == BACKED
    assert with_arrivals([], [], 10) == []
