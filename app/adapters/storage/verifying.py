"""Reading nothing but what was written: every block is held against its digest before it goes
out, be it for a reader, for ingestion or for a model that is loaded."""

import hashlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from prometheus_client import Counter
from typing_extensions import override

from app.adapters.storage.streams import Tally, pieces
from app.ports.clock import Clock
from app.ports.files import Blocks, FileCheck, FileRecord, FileRecords, ObjectDamaged
from app.ports.storage import ByteRange, ObjectMissing, StorageProvider, StoredObject
from app.shared.errors import RangeNotSatisfiable

BLOCK_SIZE = 256 << 10
_DIGEST = 32
MISSING, CHANGED = "missing", "changed"

_DAMAGED = Counter("lumina_storage_damage", "Stored objects found damaged or gone", ["damage"])

log = logging.getLogger(__name__)


class VerifyingStorage(StorageProvider, FileCheck):
    """The same store, with a record of the SHA-256 of each 256 KiB. A key is written once: who
    reads one while it is replaced may find it damaged.

    `read` raises ObjectMissing and ObjectDamaged before the first byte where it can know, and
    ObjectDamaged in the middle of the stream, before the first wrong byte, where it cannot. Of
    an object stored before digests were kept, the first read makes them, reading all of it.
    """

    def __init__(self, inner: StorageProvider, records: FileRecords, clock: Clock) -> None:
        self._inner = inner
        self._records = records
        self._clock = clock

    @override
    async def write(self, key: str, stream: AsyncIterator[bytes]) -> StoredObject:
        digesting = _Digesting()
        stored = await self._inner.write(key, digesting.over(stream))
        record = FileRecord(key, stored, digesting.blocks)
        await self._records.keep(record, self._clock.now())
        return stored

    @override
    async def read(self, key: str, part: ByteRange | None = None) -> AsyncIterator[bytes]:
        record = await self._records.find(key)
        if record is None:
            # Stored by an earlier release, and belonging to nothing but a job.
            log.warning("There is no record of %s: it is read as it is", key)
            return await self._inner.read(key, part)
        if record.damage is not None:
            raise _error(record.damage)
        if part is not None and part.start >= record.total.size:
            raise RangeNotSatisfiable
        if not record.total.size:
            return await self._inner.read(key)
        blocks = record.blocks or await self._surveyed(record)
        last = record.total.size - 1
        within = ByteRange(part.start, min(part.end, last)) if part else ByteRange(0, last)
        chunks = self._within(record, blocks, within)
        # The first one now, so that a refusal can still be one.
        first = await anext(chunks, b"")
        return _chained(first, chunks)

    @override
    async def delete(self, key: str) -> None:
        await self._inner.delete(key)
        await self._records.forget(key)

    @override
    async def exists(self, key: str) -> bool:
        return await self._inner.exists(key)

    @override
    async def check(self, key: str) -> str | None:
        record = await self._records.find(key)
        if record is None:
            return None
        damage, blocks = await self._examined(record)
        if damage and not record.damage:
            self._alarm(key, damage)
        await self._records.judge(key, damage, self._clock.now(), blocks)
        return damage

    async def _surveyed(self, record: FileRecord) -> Blocks:
        damage, blocks = await self._examined(record)
        await self._records.judge(record.key, damage, self._clock.now(), blocks)
        if blocks is None:
            self._alarm(record.key, damage or CHANGED)
            raise _error(damage or CHANGED)
        return blocks

    async def _examined(self, record: FileRecord) -> tuple[str | None, Blocks | None]:
        """What is wrong with the object, or else the digests it has."""
        digesting, tally = _Digesting(), Tally()
        try:
            async for chunk in digesting.over(await self._inner.read(record.key)):
                tally.add(chunk)
        except ObjectMissing:
            return MISSING, None
        if tally.total != record.total:
            return CHANGED, None
        return None, digesting.blocks

    async def _within(
        self, record: FileRecord, blocks: Blocks, part: ByteRange
    ) -> AsyncGenerator[bytes, None]:
        begin = part.start - part.start % blocks.size
        async with aclosing(self._blocks(record, blocks, part)) as found:
            async for block in found:
                yield block[max(part.start - begin, 0) : part.end + 1 - begin]
                begin += blocks.size

    async def _blocks(
        self, record: FileRecord, blocks: Blocks, part: ByteRange
    ) -> AsyncGenerator[bytes, None]:
        """The blocks the part lies in. One that is wrong is read once more: perhaps it was the
        way here that did it."""
        number, last = part.start // blocks.size, part.end // blocks.size
        tried = -1
        while number <= last:
            async with aclosing(self._from(record, blocks, number, last)) as found:
                async for block in found:
                    if not _fits(block, blocks, number):
                        break
                    yield block
                    number += 1
            if number <= last and tried == number:
                raise await self._broken(record, CHANGED)
            tried = number

    async def _from(
        self, record: FileRecord, blocks: Blocks, first: int, last: int
    ) -> AsyncGenerator[bytes, None]:
        """The blocks from one to the other as they are there; fewer, where less is there."""
        end = min((last + 1) * blocks.size, record.total.size) - 1
        try:
            chunks = await self._inner.read(record.key, ByteRange(first * blocks.size, end))
        except RangeNotSatisfiable:
            return
        except ObjectMissing as error:
            raise await self._broken(record, MISSING) from error
        async with aclosing(pieces(chunks, blocks.size)) as cut:
            async for block in cut:
                yield block

    async def _broken(self, record: FileRecord, damage: str) -> ObjectMissing:
        self._alarm(record.key, damage)
        await self._records.judge(record.key, damage, self._clock.now())
        return _error(damage)

    def _alarm(self, key: str, damage: str) -> None:
        _DAMAGED.labels(damage).inc()
        log.error("The stored file %s is %s: bring it back from a backup", key, damage)


class _Digesting:
    """The digests of the blocks of what passes, however it is cut."""

    def __init__(self) -> None:
        self._digests = bytearray()
        self._block = hashlib.sha256()
        self._missing = BLOCK_SIZE

    async def over(self, stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        async for chunk in stream:
            self._add(memoryview(chunk))
            yield chunk

    def _add(self, rest: memoryview) -> None:
        while rest:
            self._block.update(rest[: self._missing])
            taken = min(len(rest), self._missing)
            self._missing -= taken
            rest = rest[taken:]
            if not self._missing:
                self._end_block()

    def _end_block(self) -> None:
        self._digests += self._block.digest()
        self._block, self._missing = hashlib.sha256(), BLOCK_SIZE

    @property
    def blocks(self) -> Blocks:
        if self._missing < BLOCK_SIZE:
            self._end_block()
        return Blocks(BLOCK_SIZE, bytes(self._digests))


def _fits(block: bytes, blocks: Blocks, number: int) -> bool:
    known = blocks.digests[number * _DIGEST : (number + 1) * _DIGEST]
    return hashlib.sha256(block).digest() == known


def _error(damage: str) -> ObjectMissing:
    return ObjectMissing() if damage == MISSING else ObjectDamaged()


async def _chained(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(rest):
        if first:
            yield first
        async for chunk in rest:
            yield chunk
