"""A recommender kept fitted to what the library holds now."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from app.domains.recommendations.ports import RecommendationsWork
from app.ports.clock import Clock
from app.ports.recommender import Item, Recommender, Snapshot

# A library whose model is fitted faster than this waits for it; a larger one goes on with
# the model it has while the new one is made.
_WORTH_WAITING = 0.5


@dataclass(frozen=True, slots=True)
class Fitted:
    recommender: Recommender
    version: str
    trained_at: datetime
    items: Mapping[UUID, Item] = field(repr=False)


class FreshModel:
    """One model a process. Never fits for a request that can be answered without, never
    fits twice at once; a failed fit leaves the model that was there."""

    def __init__(
        self,
        *,
        begin: Callable[[], RecommendationsWork],
        new_recommender: Callable[[], Recommender],
        clock: Clock,
    ) -> None:
        self._begin = begin
        self._new_recommender = new_recommender
        self._clock = clock
        self._fitted: Fitted | None = None
        self._fitting: asyncio.Task[Fitted] | None = None
        self._took = 0.0

    async def current(self) -> Fitted:
        async with self._begin() as work:
            revision = await work.reading.revision()
        if self._fitted is not None and self._fitted.version == revision:
            return self._fitted
        fitting = self._in_progress(revision)
        if self._fitted is None or self._took < _WORTH_WAITING:
            # Whoever asked first may go away; the fit is for everybody.
            return await asyncio.shield(fitting)
        return self._fitted

    def _in_progress(self, revision: str) -> asyncio.Task[Fitted]:
        if self._fitting is None or self._fitting.done():
            self._fitting = asyncio.create_task(self._fit(revision))
        return self._fitting

    async def _fit(self, revision: str) -> Fitted:
        async with self._begin() as work:
            items = await work.reading.items()
        recommender = self._new_recommender()
        began = time.monotonic()
        await asyncio.to_thread(recommender.fit, Snapshot(revision, items))
        self._took = time.monotonic() - began
        by_id = {item.id: item for item in items}
        self._fitted = Fitted(recommender, revision, self._clock.now(), by_id)
        return self._fitted
