"""The stores that are held to the storage contract: a new adapter is one more line."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from app.adapters.storage.local import LocalStorage
from app.adapters.storage.measuring import MeasuringStorage
from app.adapters.storage.s3 import S3Storage
from app.ports.storage import StorageProvider
from tests.fakes.storage import InMemoryStorage
from tests.integration.seaweedfs import SeaweedFS


@asynccontextmanager
async def in_memory(_: pytest.FixtureRequest) -> AsyncIterator[StorageProvider]:
    yield InMemoryStorage()


@asynccontextmanager
async def local(request: pytest.FixtureRequest) -> AsyncIterator[StorageProvider]:
    folder: Path = request.getfixturevalue("tmp_path")
    yield LocalStorage(folder / "books")


@asynccontextmanager
async def measuring(request: pytest.FixtureRequest) -> AsyncIterator[StorageProvider]:
    async with local(request) as storage:
        yield MeasuringStorage(storage)


@asynccontextmanager
async def s3(request: pytest.FixtureRequest) -> AsyncIterator[StorageProvider]:
    async with opened_s3(request.getfixturevalue("seaweedfs")) as storage:
        yield storage


ADAPTERS: dict[
    str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[StorageProvider]]
] = {
    "memory": in_memory,
    "local": local,
    "measuring": measuring,
    "s3": s3,
}


@asynccontextmanager
async def opened_s3(server: SeaweedFS, bucket: str | None = None) -> AsyncIterator[S3Storage]:
    storage = S3Storage(
        bucket or server.bucket,
        endpoint=server.endpoint,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(storage.close)
        yield storage


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def broken_stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    raise ConnectionResetError("the reader went away")


async def content(storage: StorageProvider, key: str) -> bytes:
    return b"".join([chunk async for chunk in await storage.read(key)])
