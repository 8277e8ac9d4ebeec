"""From scores to an answer: who comes first, how alike the answers may be, and why."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from app.adapters.recommender.evidence import POWER
from app.adapters.recommender.graph import Graph, Rows, Vector
from app.adapters.recommender.shelf import Shelf
from app.ports.recommender import Reason, Recommendation

# So many of the best are re-ranked and made to differ; what comes after keeps its order.
POOL = 300
_MOST_REASONS = 3
# A reason much weaker than the first explains nothing.
_WORTH_SAYING = 0.2
# As much as a disliked book says against one that is nearly a third like it.
_DISLIKED = -(0.3**POWER)
_HARDLY_WELCOME = 0.2

Contribution = tuple[float, Reason]
# What speaks for each of the rows, and how strongly, in no order.
Explain = Callable[[Rows], Iterable[Sequence[Contribution]]]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What is backed by evidence, best first, with scores above 0, and what fills up after
    it: the indifferent, the less welcome, what is like the disliked, and that itself, each in
    order of popularity."""

    backed: Rows
    scores: Vector
    rest: Callable[[], Rows]


def judged(totals: Vector, against: Vector, welcome: Vector, excluded: Rows) -> Judged:
    """`totals` is what speaks for an item; `against` (< 0) what makes it a disliked one."""
    refused = welcome < _HARDLY_WELCOME
    disliked = refused | (against <= _DISLIKED)
    open_ = np.ones(len(totals), dtype=bool)
    open_[excluded] = False
    said = totals * welcome
    backed = np.flatnonzero(open_ & ~disliked & (said > 0))
    backed = backed[np.argsort(-said[backed], kind="stable")]
    open_[backed] = False

    def rest() -> Rows:
        tiers = np.select([refused, disliked, welcome < 1], [3, 2, 1], default=0)
        left = np.flatnonzero(open_)
        return left[np.argsort(tiers[left], kind="stable")]

    return Judged(backed, said[backed], rest)


def answer(
    shelf: Shelf, found: Judged, k: int, *, likeness: Graph, diversity: float, why: Explain
) -> list[Recommendation]:
    order = various(found.backed[:POOL], found.scores[:POOL], likeness, diversity)
    chosen = np.concatenate([order, np.arange(len(order), len(found.backed))])[: max(k, 0)]
    rows, scores = found.backed[chosen], found.scores[chosen]
    backed = [
        Recommendation(shelf.ids[row], float(score), strongest(reasons))
        for row, score, reasons in zip(rows, scores, why(rows), strict=True)
    ]
    fill = found.rest()[: k - len(rows)] if k > len(rows) else ()
    return backed + [Recommendation(shelf.ids[row], 0.0, (Reason("popular"),)) for row in fill]


def various(pool: Rows, scores: Vector, likeness: Graph, diversity: float) -> Rows:
    """The places of the pool in the order of maximal marginal relevance: each next one is
    the best by (1 − diversity) × score − diversity × its likeness to the nearest before it,
    scores counting relative to the best."""
    if diversity <= 0 or len(pool) < 2:
        return np.arange(len(pool))
    alike = likeness.between(pool, pool)
    relevance = (1 - diversity) * scores / scores[0]
    nearest = np.zeros(len(pool), dtype=np.float32)
    order = np.zeros(len(pool), dtype=np.intp)
    for turn in range(len(pool)):
        best = int(np.argmax(relevance - diversity * nearest))
        order[turn] = best
        nearest = np.maximum(nearest, alike[best])
        relevance[best] = -np.inf
    return order


def strongest(found: Iterable[Contribution]) -> tuple[Reason, ...]:
    ranked = sorted((pair for pair in found if pair[0] > 0), key=lambda pair: -pair[0])
    # Rounding may leave nothing of a contribution that was next to nothing.
    least = _WORTH_SAYING * ranked[0][0] if ranked else 0
    # A genre that is a tag as well is said once.
    said = dict.fromkeys(reason for weight, reason in ranked if weight >= least)
    return tuple(said)[:_MOST_REASONS] or (Reason("popular"),)
