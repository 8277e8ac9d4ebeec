"""How often files are written and read, how long it takes, how much it is, how it fails."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Histogram
from typing_extensions import override

from app.ports.storage import ByteRange, StorageProvider, StoredObject
from app.shared.errors import LibraryError

_OPERATIONS = Counter("lumina_storage_operations", "Calls of the store", ["operation", "outcome"])
_BYTES = Counter("lumina_storage_bytes", "Bytes written and read", ["direction"])
_SECONDS = Histogram(
    "lumina_storage_seconds",
    "Seconds a call took; a read until its first byte could come",
    ["operation"],
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 60),
)


class MeasuringStorage(StorageProvider):
    """The same store, counted."""

    def __init__(self, inner: StorageProvider) -> None:
        self._inner = inner

    @override
    async def write(self, key: str, stream: AsyncIterator[bytes]) -> StoredObject:
        with _measured("write"):
            stored = await self._inner.write(key, stream)
        _BYTES.labels("in").inc(stored.size)
        return stored

    @override
    async def read(self, key: str, part: ByteRange | None = None) -> AsyncIterator[bytes]:
        with _measured("read"):
            chunks = await self._inner.read(key, part)
        return _counted(chunks)

    @override
    async def delete(self, key: str) -> None:
        with _measured("delete"):
            await self._inner.delete(key)

    @override
    async def exists(self, key: str) -> bool:
        with _measured("exists"):
            return await self._inner.exists(key)


@contextmanager
def _measured(operation: str) -> Iterator[None]:
    began = time.monotonic()
    # Unless the store itself fails, whoever wrote or waited went away.
    outcome = "interrupted"
    try:
        yield
        outcome = "done"
    except LibraryError as error:
        outcome = error.code
        raise
    finally:
        _OPERATIONS.labels(operation, outcome).inc()
        _SECONDS.labels(operation).observe(time.monotonic() - began)


async def _counted(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            _BYTES.labels("out").inc(len(chunk))
            yield chunk
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()
