"""The content default: fielded TF-IDF, and every book of a history speaking for itself."""

from collections.abc import Collection, Iterable
from uuid import UUID

import numpy as np
from typing_extensions import override

from app.adapters.recommender.evidence import POWER, Evidence, evidence_of
from app.adapters.recommender.likeness import likeness
from app.adapters.recommender.space import Rows, Space, Vector, space_of
from app.ports.recommender import Profile, Reason, Recommendation, Recommender, Snapshot

_MOST_REASONS = 3
# A reason much weaker than the first explains nothing.
_WORTH_SAYING = 0.2
# As much as a disliked book says against one that is nearly a third like it.
_DISLIKED = -(0.3**POWER)
_HARDLY_WELCOME = 0.2


class TfidfRecommender(Recommender):
    """Knows what books say of themselves, and of readers only how many there are.

    A question asked during a `fit` is answered from the one before it.
    """

    name = "tfidf"

    def __init__(self) -> None:
        self._space = space_of(())

    @override
    def fit(self, snapshot: Snapshot) -> None:
        self._space = space_of(snapshot.items)

    @override
    def recommend(
        self, profile: Profile, exclude: Collection[UUID], k: int
    ) -> list[Recommendation]:
        space = self._space
        evidence = evidence_of(space, profile)
        scores, tiers = _judged(space, evidence)
        chosen = _first(np.lexsort((-scores, tiers)), space.rows(exclude), k)
        backed = chosen[tiers[chosen] == 0]
        popular = Reason("popular")
        return [
            Recommendation(space.items[row].id, float(scores[row]), _strongest(found))
            for row, found in zip(backed, evidence.reasons(backed), strict=True)
        ] + [Recommendation(space.items[row].id, 0.0, (popular,)) for row in chosen[len(backed) :]]

    @override
    def similar(self, item_id: UUID, k: int) -> list[Recommendation]:
        space = self._space
        seed = space.row_of.get(item_id)
        if seed is None:
            return []
        scores = (space.matrix[[seed]] @ space.by_token).toarray()[0]
        alike = np.flatnonzero(scores > 0)
        nearest = _first(alike[np.argsort(-scores[alike], kind="stable")], np.array([seed]), k)
        return [
            Recommendation(space.items[row].id, float(scores[row]), reasons)
            for row, reasons in zip(nearest, likeness(space, seed, nearest), strict=True)
        ]


def _judged(space: Space, evidence: Evidence) -> tuple[Vector, Rows]:
    """Scores, and tiers: 0 backed by evidence, 1 indifferent, 2 less welcome, 3 disliked."""
    totals, welcome = evidence.totals(), evidence.welcome()
    disliked = (welcome < _HARDLY_WELCOME) | (totals <= _DISLIKED)
    backed = ~disliked & (totals > 0)
    tiers = np.select([disliked, backed, welcome < 1], [3, 0, 2], default=1)
    # Of two books that fit alike, more readers finish the one that more readers chose.
    scores = np.where(backed, totals * welcome * (1 + space.popularity), 0)
    return scores.astype(np.float32), tiers


def _first(order: Rows, excluded: Rows, k: int) -> Rows:
    return order[~np.isin(order, excluded)][: max(k, 0)]


def _strongest(found: Iterable[tuple[float, Reason]]) -> tuple[Reason, ...]:
    ranked = sorted(found, key=lambda pair: -pair[0])
    least = _WORTH_SAYING * ranked[0][0]
    # A genre that is a tag as well is said once.
    said = dict.fromkeys(reason for weight, reason in ranked if weight >= least)
    return tuple(said)[:_MOST_REASONS]
