"""A recommender kept fitted to what a small library holds now."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from app.domains.recommendations.ports import RecommendationsWork
from app.domains.recommendations.service.snapshots import SnapshotReader
from app.ports.clock import Clock
from app.ports.recommender import Recommender, Snapshot

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model that answers; `items` are those it knows, with how many readers each had."""

    recommender: Recommender
    version: str
    trained_at: datetime
    items: Mapping[UUID, int] = field(repr=False)


class FreshModel:
    """One model a process, fitted once at a time; a failed fit leaves the one that was there.

    A model that is made faster than `worth_waiting` seconds is waited for. A slower one goes
    on as it is: it looks for changes beside the requests, and not before `rest` seconds have
    passed.
    """

    def __init__(
        self,
        *,
        begin: Callable[[], RecommendationsWork],
        snapshots: SnapshotReader,
        new_recommender: Callable[[], Recommender],
        clock: Clock,
        worth_waiting: float = 0.5,
        rest: float = 5.0,
    ) -> None:
        self._begin = begin
        self._snapshots = snapshots
        self._new_recommender = new_recommender
        self._clock = clock
        self._worth_waiting = worth_waiting
        self._rest = rest
        self._fitting: asyncio.Task[None] | None = None
        self._took = 0.0
        self._looked_at = 0.0
        self.latest: Fitted | None = None

    async def current(self) -> Fitted | None:
        """None when no fit has succeeded yet."""
        if self.latest is None or self._took < self._worth_waiting:
            await self._catch_up()
        elif time.monotonic() - self._looked_at >= self._rest:
            self._in_progress()
        return self.latest

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
            snapshot = await self._snapshots.whole(revision)
            recommender = self._new_recommender()
            items = await asyncio.to_thread(_fitted, recommender, snapshot)
        finally:
            self._took = time.monotonic() - began
        self.latest = Fitted(recommender, revision, self._clock.now(), items)

    async def _revision(self) -> str:
        async with self._begin() as work:
            return self._snapshots.version(await work.reading.revision())

    def _is_of(self, revision: str) -> bool:
        return self.latest is not None and self.latest.version == revision


def _fitted(recommender: Recommender, snapshot: Snapshot) -> Mapping[UUID, int]:
    recommender.fit(snapshot)
    return recommender.items
