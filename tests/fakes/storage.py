"""A storage in a dictionary."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from typing_extensions import override

from app.adapters.storage.streams import Tally, check_key
from app.ports.files import ListedObject, ListedStorage
from app.ports.storage import (
    ByteRange,
    ObjectMissing,
    StorageUnavailable,
    StoredObject,
)
from app.shared.errors import RangeNotSatisfiable

CHUNK_SIZE = 64 << 10
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class InMemoryStorage(ListedStorage):
    """Keeps its objects in `objects`, all of which look old; answers nothing while `down`."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.modified_at: dict[str, datetime] = {}
        self.down = False

    @override
    async def write(self, key: str, stream: AsyncIterator[bytes]) -> StoredObject:
        await self._answer(key)
        tally = Tally()
        content = bytearray()
        async for chunk in stream:
            tally.add(chunk)
            content += chunk
        await self._answer(key)
        self.objects[key] = bytes(content)
        return tally.total

    @override
    async def read(self, key: str, part: ByteRange | None = None) -> AsyncIterator[bytes]:
        await self._answer(key)
        if key not in self.objects:
            raise ObjectMissing
        content = self.objects[key]
        if part is None:
            return _chunks(content)
        if part.start >= len(content):
            raise RangeNotSatisfiable
        return _chunks(content[part.start : part.end + 1])

    @override
    async def delete(self, key: str) -> None:
        await self._answer(key)
        self.objects.pop(key, None)

    @override
    async def exists(self, key: str) -> bool:
        await self._answer(key)
        return key in self.objects

    @override
    async def listing(self) -> AsyncIterator[ListedObject]:
        for key, content in list(self.objects.items()):
            await self._answer(key)
            yield ListedObject(key, len(content), self.modified_at.get(key, LONG_AGO))

    async def _answer(self, key: str) -> None:
        check_key(key)
        await asyncio.sleep(0)  # others get their turn here, as with any real store
        if self.down:
            raise StorageUnavailable


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), CHUNK_SIZE):
        yield content[start : start + CHUNK_SIZE]
