from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domains.catalog.model import (
    Book,
    BookQuery,
    BookView,
    ChapterText,
    Facets,
    Passage,
    Summary,
    SummaryNode,
)
from app.ports.text import Chapter
from app.ports.work import UnitOfWork
from app.shared.pages import Page, PageRequest


class BookRepository(ABC):
    @abstractmethod
    async def add(self, book: Book) -> None:
        """Raises DuplicateContent, at the end of the work, when the bytes are here already."""

    @abstractmethod
    async def get(self, book_id: UUID, *, for_change: bool = False) -> Book:
        """Raises BookNotFound. For a change the book is locked until the work ends."""

    @abstractmethod
    async def having_content(self, sha256: str) -> UUID | None: ...

    @abstractmethod
    async def remove(self, book: Book) -> None:
        """Raises BookOnLoan while a copy is out."""

    @abstractmethod
    async def stock(self, book_id: UUID, copies: int) -> None:
        """Have copies 1..n; raises BookOnLoan when one that would go is out."""

    @abstractmethod
    async def view(self, book_id: UUID) -> BookView:
        """Raises BookNotFound."""

    @abstractmethod
    async def views(self, book_ids: Collection[UUID]) -> Mapping[UUID, BookView]:
        """The views of those that exist."""

    @abstractmethod
    async def search(self, query: BookQuery, page: PageRequest) -> Page[BookView]:
        """A page of what the query finds. Raises InvalidCursor, and QueryTooSlow when the
        question takes longer than questions may.

        In a long list the total is an estimate, and says so; of a question that most of the
        library answers, the best of a thousand are listed.
        """

    @abstractmethod
    async def facets(self, query: BookQuery, limit: int = 20) -> Facets:
        """The `limit` commonest values of each facet among the books of the query, most books
        first; its sort is passed over. Raises QueryTooSlow."""

    @abstractmethod
    async def is_on_loan_to(self, book_id: UUID, user_id: UUID) -> bool: ...


class TextRepository(ABC):
    """What the books say: chapters with their place, and the words to search."""

    @abstractmethod
    async def keep(
        self, book_id: UUID, chapters: Sequence[Chapter], passages: Sequence[Passage]
    ) -> None:
        """Replace all that was kept of the book; the passages in order are its text."""

    @abstractmethod
    async def forget(self, book_id: UUID) -> None: ...

    @abstractmethod
    async def chapters(self, book_id: UUID) -> Sequence[ChapterText]:
        """All chapters with their text, in order."""

    @abstractmethod
    async def titles(self, book_id: UUID) -> Sequence[str]:
        """The titles of all chapters, in order."""

    @abstractmethod
    async def passages(
        self, book_id: UUID, numbers: Collection[int] | None = None
    ) -> Mapping[int, Passage]:
        """The passages by number, in order: all of them, or those of these numbers that
        there are."""


class SummaryRepository(ABC):
    @abstractmethod
    async def add(self, summary: Summary) -> None: ...

    @abstractmethod
    async def find(self, book_id: UUID, *, for_change: bool = False) -> Summary | None: ...

    @abstractmethod
    async def advance(self, book_id: UUID, run: UUID, done: int) -> bool:
        """Keep the progress of a run; False when that run may no longer write."""

    @abstractmethod
    async def keep_evidence(self, book_id: UUID, evidence: Mapping[str, Any]) -> None:
        """Keep what bears out the presentation, in place of what was kept before."""

    @abstractmethod
    async def evidence(self, book_id: UUID) -> Mapping[str, Any] | None: ...


class NodeRepository(ABC):
    """Answered questions of summary trees, shared by all books."""

    @abstractmethod
    async def find(self, keys: Collection[str]) -> Mapping[str, SummaryNode]: ...

    @abstractmethod
    async def keep(self, node: SummaryNode, at: datetime) -> None:
        """Keep the node; the first answer under a key stays, unless it was degraded."""

    @abstractmethod
    async def use(self, book_id: UUID, keys: Collection[str]) -> None:
        """Note that the book grew from these nodes, as far as they are kept, and from no
        others."""

    @abstractmethod
    async def sweep(self, before: datetime, limit: int) -> int:
        """Remove nodes no book uses that were kept before, at most so many; their number."""


class AnnouncedFileRepository(ABC):
    """Keys under which something is being stored that belongs to no book yet."""

    @abstractmethod
    async def announce(self, storage_key: str, at: datetime) -> None:
        """Announce the key; once more, if it is announced already."""

    @abstractmethod
    async def settle(self, storage_key: str, *, announced_before: datetime | None = None) -> bool:
        """The file belongs to a book now, or is gone; whether it was announced until now, and
        before then if that is asked. Nobody else settles it as well."""

    @abstractmethod
    async def announced_before(self, moment: datetime) -> Sequence[str]: ...


class CatalogWork(UnitOfWork):
    books: BookRepository
    texts: TextRepository
    summaries: SummaryRepository
    nodes: NodeRepository
    files: AnnouncedFileRepository
