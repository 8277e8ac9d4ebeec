"""What every store does with keys, streams and threads."""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor
from functools import partial
from typing import ParamSpec, TypeVar

from app.ports.storage import StoredObject

_KEY = re.compile(r"[A-Za-z0-9/._-]{1,512}")
_PART_LENGTH = 200

P = ParamSpec("P")
T = TypeVar("T")


def check_key(key: str) -> None:
    """Raise ValueError for a key that the port does not allow.

    Nor may a part between slashes be empty or `.`, which a file system could not tell from
    another key, or longer than 200 characters: S3 servers on file systems refuse 256.
    """
    parts = key.split("/")
    sound = all(part not in ("", ".") and len(part) <= _PART_LENGTH for part in parts)
    if not (sound and _KEY.fullmatch(key)) or ".." in key:
        raise ValueError(f"not a storage key: {key!r}")


class Tally:
    """The size and the SHA-256 of the bytes seen so far."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._size = 0

    def add(self, data: bytes) -> None:
        self._digest.update(data)
        self._size += len(data)

    @property
    def total(self) -> StoredObject:
        return StoredObject(self._size, self._digest.hexdigest())


async def pieces(stream: AsyncIterator[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """The same bytes cut anew: every piece has `size` bytes, the last one may have fewer."""
    gathered = bytearray()
    async for chunk in stream:
        if not gathered and len(chunk) == size:
            yield chunk
            continue
        gathered += chunk
        while len(gathered) >= size:
            yield _cut(gathered, size)
    if gathered:
        yield bytes(gathered)


def _cut(gathered: bytearray, size: int) -> bytes:
    piece = bytes(memoryview(gathered)[:size])
    del gathered[:size]
    return piece


async def in_thread(
    executor: Executor | None, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run a blocking call off the loop. A cancelled caller is released only when the call
    has ended, so that cleaning up never races with it."""
    loop = asyncio.get_running_loop()
    work = loop.run_in_executor(executor, partial(function, *args, **kwargs))
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        work.exception()
        raise cancelled
    return work.result()
