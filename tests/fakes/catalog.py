"""The catalog room without a database."""

import asyncio
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

from typing_extensions import override

from app.domains.catalog.errors import BookNotFound, BookOnLoan, DuplicateContent
from app.domains.catalog.model import (
    Book,
    BookQuery,
    BookView,
    ChapterText,
    FacetCount,
    Facets,
    Passage,
    Summary,
    SummaryNode,
    SummaryState,
)
from app.domains.catalog.ports import (
    AnnouncedFileRepository,
    BookRepository,
    CatalogWork,
    NodeRepository,
    SummaryRepository,
    TextRepository,
)
from app.ports.audit import AuditEvent
from app.ports.text import Chapter
from app.shared.pages import InvalidCursor, Page, PageRequest, cursor_for
from tests.fakes.audit import ListedTrail
from tests.fakes.jobs import InMemoryJobBoard, InMemoryJobQueue

_working: ContextVar[bool] = ContextVar("working", default=False)

Entity = TypeVar("Entity", Book, Summary)


def work_is_open() -> bool:
    """Whether whoever asks stands inside a unit of work."""
    return _working.get()


@dataclass
class CatalogShelf:
    books: dict[UUID, Book] = field(default_factory=dict)
    copies: dict[UUID, int] = field(default_factory=dict)
    loans: dict[tuple[UUID, int], UUID] = field(default_factory=dict)
    texts: dict[UUID, tuple[Sequence[Chapter], Sequence[Passage]]] = field(default_factory=dict)
    summaries: dict[UUID, Summary] = field(default_factory=dict)
    evidence: dict[UUID, Mapping[str, Any]] = field(default_factory=dict)
    nodes: dict[str, tuple[SummaryNode, datetime]] = field(default_factory=dict)
    uses: dict[UUID, frozenset[str]] = field(default_factory=dict)
    announced: dict[str, datetime] = field(default_factory=dict)

    def copy(self) -> "CatalogShelf":
        return CatalogShelf(
            books=_copied(self.books),
            copies=dict(self.copies),
            loans=dict(self.loans),
            texts=dict(self.texts),
            summaries=_copied(self.summaries),
            evidence=dict(self.evidence),
            nodes=dict(self.nodes),
            uses=dict(self.uses),
            announced=dict(self.announced),
        )


class InMemoryCatalog:
    """The shelf, the board of its jobs, and the turn of whoever works on it."""

    def __init__(self, board: InMemoryJobBoard | None = None) -> None:
        self.shelf = CatalogShelf()
        self.board = board or InMemoryJobBoard()
        self.events: list[AuditEvent] = []
        self.turn = asyncio.Lock()

    def begin(self) -> CatalogWork:
        return InMemoryCatalogWork(self)


class InMemoryCatalogWork(CatalogWork):
    """Works on a copy, which becomes the shelf at a clean end."""

    def __init__(self, catalog: InMemoryCatalog) -> None:
        self._catalog = catalog
        self._token: Token[bool] | None = None

    @override
    async def __aenter__(self) -> Self:
        assert not work_is_open(), "one unit of work inside another"
        await self._catalog.turn.acquire()
        self._token = _working.set(True)
        self._shelf = self._catalog.shelf.copy()
        self._queue = InMemoryJobQueue(self._catalog.board)
        self.jobs = self._queue
        self._noted: list[AuditEvent] = []
        self.audit = ListedTrail(self._noted)
        self.books = InMemoryBookRepository(self._shelf)
        self.texts = InMemoryTextRepository(self._shelf)
        self.summaries = InMemorySummaryRepository(self._shelf)
        self.nodes = InMemoryNodeRepository(self._shelf)
        self.files = InMemoryAnnouncedFileRepository(self._shelf)
        return self

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._token
        _working.reset(self._token)
        try:
            if error is None:
                _require_distinct(self._shelf.books)
                self._catalog.shelf = self._shelf.copy()
                self._queue.commit()
                self._catalog.events += self._noted
        finally:
            self._catalog.turn.release()


