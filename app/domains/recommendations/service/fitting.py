"""Fitting models beside the requests, and publishing them to every process."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from app.domains.recommendations.jobs import FitRecommender
from app.domains.recommendations.model import StoredModel
from app.domains.recommendations.ports import RecommendationsWork
from app.domains.recommendations.service.snapshots import READERS_AT_ONCE, SnapshotReader
from app.ports.audit import Act, Subject
from app.ports.clock import Clock
from app.ports.fitting import ModelWorkshop
from app.ports.storage import StorageProvider, StoredObject
from app.shared.errors import Unavailable
from app.shared.ids import new_id

log = logging.getLogger(__name__)

Told = Callable[[int, int], Awaitable[None]]
Page = TypeVar("Page")

# The newest, and the one before it for who finds the newest damaged.
_KEPT = 2
# In times of the rest between fits: until what came to nothing is asked for again.
_PATIENCE = 10
# A fit that neither ended nor failed for so long died with its job.
_LONGEST = timedelta(hours=1)
# Longer than any process takes to load one.
_GRACE = timedelta(minutes=10)
# Longer than any fit takes.
_LEFT_BEHIND = timedelta(hours=24)
_NO_LIMIT = 2**31 - 1


class FittingService:
    """A new fit is due once the library has changed, after `rest` at the earliest and so late
    that no more than a `share` of the time goes into fitting; right after the rest when the
    newest model knows readers and may not, or the other way round."""

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
        self._asked_at: datetime | None = None
        self._compared: tuple[UUID, datetime] | None = None

    async def ask_if_due(self) -> bool:
        """Write the job of a fit, if one is due; whether it was. What was asked for and did
        not come is not asked for again for a while, whatever changed meanwhile and whoever
        asked: perhaps it cannot be fitted."""
        async with self._begin() as work:
            if self._is_awaited(await work.models.latest(self._workshop.makes)):
                return False
            newest = await self._newest(work)
            if newest and not await self._is_outdated(work, newest):
                return False
            await work.jobs.enqueue(FitRecommender())
        self._asked_at = self._clock.now()
        return True

    async def fit(self, tell: Told, *, anyway: bool = False) -> dict[str, object]:
        """Fit a model to the library as it is, and publish it, unless it is fitted already or
        the newest is too young: what was asked for while that one was fitted is answered.
        `tell` is told how many books and readers are read, of how many."""
        async with self._begin() as work:
            revision = self._snapshots.version(await work.reading.revision())
            newest = await self._newest(work)
        if newest and not anyway and (newest.version == revision or self._is_young(newest)):
            return {"version": newest.version, "fitted": False}
        model = await self._made(revision, tell, forced=anyway)
        await self.sweep()
        return {
            "version": revision,
            "fitted": True,
            "books": model.books,
            "seconds": round(model.seconds, 3),
            "bytes": model.size,
        }

    async def sweep(self) -> int:
        """Remove the files of models nobody loads any more, and of those that may know of
        readers what the newest may not; how many."""
        now = self._clock.now()
        async with self._begin() as work:
            newest = await work.models.published(self._workshop.makes, _KEPT)
            useless = await work.models.useless(
                kept=[model.id for model in newest if model.memory == newest[0].memory],
                superseded_before=now - _GRACE,
                announced_before=now - _LEFT_BEHIND,
            )
        for model in useless:
            await self._storage.delete(model.storage_key)
            async with self._begin() as work:
                await work.models.remove(model.id)
        return len(useless)

    async def _made(self, revision: str, tell: Told, *, forced: bool) -> StoredModel:
        began = time.monotonic()
        name = self._workshop.makes
        model = StoredModel.announced(new_id(), name, revision, self._clock.now())
        async with self._begin() as work:
            await work.models.add(model)
        try:
            stored, books = await self._stored(model, tell)
        except Exception:
            await self._note_failure(model.id, time.monotonic() - began)
            raise
        async with self._begin() as work:
            model = await work.models.find(model.id) or model
            model.publish(
                self._clock.now(),
                size=stored.size,
                sha256=stored.sha256,
                books=books,
                seconds=time.monotonic() - began,
            )
            if forced:
                about = Subject("model", str(model.id))
                await work.audit.note(Act.MODEL_FITTED, about, version=revision)
        log.info("Recommender model %s is published: %d books", revision, books)
        return model

    async def _stored(self, model: StoredModel, tell: Told) -> tuple[StoredObject, int]:
        progress = await self._progress(tell)
        items = progress.over(self._snapshots.items(), len)
        readers = progress.over(self._snapshots.interactions(), lambda _: READERS_AT_ONCE)
        async with self._workshop.fitted(model.version, items, readers) as fitted:
            return await self._storage.write(model.storage_key, fitted.read()), fitted.books

    async def _note_failure(self, model_id: UUID, seconds: float) -> None:
        """For whoever would ask for another one right away, in any process."""
        with suppress(Unavailable):
            async with self._begin() as work:
                if model := await work.models.find(model_id):
                    model.fail(seconds=seconds)

    async def _progress(self, tell: Told) -> "_Progress":
        async with self._begin() as work:
            extent = await work.reading.extent(_NO_LIMIT)
        return _Progress(tell, extent.books + extent.readers)

    async def _newest(self, work: RecommendationsWork) -> StoredModel | None:
        return next(iter(await work.models.published(self._workshop.makes, 1)), None)

    def _is_awaited(self, latest: StoredModel | None) -> bool:
        """Whether a fit is under way, failed lately, or was asked for lately and has not begun."""
        now, pause = self._clock.now(), _PATIENCE * self._rest
        if latest and not latest.fitted:
            failed_at = latest.failed_at
            if now < (failed_at + pause if failed_at else latest.announced_at + _LONGEST):
                return True
        if self._asked_at is None or (latest and latest.announced_at >= self._asked_at):
            return False
        return now - self._asked_at < pause

    async def _is_outdated(self, work: RecommendationsWork, newest: StoredModel) -> bool:
        """Summing up a large library is work, so it is done when it may lead to something, and
        not more often than a fit."""
        now = self._clock.now()
        compared = self._compared
        just_compared = compared and compared[0] == newest.id and now - compared[1] < self._rest
        if self._rests(newest) or just_compared:
            return False
        if self._snapshots.version(await work.reading.revision()) != newest.version:
            return True
        self._compared = newest.id, now
        return False

    def _is_young(self, newest: StoredModel) -> bool:
        return self._snapshots.suits(newest) and self._rests(newest)

    def _rests(self, newest: StoredModel) -> bool:
        long = timedelta(seconds=newest.seconds / self._share)
        pause = max(self._rest, long) if self._snapshots.suits(newest) else self._rest
        return newest.published_at is not None and self._clock.now() - newest.published_at < pause


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
