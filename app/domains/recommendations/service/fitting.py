"""Fitting models beside the requests, and publishing them to every process."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from app.domains.recommendations.jobs import FitRecommender
from app.domains.recommendations.model import StoredModel
from app.domains.recommendations.ports import RecommendationsWork
from app.domains.recommendations.service.snapshots import READERS_AT_ONCE, SnapshotReader
from app.ports.clock import Clock
from app.ports.fitting import ModelWorkshop
from app.ports.storage import StorageProvider
from app.shared.ids import new_id

log = logging.getLogger(__name__)

Told = Callable[[int, int], Awaitable[None]]
Page = TypeVar("Page")

# The newest, and the one before it for who finds the newest damaged.
_KEPT = 2
# Longer than any process takes to load one.
_GRACE = timedelta(minutes=10)
# Longer than any fit takes.
_LEFT_BEHIND = timedelta(hours=24)
_NO_LIMIT = 2**31 - 1


class FittingService:
    """A new fit is due once the library has changed, after `rest` at the earliest and so late
    that no more than a `share` of the time goes into fitting."""

    def __init__(
        self,
        *,
        begin: Callable[[], RecommendationsWork],
        snapshots: SnapshotReader,
        workshop: ModelWorkshop,
        storage: StorageProvider,
        clock: Clock,
        rest: timedelta = timedelta(seconds=60),
        share: float = 0.1,
    ) -> None:
        self._begin = begin
        self._snapshots = snapshots
        self._workshop = workshop
        self._storage = storage
        self._clock = clock
        self._rest = rest
        self._share = share
        self._asked: tuple[str, datetime] | None = None

    async def ask_if_due(self) -> bool:
        """Write the job of a fit, if one is due; whether it was. What was asked for and did
        not come is not asked for again for a while: perhaps it cannot be fitted."""
        async with self._begin() as work:
            revision = await work.reading.revision()
            newest = await self._newest(work)
            if newest and newest.version == revision:
                self._asked = None
                return False
            if not self._is_due(revision, newest):
                return False
            await work.jobs.enqueue(FitRecommender())
        self._asked = revision, self._clock.now()
        return True

    async def fit(self, tell: Told, *, anyway: bool = False) -> dict[str, object]:
        """Fit a model to the library as it is, and publish it, unless it is fitted already.
        `tell` is told how many books and readers are read, of how many."""
        async with self._begin() as work:
            revision = await work.reading.revision()
            newest = await self._newest(work)
        if newest and newest.version == revision and not anyway:
            return {"version": revision, "fitted": False}
        model = await self._made(revision, tell)
        await self.sweep()
        return {
            "version": revision,
            "fitted": True,
            "books": model.books,
            "seconds": round(model.seconds, 3),
            "bytes": model.size,
        }

    async def sweep(self) -> int:
        """Remove the files of models nobody loads any more; how many."""
        now = self._clock.now()
        async with self._begin() as work:
            useless = await work.models.useless(
                self._workshop.makes,
                kept=_KEPT,
                superseded_before=now - _GRACE,
                announced_before=now - _LEFT_BEHIND,
            )
        for model in useless:
            await self._storage.delete(model.storage_key)
            async with self._begin() as work:
                await work.models.remove(model.id)
        return len(useless)

    async def _made(self, revision: str, tell: Told) -> StoredModel:
        began = time.monotonic()
        name = self._workshop.makes
        model = StoredModel.announced(new_id(), name, revision, self._clock.now())
        async with self._begin() as work:
            await work.models.add(model)
        progress = await self._progress(tell)
        items = progress.over(self._snapshots.items(), len)
        readers = progress.over(self._snapshots.interactions(), lambda _: READERS_AT_ONCE)
        async with self._workshop.fitted(revision, items, readers) as fitted:
            stored = await self._storage.write(model.storage_key, fitted.read())
            books = fitted.books
        async with self._begin() as work:
            model = await work.models.find(model.id) or model
            model.publish(
                self._clock.now(),
                size=stored.size,
                sha256=stored.sha256,
                books=books,
                seconds=time.monotonic() - began,
            )
        log.info("Recommender model %s is published: %d books", revision, books)
        return model

    async def _progress(self, tell: Told) -> "_Progress":
        async with self._begin() as work:
            extent = await work.reading.extent(_NO_LIMIT)
        return _Progress(tell, extent.books + extent.readers)

    async def _newest(self, work: RecommendationsWork) -> StoredModel | None:
        return next(iter(await work.models.published(self._workshop.makes, 1)), None)

    def _is_due(self, revision: str, newest: StoredModel | None) -> bool:
        now = self._clock.now()
        if self._asked and self._asked[0] == revision and now - self._asked[1] < 10 * self._rest:
            return False
        if newest is None or newest.published_at is None:
            return True
        pause = max(self._rest, timedelta(seconds=newest.seconds / self._share))
        return now - newest.published_at >= pause


class _Progress:
    """Counts what passes, towards a number that was counted a moment before."""

    def __init__(self, tell: Told, planned: int) -> None:
        self._tell = tell
        self._planned = max(planned, 1)
        self._done = 0

    async def over(
        self, pages: AsyncIterator[Sequence[Page]], size: Callable[[Sequence[Page]], int]
    ) -> AsyncIterator[Sequence[Page]]:
        async for page in pages:
            yield page
            self._done += size(page)
            await self._tell(min(self._done, self._planned), self._planned)