class InMemoryBookRepository(BookRepository):
    def __init__(self, shelf: CatalogShelf) -> None:
        self._shelf = shelf

    @override
    async def add(self, book: Book) -> None:
        self._shelf.books[book.id] = book
        _require_distinct(self._shelf.books)

    @override
    async def get(self, book_id: UUID, *, for_change: bool = False) -> Book:
        if book_id not in self._shelf.books:
            raise BookNotFound
        return self._shelf.books[book_id]

    @override
    async def having_content(self, sha256: str) -> UUID | None:
        return next((b.id for b in self._shelf.books.values() if b.content.sha256 == sha256), None)

    @override
    async def remove(self, book: Book) -> None:
        if any(loan[0] == book.id for loan in self._shelf.loans):
            raise BookOnLoan
        shelf = self._shelf
        things: list[dict[UUID, Any]] = [
            shelf.books, shelf.copies, shelf.texts, shelf.summaries, shelf.evidence, shelf.uses,
        ]  # fmt: skip
        for kept in things:
            kept.pop(book.id, None)

    @override
    async def stock(self, book_id: UUID, copies: int) -> None:
        if any(loan[0] == book_id and loan[1] > copies for loan in self._shelf.loans):
            raise BookOnLoan
        self._shelf.copies[book_id] = copies

    @override
    async def view(self, book_id: UUID) -> BookView:
        return self._seen(await self.get(book_id))

    @override
    async def views(self, book_ids: Collection[UUID]) -> Mapping[UUID, BookView]:
        books = self._shelf.books
        return {book_id: self._seen(books[book_id]) for book_id in book_ids if book_id in books}

    @override
    async def search(self, query: BookQuery, page: PageRequest) -> Page[BookView]:
        name, descending = query.sort.lstrip("-"), query.sort.startswith("-")
        found = [book for book in self._shelf.books.values() if self._fits(book, query)]
        found.sort(key=lambda book: (_ORDERS[name](book), book.id), reverse=descending)
        if name == "year_published":
            found.sort(key=lambda book: book.year_published is None)
        ids = [str(book.id) for book in found]
        start = _place(ids, query.sort, page)
        items = found[start : start + page.limit]
        more = start + page.limit < len(found)
        cursor = cursor_for(query.sort, items[-1].id) if more else None
        return Page([self._seen(book) for book in items], cursor, len(found))

    @override
    async def facets(self, query: BookQuery, limit: int = 20) -> Facets:
        found = [book for book in self._shelf.books.values() if self._fits(book, query)]
        return Facets({name: _counted(map(of, found), limit) for name, of in _FACETS.items()})

    @override
    async def is_on_loan_to(self, book_id: UUID, user_id: UUID) -> bool:
        return any(k[0] == book_id and user == user_id for k, user in self._shelf.loans.items())

    def _seen(self, book: Book) -> BookView:
        out = sum(loan[0] == book.id for loan in self._shelf.loans)
        told = self._shelf.summaries.get(book.id)
        state = SummaryState(told.status, told.done, told.planned) if told else None
        return BookView(book, book.copies - out, None, 0, state or SummaryState("pending", 0, 1))

    def _fits(self, book: Book, query: BookQuery) -> bool:
        free = self._seen(book).available > 0
        year = book.year_published
        tests = [
            query.q is None or self._says(book, folded(query.q)),
            query.author is None or folded(query.author) == folded(book.author),
            query.genre is None or query.genre.lower() in map(str.lower, book.genres),
            query.tag is None or query.tag.lower() in map(str.lower, book.tags),
            query.language is None or query.language.lower() == book.language,
            query.year_from is None or (year is not None and year >= query.year_from),
            query.year_to is None or (year is not None and year <= query.year_to),
            query.available is None or query.available == free,
        ]
        return all(tests)

    def _says(self, book: Book, q: str) -> bool:
        told = " ".join([book.title, book.author, *book.tags, book.description or ""])
        passages = self._shelf.texts.get(book.id, ((), ()))[1]
        words = set(q.split())
        return q in folded(told) or any(words <= set(folded(p.text).split()) for p in passages)


class InMemoryTextRepository(TextRepository):
    def __init__(self, shelf: CatalogShelf) -> None:
        self._shelf = shelf

    @override
    async def keep(
        self, book_id: UUID, chapters: Sequence[Chapter], passages: Sequence[Passage]
    ) -> None:
        self._shelf.texts[book_id] = (chapters, passages)

    @override
    async def forget(self, book_id: UUID) -> None:
        self._shelf.texts.pop(book_id, None)

    @override
    async def chapters(self, book_id: UUID) -> Sequence[ChapterText]:
        chapters, passages = self._shelf.texts.get(book_id, ((), ()))
        return [
            ChapterText(n, c.title, c.start, c.end, c.page, _text_of(passages, n))
            for n, c in enumerate(chapters)
        ]

    @override
    async def titles(self, book_id: UUID) -> Sequence[str]:
        return [chapter.title for chapter in self._shelf.texts.get(book_id, ((), ()))[0]]

    @override
    async def passages(
        self, book_id: UUID, numbers: Collection[int] | None = None
    ) -> Mapping[int, Passage]:
        _, passages = self._shelf.texts.get(book_id, ((), ()))
        return {n: p for n, p in enumerate(passages) if numbers is None or n in numbers}


