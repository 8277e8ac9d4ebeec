"""A recommender that counts how its stored models load, and how long answers take."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO
from uuid import UUID

from prometheus_client import Counter, Histogram
from typing_extensions import override

from app.ports.recommender import ModelDamaged, Profile, Recommendation, Recommender, Snapshot

_LOADS = Counter("lumina_recommender_loads", "Stored models read", ["outcome"])
_SECONDS = Histogram(
    "lumina_recommender_seconds",
    "Seconds of one answer of the model",
    ["question"],
    buckets=(0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.3, 1, 3),
)


class MeasuringRecommender(Recommender):
    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self.name = recommender.name

    @property
    @override
    def items(self) -> Mapping[UUID, int]:
        return self._recommender.items

    @override
    def fit(self, snapshot: Snapshot) -> None:
        self._recommender.fit(snapshot)

    @override
    def recommend(
        self, profile: Profile, exclude: Collection[UUID], k: int, *, diversity: float = 0.0
    ) -> list[Recommendation]:
        with _timed("recommend"):
            return self._recommender.recommend(profile, exclude, k, diversity=diversity)

    @override
    def similar(self, item_id: UUID, k: int) -> list[Recommendation]:
        with _timed("similar"):
            return self._recommender.similar(item_id, k)

    @override
    def save(self, target: BinaryIO) -> None:
        self._recommender.save(target)

    @override
    def load(self, source: BinaryIO) -> None:
        try:
            self._recommender.load(source)
        except ModelDamaged:
            _LOADS.labels("damaged").inc()
            raise
        _LOADS.labels("loaded").inc()


def measured(new_recommender: Callable[[], Recommender]) -> Callable[[], Recommender]:
    return lambda: MeasuringRecommender(new_recommender())


@contextmanager
def _timed(question: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        _SECONDS.labels(question).observe(time.perf_counter() - began)
