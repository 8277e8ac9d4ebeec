from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from app.ports.jobs import Job


@dataclass(frozen=True)
class ReadFile(Job):
    """Read the text of the book's file."""

    kind: ClassVar[str] = "read_file"
    book_id: UUID

    @property
    @override
    def lock(self) -> str:
        return f"book:{self.book_id}"

    @property
    @override
    def dedupe(self) -> str:
        return f"read_file:{self.book_id}"


@dataclass(frozen=True)
class SummariseBook(Job):
    """Summarise the whole book; a reader who asks gets a job of their own to look at."""

    kind: ClassVar[str] = "summarise_book"
    book_id: UUID
    asked_by: UUID | None = None

    @property
    @override
    def lock(self) -> str:
        return f"book:{self.book_id}"

    @property
    @override
    def dedupe(self) -> str:
        return f"summarise_book:{self.book_id}:{self.asked_by}"


@dataclass(frozen=True)
class SummariseText(Job):
    """Summarise a text somebody sent, kept under `storage_key` until then."""

    kind: ClassVar[str] = "summarise_text"
    storage_key: str
    title: str


@dataclass(frozen=True)
class DiscardFile(Job):
    """Remove a stored file no book refers to any more."""

    kind: ClassVar[str] = "discard_file"
    storage_key: str


@dataclass(frozen=True)
class ScrubFiles(Job):
    """Check some of the stored files, and go on later."""

    kind: ClassVar[str] = "scrub_files"

    @property
    @override
    def lock(self) -> str:
        return "scrub_files"

    @property
    @override
    def dedupe(self) -> str:
        return "scrub_files"


@dataclass(frozen=True)
class SweepOrphans(Job):
    """Remove announced files that never became a book, and summary nodes no book uses."""

    kind: ClassVar[str] = "sweep_orphans"

    @property
    @override
    def dedupe(self) -> str:
        return "sweep_orphans"