class InMemorySummaryRepository(SummaryRepository):
    def __init__(self, shelf: CatalogShelf) -> None:
        self._shelf = shelf

    @override
    async def add(self, summary: Summary) -> None:
        self._shelf.summaries[summary.book_id] = summary

    @override
    async def find(self, book_id: UUID, *, for_change: bool = False) -> Summary | None:
        return self._shelf.summaries.get(book_id)

    @override
    async def advance(self, book_id: UUID, run: UUID, done: int) -> bool:
        summary = self._shelf.summaries.get(book_id)
        if summary is None or summary.run != run or summary.status != "running":
            return False
        summary.done = max(summary.done, done)
        return True

    @override
    async def keep_evidence(self, book_id: UUID, evidence: Mapping[str, Any]) -> None:
        self._shelf.evidence[book_id] = json.loads(json.dumps(evidence))

    @override
    async def evidence(self, book_id: UUID) -> Mapping[str, Any] | None:
        return self._shelf.evidence.get(book_id)


class InMemoryNodeRepository(NodeRepository):
    def __init__(self, shelf: CatalogShelf) -> None:
        self._shelf = shelf

    @override
    async def find(self, keys: Collection[str]) -> Mapping[str, SummaryNode]:
        return {key: self._shelf.nodes[key][0] for key in keys if key in self._shelf.nodes}

    @override
    async def keep(self, node: SummaryNode, at: datetime) -> None:
        kept = self._shelf.nodes.get(node.key)
        if kept is None or kept[0].degraded:
            self._shelf.nodes[node.key] = (node, kept[1] if kept else at)

    @override
    async def use(self, book_id: UUID, keys: Collection[str]) -> None:
        self._shelf.uses[book_id] = frozenset(keys) & frozenset(self._shelf.nodes)

    @override
    async def sweep(self, before: datetime, limit: int) -> int:
        used = frozenset().union(*self._shelf.uses.values())
        kept = self._shelf.nodes.items()
        unused = [key for key, (_, at) in kept if key not in used and at < before][:limit]
        for key in unused:
            del self._shelf.nodes[key]
        return len(unused)


class InMemoryAnnouncedFileRepository(AnnouncedFileRepository):
    def __init__(self, shelf: CatalogShelf) -> None:
        self._shelf = shelf

    @override
    async def announce(self, storage_key: str, at: datetime) -> None:
        self._shelf.announced[storage_key] = at

    @override
    async def settle(self, storage_key: str, *, announced_before: datetime | None = None) -> bool:
        at = self._shelf.announced.get(storage_key)
        if at is None or (announced_before and at >= announced_before):
            return False
        del self._shelf.announced[storage_key]
        return True

    @override
    async def announced_before(self, moment: datetime) -> Sequence[str]:
        return [key for key, at in self._shelf.announced.items() if at < moment]


def folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if not unicodedata.combining(c)).lower()


_ORDERS: Mapping[str, Callable[[Book], Any]] = {
    "title": lambda book: folded(book.title),
    "author": lambda book: folded(book.author),
    "year_published": lambda book: book.year_published or 0,
    "created_at": lambda book: book.created_at,
    "rating": lambda book: 0,
    "relevance": lambda book: 0,
}


_FACETS: Mapping[str, Callable[[Book], Sequence[str]]] = {
    "genre": lambda book: book.genres,
    "author": lambda book: [book.author],
    "language": lambda book: [book.language] if book.language else [],
    "year": lambda book: [] if book.year_published is None else [_decade(book.year_published)],
    "tag": lambda book: book.tags,
}


def _decade(year: int) -> str:
    return str(year // 10 * 10)


def _counted(lists: Iterable[Sequence[str]], limit: int) -> list[FacetCount]:
    """Spelt differently, a name is the same: each book counts once."""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for values in lists:
        spelt = {folded(value): value for value in values}
        names = {**spelt, **names}
        counts.update(spelt.keys())
    ranked = sorted(counts, key=lambda key: (-counts[key], key))
    return [FacetCount(names[key], counts[key]) for key in ranked[:limit]]


def _place(ids: list[str], sort: str, page: PageRequest) -> int:
    key = page.after(str, str)
    if key is None:
        return 0
    if key[0] != sort or key[1] not in ids:
        raise InvalidCursor
    return ids.index(key[1]) + 1


def _copied(entities: Mapping[UUID, Entity]) -> dict[UUID, Entity]:
    return {key: replace(entity) for key, entity in entities.items()}


def _text_of(passages: Sequence[Passage], chapter: int) -> str:
    return "".join(passage.text for passage in passages if passage.chapter == chapter)


def _require_distinct(books: Mapping[UUID, Book]) -> None:
    if len({book.content.sha256 for book in books.values()}) < len(books):
        raise DuplicateContent
