"""Where the bytes of books live."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.shared.errors import NotFound, Unavailable


class ObjectMissing(NotFound):
    code = "object_missing"
    title = "The stored file is gone"


class StorageUnavailable(Unavailable):
    title = "The file storage does not answer"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What was written: its size in bytes and the SHA-256 of its bytes, in hex."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` to `end`, both included, as in RFC 9110; never empty."""

    start: int
    end: int


class StorageProvider(ABC):
    """Named byte streams. A key is 1..512 characters of [A-Za-z0-9/._-], never with `..`.

    Every method raises StorageUnavailable when the store does not answer or is full.
    """

    @abstractmethod
    async def write(self, key: str, stream: AsyncIterator[bytes]) -> StoredObject:
        """Store the whole stream under the key, replacing what was there.

        All or nothing: when the stream raises or the process dies, readers see what was
        there before; on return the bytes survive a crash of the machine.
        """

    @abstractmethod
    async def read(self, key: str, part: ByteRange | None = None) -> AsyncIterator[bytes]:
        """Open the object, or a part of it that lies inside it, and return its chunks.

        Raises ObjectMissing now, before the first chunk, never in the middle of the stream.
        """

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Remove the object; removing what is not there is no error."""

    @abstractmethod
    async def exists(self, key: str) -> bool: ...
