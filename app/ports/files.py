"""What stored objects have to be, and whether they still are."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.ports.storage import ObjectMissing, StorageProvider, StoredObject


class ObjectDamaged(ObjectMissing):
    """Other bytes than were stored lie under the key: the right ones are gone."""

    code = "object_damaged"
    title = "The stored file is damaged"


@dataclass(frozen=True, slots=True)
class Blocks:
    """The SHA-256 (32 bytes each) of every `size` bytes of an object, one behind the other."""

    size: int
    digests: bytes


@dataclass(frozen=True, slots=True)
class FileRecord:
    """`blocks` are None for what was stored before they were kept; `damage` says what is wrong
    in a word (`missing`, `changed`), and None that nothing is known to be."""

    key: str
    total: StoredObject
    blocks: Blocks | None
    damage: str | None = None


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A stored object that is not what it was; the book it belongs to, if it does."""

    key: str
    damage: str
    found_at: datetime
    book_id: UUID | None
    title: str | None


@dataclass(frozen=True, slots=True)
class ListedObject:
    key: str
    size: int
    modified_at: datetime


class ObjectInventory(ABC):
    @abstractmethod
    def listing(self) -> AsyncIterator[ListedObject]:
        """All that lies in the store, in any order; what comes or goes meanwhile may be missed.
        Raises StorageUnavailable."""


class ListedStorage(StorageProvider, ObjectInventory, ABC):
    """A store that can say what lies in it, as every one of ours can."""


class FileRecords(ABC):
    """One record for each object that is stored. Raises Unavailable."""

    @abstractmethod
    async def keep(self, record: FileRecord, at: datetime) -> None:
        """Keep what was just stored, in place of what was known under its key."""

    @abstractmethod
    async def find(self, key: str) -> FileRecord | None: ...

    @abstractmethod
    async def forget(self, key: str) -> None: ...

    @abstractmethod
    async def judge(
        self, key: str, damage: str | None, at: datetime, blocks: Blocks | None = None
    ) -> None:
        """Keep what a check of the whole object found, and its blocks, if given."""

    @abstractmethod
    async def due(self, before: datetime, limit: int) -> Sequence[str]:
        """Keys last checked before then, or never, the longest ago first."""

    @abstractmethod
    async def count(self, since: datetime) -> tuple[int, int]:
        """How many were checked since then, of how many."""

    @abstractmethod
    async def damaged(self) -> Sequence[DamagedFile]: ...

    @abstractmethod
    async def unreferenced(self, keys: Collection[str]) -> Sequence[str]:
        """Those of the keys that neither a book nor a model, an upload on its way or a job
        refers to."""

    @abstractmethod
    async def left_behind(self, before: datetime, limit: int, after: str = "") -> Sequence[str]:
        """Keys of records behind `after` that were kept before then and that nothing refers to."""

    @abstractmethod
    async def open_round(self) -> datetime | None:
        """When the round over all objects began that is not ended."""

    @abstractmethod
    async def last_round(self) -> datetime | None:
        """When the last round began."""

    @abstractmethod
    async def begin_round(self, at: datetime) -> None: ...

    @abstractmethod
    async def end_round(self, begun: datetime, at: datetime) -> None: ...


class FileCheck(ABC):
    @abstractmethod
    async def check(self, key: str) -> str | None:
        """Read the whole object and hold it against its record; what is wrong in a word, or
        None. The record keeps the verdict. Raises StorageUnavailable."""
