"""Putting books on the shelf, describing, handing out and withdrawing them."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from uuid import UUID

from app.domains.accounts.model import User
from app.domains.catalog.errors import (
    BookChanged,
    ContentNotYours,
    DuplicateContent,
    FileTooLarge,
    MayNotContribute,
    NotYourBook,
    UploadSwept,
)
from app.domains.catalog.jobs import DiscardFile, ReadFile
from app.domains.catalog.model import (
    FILLED_FROM_FILE,
    UNKNOWN_AUTHOR,
    Book,
    BookQuery,
    BookView,
    Content,
    Facets,
    Ingestion,
)
from app.domains.catalog.ports import CatalogWork
from app.ports.audit import Act, Subject
from app.ports.clock import Clock
from app.ports.storage import ByteRange, StorageProvider
from app.ports.text import TextExtractor
from app.shared.errors import Unavailable
from app.shared.ids import new_id
from app.shared.pages import Page, PageRequest

_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A stored file that belongs to no book yet."""

    content: Content


class ShelvingService:
    def __init__(
        self,
        *,
        begin: Callable[[], CatalogWork],
        storage: StorageProvider,
        extractor: TextExtractor,
        clock: Clock,
        max_upload: int,
        members_contribute: bool,
    ) -> None:
        self._begin = begin
        self._storage = storage
        self._extractor = extractor
        self._clock = clock
        self._max_upload = max_upload
        self._members_contribute = members_contribute

    async def receive(
        self, actor: User, *, filename: str, stream: AsyncIterator[bytes]
    ) -> ReceivedFile:
        """Store a file as it arrives. Raises MayNotContribute, FileTooLarge, EmptyFile and
        UnknownFormat, and then nothing is left of it."""
        if not (self._members_contribute or actor.keeps_the_library):
            raise MayNotContribute
        head, whole = await _peeked(stream)
        media_type = self._extractor.recognise(head, filename)
        key = f"books/{new_id()}"
        async with self._begin() as work:
            await work.files.announce(key, self._clock.now())
        try:
            stored = await self._storage.write(key, self._capped(whole))
        except BaseException:
            await self._drop(key)
            raise
        name = _bare_name(filename)
        return ReceivedFile(Content(key, media_type, stored.size, stored.sha256, name))

    async def discard(self, file: ReceivedFile) -> None:
        await self._drop(file.content.storage_key)

    async def shelve(self, actor: User, file: ReceivedFile, said: Mapping[str, Any]) -> BookView:
        """Make a book of a received file and of what was said of it; what was not said is
        read from the file. Raises DuplicateContent with the `book_id` that has it, and
        UploadSwept when that came too late for the file."""
        book = self._new_book(actor, file.content, said)
        try:
            async with self._begin() as work:
                await work.books.add(book)
                await work.books.stock(book.id, book.copies)
                await _settle(work, file)
                await work.jobs.enqueue(ReadFile(book.id), owner=actor.id)
        except DuplicateContent as error:
            raise await self._named(error, file.content.sha256) from error
        return await self.find(book.id)

    async def describe(
        self, actor: User, book_id: UUID, changes: Mapping[str, Any], *, if_match: int | None = None
    ) -> BookView:
        """Change what is said of a book. Raises BookNotFound, NotYourBook, BookChanged when
        its version is not `if_match`, BookOnLoan when a copy would go that is out."""
        async with self._begin() as work:
            book = await self._changeable(work, actor, book_id, if_match)
            book.describe(changes, self._clock.now())
            if book.added_by != actor.id:
                await _note(work, Act.BOOK_CHANGED, book, fields=sorted(changes))
            await work.books.stock(book.id, book.copies)
        return await self.find(book_id)

    async def replace_content(
        self, actor: User, book_id: UUID, file: ReceivedFile, *, if_match: int | None = None
    ) -> BookView:
        """A new version of the file: text, summary and index follow, the old file goes."""
        try:
            async with self._begin() as work:
                book = await self._changeable(work, actor, book_id, if_match)
                await work.jobs.enqueue(DiscardFile(book.content.storage_key))
                book.replace_file(file.content, self._clock.now())
                if book.added_by != actor.id:
                    await _note(work, Act.BOOK_CHANGED, book, fields=["content"])
                await self._drop_summary(work, book_id)
                await _settle(work, file)
                await work.jobs.enqueue(ReadFile(book.id), owner=actor.id)
        except DuplicateContent as error:
            raise await self._named(error, file.content.sha256) from error
        return await self.find(book_id)

    async def may_change(self, actor: User, book_id: UUID) -> None:
        """Raises BookNotFound or NotYourBook: to be asked before a large body is read."""
        async with self._begin() as work:
            await self._changeable(work, actor, book_id, None)

    async def withdraw(self, actor: User, book_id: UUID) -> None:
        """Take the book and its file out of the library. Raises BookOnLoan."""
        async with self._begin() as work:
            book = await self._changeable(work, actor, book_id, None)
            await work.books.remove(book)
            await work.jobs.enqueue(DiscardFile(book.content.storage_key))
            await _note(work, Act.BOOK_WITHDRAWN, book, own=book.added_by == actor.id)

    async def find(self, book_id: UUID) -> BookView:
        async with self._begin() as work:
            return await work.books.view(book_id)

    async def views(self, book_ids: Collection[UUID]) -> Mapping[UUID, BookView]:
        """Those of the books that exist."""
        async with self._begin() as work:
            return await work.books.views(book_ids)

    async def search(self, query: BookQuery, page: PageRequest) -> Page[BookView]:
        async with self._begin() as work:
            return await work.books.search(query, page)

    async def facets(self, query: BookQuery) -> Facets:
        async with self._begin() as work:
            return await work.books.facets(query)

    async def content_of(self, actor: User, book_id: UUID) -> Content:
        """The book's file, for who has it on loan, brought it, or keeps the library."""
        async with self._begin() as work:
            book = await work.books.get(book_id)
            on_loan = await work.books.is_on_loan_to(book_id, actor.id)
        if not (on_loan or book.may_be_changed_by(actor)):
            raise ContentNotYours
        return book.content

    async def open(self, content: Content, part: ByteRange | None = None) -> AsyncIterator[bytes]:
        """The bytes of a file, or a part of them; fails before the first byte."""
        return await self._storage.read(content.storage_key, part)

    async def discard_stored(self, storage_key: str) -> None:
        """Remove a stored file for good (a job's end of a withdrawal)."""
        await self._storage.delete(storage_key)

    def _new_book(self, actor: User, content: Content, said: Mapping[str, Any]) -> Book:
        now = self._clock.now()
        return Book(
            id=new_id(),
            title=said.get("title") or _title_from(content.filename),
            author=said.get("author") or UNKNOWN_AUTHOR,
            genres=said.get("genres") or [],
            year_published=said.get("year_published"),
            isbn=said.get("isbn"),
            language=said.get("language"),
            tags=said.get("tags") or [],
            description=said.get("description"),
            copies=said.get("copies") or 1,
            added_by=actor.id,
            created_at=now,
            updated_at=now,
            version=1,
            content=content,
            ingestion=Ingestion(),
            unsaid=[name for name in FILLED_FROM_FILE if not said.get(name)],
        )

    async def _changeable(
        self, work: CatalogWork, actor: User, book_id: UUID, if_match: int | None
    ) -> Book:
        book = await work.books.get(book_id, for_change=True)
        if not book.may_be_changed_by(actor):
            raise NotYourBook
        if if_match is not None and book.version != if_match:
            raise BookChanged(f"Its version is {book.version} by now: read it again.")
        return book

    async def _drop_summary(self, work: CatalogWork, book_id: UUID) -> None:
        """End a summary of the old text at its next answer: the reading waits for it."""
        summary = await work.summaries.find(book_id, for_change=True)
        if summary:
            summary.start_over(new_id(), self._clock.now(), forget=True)

    async def _named(self, error: DuplicateContent, sha256: str) -> DuplicateContent:
        async with self._begin() as work:
            existing = await work.books.having_content(sha256)
        return DuplicateContent(error.detail, book_id=str(existing)) if existing else error

    async def _drop(self, key: str) -> None:
        # What cannot be removed now stays announced, and the sweep removes it.
        with suppress(Unavailable):
            await self._storage.delete(key)
            async with self._begin() as work:
                await work.files.settle(key)

    async def _capped(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in stream:
            size += len(chunk)
            if size > self._max_upload:
                raise FileTooLarge(f"A file may have {self._max_upload // 2**20} MiB at most.")
            yield chunk


async def _settle(work: CatalogWork, file: ReceivedFile) -> None:
    if not await work.files.settle(file.content.storage_key):
        raise UploadSwept


async def _note(work: CatalogWork, act: Act, book: Book, **details: Any) -> None:
    await work.audit.note(act, Subject("book", str(book.id)), title=book.title, **details)


async def _peeked(stream: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first bytes, and the stream with them still in it."""
    head = bytearray()
    async for chunk in stream:
        head += chunk
        if len(head) >= _HEAD:
            break

    async def whole() -> AsyncIterator[bytes]:
        yield bytes(head)
        async for chunk in stream:
            yield chunk

    return bytes(head), whole()


def _bare_name(filename: str) -> str:
    """The name without folders and without what could break a header or a line."""
    bare = PurePath(filename.replace("\\", "/")).name
    kept = "".join(c for c in bare if c.isprintable() and c not in '"/\\').strip()
    return kept[:200] if kept.strip(".") else "book"


def _title_from(filename: str) -> str:
    stem = PurePath(filename).stem.replace("_", " ").strip()
    return stem[:500] or "Untitled"
