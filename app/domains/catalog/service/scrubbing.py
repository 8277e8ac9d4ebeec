"""Walking over all stored files: are they what was stored, and does anything refer to them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domains.catalog.jobs import ScrubFiles
from app.domains.catalog.ports import CatalogWork
from app.ports.audit import Act, Subject
from app.ports.clock import Clock
from app.ports.files import DamagedFile, FileCheck, FileRecords, ObjectInventory
from app.ports.storage import StorageProvider

log = logging.getLogger(__name__)

# What is stored under another name is not ours to judge.
_OURS = ("books/", "texts/", "models/")
# An upload on its way has an object, or a record, that nothing refers to yet.
_GRACE = timedelta(hours=24)
_AT_ONCE = 500
_CHECKED_AT_ONCE = 20
# Of the time a job reads files it rests nine times as long, and it never holds its place long.
_REST = 9.0
_LONGEST_REST = 5.0
_LONGEST_RUN = 300.0
_GOES_ON_AFTER = timedelta(minutes=30)

Told = Callable[[int, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Findings:
    """`orphans` are files this library stored and nothing refers to any more; `strangers` lie
    in the store under names like ours, and this database has never heard of them."""

    checked: int
    damaged: Sequence[DamagedFile] = ()
    orphans: Sequence[str] = ()
    strangers: Sequence[str] = ()


class ScrubbingService:
    """A round checks every file once. It may be broken off at any moment and goes on where it
    was; a job begins one `every` so often (None: never).

    The job removes orphans. Strangers only a person may have removed: they may be the files of
    another library in the same store, or of this one, when its database was put back to an
    earlier day.
    """

    def __init__(
        self,
        *,
        begin: Callable[[], CatalogWork],
        storage: StorageProvider,
        check: FileCheck,
        records: FileRecords,
        inventory: ObjectInventory,
        clock: Clock,
        every: timedelta | None,
    ) -> None:
        self._begin = begin
        self._storage = storage
        self._check = check
        self._records = records
        self._inventory = inventory
        self._clock = clock
        self._every = every

    async def scrub(self, tell: Told) -> Findings:
        """Go on with the round, or begin one, to its end; `tell` is told how many files are
        checked, of how many."""
        begun = await self._records.open_round() or await self._begun()
        done, planned = await self._records.count(begun)
        while checked := await self._checked_some(begun, resting=False):
            done += checked
            await tell(done, max(done, planned))
        return await self._ended(begun)

    async def go_on(self, tell: Told) -> dict[str, object]:
        """The work of a job: some of the round, at a low rate; then another job goes on."""
        begun = await self._records.open_round() or await self._begun_if_due()
        if begun is None:
            return {"due": False}
        done, planned = await self._records.count(begun)
        until = time.monotonic() + _LONGEST_RUN
        while time.monotonic() < until:
            checked = await self._checked_some(begun, resting=True)
            if not checked:
                found = await self._ended(begun)
                removed = await self.remove(found.orphans)
                return {"damaged": len(found.damaged), "orphans_removed": removed}
            done += checked
            await tell(done, max(done, planned))
        async with self._begin() as work:
            await work.jobs.enqueue(ScrubFiles(), delay=_GOES_ON_AFTER)
        return {"ended": False}

    async def ask_if_due(self) -> None:
        """Write the job, if there is something to do for it."""
        due = await self._records.open_round() is not None or await self._is_due()
        if due and self._every is not None:
            async with self._begin() as work:
                await work.jobs.enqueue(ScrubFiles())

    async def remove(self, orphans: Sequence[str]) -> int:
        """Remove what nothing refers to, asking once more before each; how many."""
        removed = 0
        for key in orphans:
            if await self._records.unreferenced([key]):
                await self._storage.delete(key)
                removed += 1
        if removed:
            async with self._begin() as work:
                about = Subject("files", "")
                await work.audit.note(Act.ORPHANS_REMOVED, about, files=removed)
        return removed

    async def _checked_some(self, begun: datetime, *, resting: bool) -> int:
        keys = await self._records.due(begun, _CHECKED_AT_ONCE)
        for key in keys:
            began = time.monotonic()
            await self._check.check(key)
            if resting:
                await asyncio.sleep(min(_LONGEST_REST, _REST * (time.monotonic() - began)))
        return len(keys)

    async def _ended(self, begun: datetime) -> Findings:
        before = self._clock.now() - _GRACE
        orphans = [key async for key in self._orphans(before)]
        strangers = [key async for key in self._strangers(before)]
        if strangers:
            log.warning("The store has %d files this library knows nothing of", len(strangers))
        checked, _ = await self._records.count(begun)
        await self._records.end_round(begun, self._clock.now())
        return Findings(checked, await self._records.damaged(), orphans, strangers)

    async def _orphans(self, before: datetime) -> AsyncIterator[str]:
        after = ""
        while behind := await self._records.left_behind(before, _AT_ONCE, after):
            after = behind[-1]
            for key in behind:
                yield key

    async def _strangers(self, before: datetime) -> AsyncIterator[str]:
        batch: list[str] = []
        async for each in self._inventory.listing():
            if each.key.startswith(_OURS) and each.modified_at < before:
                batch.append(each.key)
            if len(batch) == _AT_ONCE:
                for key in await self._unknown(batch):
                    yield key
                batch.clear()
        for key in await self._unknown(batch):
            yield key

    async def _unknown(self, keys: list[str]) -> list[str]:
        """Those without a record that nothing refers to."""
        loose = await self._records.unreferenced(keys)
        return [key for key in loose if await self._records.find(key) is None]

    async def _begun(self) -> datetime:
        now = self._clock.now()
        await self._records.begin_round(now)
        return now

    async def _begun_if_due(self) -> datetime | None:
        return await self._begun() if await self._is_due() else None

    async def _is_due(self) -> bool:
        if self._every is None:
            return False
        last = await self._records.last_round()
        return last is None or self._clock.now() - last >= self._every
