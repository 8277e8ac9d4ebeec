"""A workshop that fits on the spot."""

import io
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from typing_extensions import override

from app.ports.fitting import FitFailed, FittedModel, ModelWorkshop
from app.ports.recommender import Interaction, Item, Recommender, Snapshot
from tests.fakes.recommender import OverlapRecommender


class FittedBytes(FittedModel):
    def __init__(self, content: bytes, books: int) -> None:
        self._content = content
        self._books = books

    @property
    @override
    def books(self) -> int:
        return self._books

    @override
    async def read(self) -> AsyncIterator[bytes]:
        yield self._content[:7]
        yield self._content[7:]


class InlineWorkshop(ModelWorkshop):
    """`snapshots` are those it was given; while `broken` its fits die half-way;
    `tries` counts all of them."""

    def __init__(self, new_recommender: Callable[[], Recommender] = OverlapRecommender) -> None:
        self._new_recommender = new_recommender
        self.snapshots: list[Snapshot] = []
        self.broken = False
        self.tries = 0

    @property
    @override
    def makes(self) -> str:
        return self._new_recommender().name

    @override
    @asynccontextmanager
    async def fitted(
        self,
        version: str,
        items: AsyncIterator[Sequence[Item]],
        interactions: AsyncIterator[Sequence[Interaction]],
    ) -> AsyncIterator[FittedModel]:
        self.tries += 1
        books = [item async for page in items for item in page]
        if self.broken:
            raise FitFailed("The process ended with -9.")
        done = [one async for page in interactions for one in page]
        self.snapshots.append(Snapshot(version, books, done))
        model, file = self._new_recommender(), io.BytesIO()
        model.fit(self.snapshots[-1])
        model.save(file)
        yield FittedBytes(file.getvalue(), len(model.items))
