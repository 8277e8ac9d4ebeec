from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from app.ports.jobs import Job


@dataclass(frozen=True)
class IndexBook(Job):
    """Make the text of the book searchable, as far as it is not yet."""

    kind: ClassVar[str] = "index_book"
    book_id: UUID

    @property
    @override
    def lock(self) -> str:
        # Not the lock of the book: that one is held while a model summarises it.
        return f"index:{self.book_id}"

    @property
    @override
    def dedupe(self) -> str:
        return f"index_book:{self.book_id}"


@dataclass(frozen=True)
class EmbedBook(Job):
    """Give passages of the book that have none their vectors."""

    kind: ClassVar[str] = "embed_book"
    # A reading model may take minutes for a book, and nobody waits for it.
    priority: ClassVar[int] = -10
    book_id: UUID

    @property
    @override
    def lock(self) -> str:
        return f"embed:{self.book_id}"

    @property
    @override
    def dedupe(self) -> str:
        return f"embed_book:{self.book_id}"


@dataclass(frozen=True)
class CountWords(Job):
    """Find out anew which words are common."""

    kind: ClassVar[str] = "count_words"

    @property
    @override
    def dedupe(self) -> str:
        return "count_words"
