"""From a model's order to what is shown: free copies, new books, and a little chance."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

from app.ports.recommender import Recommendation

_TAIL = 3


@dataclass(frozen=True, slots=True)
class Placed:
    """A book at its place, and with which probability it came to be there: exactly 1 − ε
    where chance might have put another one there, and ε over the number of those it might
    have been where it did."""

    found: Recommendation
    propensity: float = 1.0


def arranged(
    found: Sequence[Recommendation],
    k: int,
    *,
    free: Collection[UUID],
    explore: float,
    chance: Random,
) -> list[Placed]:
    """At most k of what was found, best first.

    Books with a `free` copy come before those that are all out, of which the best keep up to
    a third of the places, at the end: who cannot have one now may want to wait for it.
    Popularity stays behind all that something better is known for. Each place of the last
    third is given to one of the books that came next, each as likely, with the probability
    `explore`.
    """
    backed = [one for one in found if not is_popular(one)]
    popular = [one for one in found if is_popular(one)]
    shown = _free_first(backed, k, free)
    shown += _free_first(popular, k - len(shown), free)
    return _explored(shown, _next(shown, backed, popular, free), explore, chance)


def with_arrivals(
    found: Sequence[Recommendation], arrivals: Sequence[Recommendation], k: int
) -> list[Recommendation]:
    """New books the model does not know yet, in the middle of the first k and at most a fifth
    of them; they take the score of the book they stand before."""
    place = min(k // 2, sum(not is_popular(one) for one in found))
    score = found[place].score if place < len(found) else 0.0
    new = [replace(one, score=score) for one in arrivals[: k // 5]]
    return [*found[:place], *new, *found[place:]]


def is_popular(one: Recommendation) -> bool:
    return all(reason.kind == "popular" for reason in one.reasons)


def _free_first(
    found: Sequence[Recommendation], k: int, free: Collection[UUID]
) -> list[Recommendation]:
    there = [one for one in found if one.item_id in free]
    out = [one for one in found if one.item_id not in free]
    best_out = [one for one in found[:k] if one.item_id not in free]
    kept = max(k - len(there), min(len(best_out), k // _TAIL), 0)
    return there[: max(k - kept, 0)] + out[:kept]


def _next(
    shown: Sequence[Recommendation],
    backed: Sequence[Recommendation],
    popular: Sequence[Recommendation],
    free: Collection[UUID],
) -> list[Recommendation]:
    """What may take a place by chance: nothing worse founded than what it takes it from."""
    here = {one.item_id for one in shown}
    tail = shown[len(shown) - len(shown) // _TAIL :]
    candidates = popular if tail and all(map(is_popular, tail)) else backed
    return [one for one in candidates if one.item_id in free and one.item_id not in here]


def _explored(
    shown: Sequence[Recommendation],
    others: Sequence[Recommendation],
    explore: float,
    chance: Random,
) -> list[Placed]:
    places = min(len(shown) // _TAIL, len(others))
    steady = [Placed(one) for one in shown[: len(shown) - places]]
    # In a random order all of them are equally likely at every place.
    drawn = iter(chance.sample(others, len(others)))
    open_to_chance = [
        Placed(next(drawn), explore / len(others))
        if chance.random() < explore
        else Placed(one, 1 - explore)
        for one in shown[len(shown) - places :]
    ]
    return steady + open_to_chance
