"""The last resort of a large library that has no model yet, and is named as that."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import BinaryIO
from uuid import UUID

from typing_extensions import override

from app.domains.recommendations.ports import RecommendationsWork
from app.domains.recommendations.service.fresh_model import Fitted
from app.ports.clock import Clock
from app.ports.recommender import (
    Item,
    ModelDamaged,
    Profile,
    Reason,
    Recommendation,
    Recommender,
    Snapshot,
)

_KNOWN = 500
_POPULAR = (Reason("popular"),)


class PopularityRecommender(Recommender):
    """The books most readers had, those in the reader's languages first. It is asked instead
    of a model, and so never saved."""

    name = "popular"

    def __init__(self, ranked: Sequence[Item] = ()) -> None:
        self._ranked = ranked

    @property
    @override
    def items(self) -> Mapping[UUID, int]:
        return {item.id: item.popularity for item in self._ranked}

    @override
    def fit(self, snapshot: Snapshot) -> None:
        self._ranked = sorted(snapshot.items, key=lambda item: (-item.popularity, item.id))

    @override
    def recommend(
        self, profile: Profile, exclude: Collection[UUID], k: int, *, diversity: float = 0.0
    ) -> list[Recommendation]:
        left = [item for item in self._ranked if item.id not in exclude]
        left.sort(key=lambda item: -_welcome(item, profile.languages))
        return [Recommendation(item.id, 0.0, _POPULAR) for item in left[: max(k, 0)]]

    @override
    def similar(self, item_id: UUID, k: int) -> list[Recommendation]:
        return []

    @override
    def save(self, target: BinaryIO) -> None:
        raise NotImplementedError

    @override
    def load(self, source: BinaryIO) -> None:
        raise ModelDamaged


class PopularBooks:
    """Asked for at most every `lasts` seconds: they are counted over all loans."""

    def __init__(
        self, begin: Callable[[], RecommendationsWork], clock: Clock, *, lasts: float = 60
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._lasts = lasts
        self._turn = asyncio.Lock()
        self._counted_at = 0.0
        self._latest: Fitted | None = None

    async def current(self) -> Fitted:
        async with self._turn:
            if self._latest is None or time.monotonic() - self._counted_at >= self._lasts:
                self._latest = await self._count()
                self._counted_at = time.monotonic()
            return self._latest

    async def _count(self) -> Fitted:
        async with self._begin() as work:
            ranked = await work.reading.popular(_KNOWN)
        recommender = PopularityRecommender(ranked)
        return Fitted(recommender, "popular", self._clock.now(), recommender.items)


def _welcome(item: Item, languages: Mapping[str, float]) -> float:
    said = languages.get((item.language or "").lower(), 0.0)
    wanted = any(weight > 0 for weight in languages.values())
    return said - (0.5 if wanted and item.language and not said else 0)
