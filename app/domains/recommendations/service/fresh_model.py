"""A recommender kept fitted to what the library holds now."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from app.domains.recommendations.errors import NoModelYet
from app.domains.recommendations.ports import RecommendationsWork
from app.ports.clock import Clock
from app.ports.recommender import Item, Recommender, Snapshot

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fitted:
    recommender: Recommender
    version: str
    trained_at: datetime
    items: Mapping[UUID, Item] = field(repr=False)


class FreshModel:
    """One model a process, fitted once at a time; a failed fit leaves the one that was there.

    A library whose model is made faster than `worth_waiting` seconds waits for it. A larger
    one goes on with the model it has: it looks for changes beside the requests, and not
    before `rest` seconds have passed.
    """

    def __init__(
        self,
        *,
        begin: Callable[[], RecommendationsWork],
        new_recommender: Callable[[], Recommender],
        clock: Clock,
        worth_waiting: float = 0.5,
        rest: float = 5.0,
    ) -> None:
        self._begin = begin
        self._new_recommender = new_recommender
        self._clock = clock
        self._worth_waiting = worth_waiting
        self._rest = rest
        self._fitted: Fitted | None = None
        self._fitting: asyncio.Task[None] | None = None
        self._took = 0.0
        self._looked_at = 0.0

    async def current(self) -> Fitted:
        """Raises NoModelYet when there is none to fall back on."""
        if self._fitted is None or self._took < self._worth_waiting:
            await self._catch_up()
        elif time.monotonic() - self._looked_at >= self._rest:
            self._in_progress()
        if self._fitted is None:
            raise NoModelYet
        return self._fitted

    async def _catch_up(self) -> None:
        revision = await self._revision()
        if self._is_of(revision):
            return
        joined = self._fitting is not None and not self._fitting.done()
        # Whoever asked first may go away; the fit is for everybody.
        await asyncio.shield(self._in_progress())
        if joined and not self._is_of(revision):
            # It was under way before what this caller knows of.
            await asyncio.shield(self._in_progress())

    def _in_progress(self) -> asyncio.Task[None]:
        if self._fitting is None or self._fitting.done():
            self._fitting = asyncio.create_task(self._refresh())
        return self._fitting

    async def _refresh(self) -> None:
        """Perhaps nobody waits, so a failure ends in the log."""
        try:
            revision = await self._revision()
            if not self._is_of(revision):
                await self._fit(revision)
        except Exception:
            log.exception("The recommender could not be fitted anew")
        self._looked_at = time.monotonic()

    async def _fit(self, revision: str) -> None:
        began = time.monotonic()
        try:
            async with self._begin() as work:
                items = await work.reading.items()
            recommender = self._new_recommender()
            await asyncio.to_thread(recommender.fit, Snapshot(revision, items))
        finally:
            self._took = time.monotonic() - began
        by_id = {item.id: item for item in items}
        self._fitted = Fitted(recommender, revision, self._clock.now(), by_id)

    async def _revision(self) -> str:
        async with self._begin() as work:
            return await work.reading.revision()

    def _is_of(self, revision: str) -> bool:
        return self._fitted is not None and self._fitted.version == revision
