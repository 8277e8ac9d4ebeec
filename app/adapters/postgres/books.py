"""The shelves in Postgres: books, how they are seen, and how they are found."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    cast,
    delete,
    exists,
    func,
    literal,
    select,
    text,
    tuple_,
    union,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.keyset import id_at, moment_at
from app.adapters.postgres.tables.catalog import books, copies, passages, summaries
from app.adapters.postgres.tables.lending import loans
from app.adapters.postgres.tables.reviews import rating_stats
from app.domains.catalog.errors import BookNotFound
from app.domains.catalog.model import Book, BookQuery, BookView, SummaryState
from app.domains.catalog.ports import BookRepository
from app.shared.pages import InvalidCursor, Page, PageRequest, cursor_for

_AVERAGE = cast(rating_stats.c.total, Float) / func.nullif(rating_stats.c.count, 0)
_ON_LOAN = (
    select(func.count())
    .select_from(loans)
    .where(loans.c.open_book_id == books.c.id)
    .scalar_subquery()
)
_UNRATED, _UNDATED_FIRST, _UNDATED_LAST = -1.0, -32_768, 32_767
_FURTHEST = 1e6
_WORD_SIMILARITY = "0.5"


class SqlBookRepository(BookRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def add(self, book: Book) -> None:
        self._session.add(book)
        await self._session.flush()

    @override
    async def get(self, book_id: UUID, *, for_change: bool = False) -> Book:
        wanted = select(Book).where(books.c.id == book_id)
        if for_change:
            wanted = wanted.with_for_update().execution_options(populate_existing=True)
        book = (await self._session.scalars(wanted)).one_or_none()
        if book is None:
            raise BookNotFound
        return book

    @override
    async def having_content(self, sha256: str) -> UUID | None:
        wanted = select(books.c.id).where(books.c.sha256 == sha256)
        return (await self._session.scalars(wanted)).one_or_none()

    @override
    async def remove(self, book: Book) -> None:
        await self._session.delete(book)
        await self._session.flush()

    @override
    async def stock(self, book_id: UUID, count: int) -> None:
        gone = (copies.c.book_id == book_id) & (copies.c.number > count)
        await self._session.execute(delete(copies).where(gone))
        number = func.generate_series(1, count).column_valued("number")
        wanted = upsert(copies).from_select(["book_id", "number"], select(literal(book_id), number))
        await self._session.execute(wanted.on_conflict_do_nothing())

    @override
    async def view(self, book_id: UUID) -> BookView:
        found = await self.views([book_id])
        if not found:
            raise BookNotFound
        return found[book_id]

    @override
    async def views(self, book_ids: Collection[UUID]) -> Mapping[UUID, BookView]:
        rows = await self._session.execute(_seen().where(books.c.id.in_(book_ids)))
        return {row.Book.id: _view(row) for row in rows}

    @override
    async def search(self, query: BookQuery, page: PageRequest) -> Page[BookView]:
        if query.q:
            await self._session.execute(
                text("SELECT set_config('pg_trgm.word_similarity_threshold', :value, true)"),
                {"value": _WORD_SIMILARITY},
            )
        rows = (await self._session.execute(_found(query, page))).all()
        total = select(func.count()).select_from(books).where(*_filters(query))
        shown = rows[: page.limit]
        views = await self.views([row.id for row in shown])
        last = shown[-1] if len(rows) > page.limit else None
        return Page(
            # One that was removed a moment ago is not shown.
            [views[row.id] for row in shown if row.id in views],
            cursor_for(query.sort, last.key, last.id) if last else None,
            (await self._session.execute(total)).scalar_one(),
        )

    @override
    async def is_on_loan_to(self, book_id: UUID, user_id: UUID) -> bool:
        wanted = select(exists().where(loans.c.open_book_id == book_id, loans.c.user_id == user_id))
        return bool((await self._session.execute(wanted)).scalar_one())


def _seen() -> Select[Any]:
    return (
        select(
            Book,
            (books.c.copies - _ON_LOAN).label("available"),
            _AVERAGE.label("average"),
            func.coalesce(rating_stats.c.count, 0).label("ratings"),
            summaries.c.status,
            summaries.c.done,
            summaries.c.planned,
        )
        .outerjoin(rating_stats, rating_stats.c.book_id == books.c.id)
        .outerjoin(summaries, summaries.c.book_id == books.c.id)
        # The numbers of this moment, also when the book was loaded before.
        .execution_options(populate_existing=True)
    )


def _view(row: Any) -> BookView:
    state = SummaryState(row.status, row.done, row.planned) if row.status else None
    return BookView(
        book=row.Book,
        available=row.available,
        rating_average=row.average,
        rating_count=row.ratings,
        summary=state or SummaryState("pending", 0, 1),
    )


@dataclass(frozen=True, slots=True)
class _Order:
    """A sort key, its direction, and how its value is read back from a cursor."""

    key: ColumnElement[Any]
    descending: bool
    value: Callable[[Any], Any]


def _found(query: BookQuery, page: PageRequest) -> Select[Any]:
    order = _order(query)
    wanted = select(books.c.id, order.key.label("key")).where(*_filters(query))
    if query.sort.lstrip("-") == "rating":
        wanted = wanted.outerjoin(rating_stats, rating_stats.c.book_id == books.c.id)
    after = page.after(str, object, str)
    if after is not None:
        if after[0] != query.sort:
            raise InvalidCursor("It belongs to the list in another order.")
        place = tuple_(order.value(after[1]), id_at(after[2]))
        here = tuple_(order.key, books.c.id)
        wanted = wanted.where(here < place if order.descending else here > place)
    keys = [order.key, books.c.id]
    keys = [key.desc() for key in keys] if order.descending else keys
    return wanted.order_by(*keys).limit(page.limit + 1)


def _order(query: BookQuery) -> _Order:
    name, descending = query.sort.lstrip("-"), query.sort.startswith("-")
    if name == "relevance":
        # Best first is what everybody means, with or without the minus.
        return _Order(_relevance(query.q or ""), True, _number_at)
    if name in ("title", "author"):
        return _Order(func.lumina_fold(books.c[name]), descending, _text_at)
    if name == "rating":
        return _Order(func.coalesce(_AVERAGE, _UNRATED), descending, _number_at)
    if name == "year_published":
        # Undated books stand at the end, either way.
        undated = _UNDATED_FIRST if descending else _UNDATED_LAST
        return _Order(func.coalesce(books.c.year_published, undated), descending, _number_at)
    return _Order(books.c.created_at, descending, moment_at)


def _text_at(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value or (not value.isascii() and _torn(value)):
        raise InvalidCursor("Start again without a cursor.")
    return value


def _torn(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def _number_at(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _FURTHEST:
        raise InvalidCursor("Start again without a cursor.")
    return value


def _relevance(q: str) -> ColumnElement[Any]:
    folded = func.lumina_fold(q)
    return (
        cast(func.word_similarity(folded, func.coalesce(books.c.named_by, "")), Float)
        + cast(func.similarity(folded, func.lumina_fold(books.c.title)), Float)
        + cast(func.similarity(folded, func.lumina_fold(books.c.author)), Float)
    )


def _filters(query: BookQuery) -> list[ColumnElement[bool]]:
    tests = [
        _matches(query.q) if query.q else None,
        _folded_equal(books.c.author, query.author),
        _has(books.c.genres, query.genre),
        _has(books.c.tags, query.tag),
        books.c.language == query.language.lower() if query.language else None,
        books.c.year_published >= query.year_from if query.year_from is not None else None,
        books.c.year_published <= query.year_to if query.year_to is not None else None,
    ]
    if query.available is not None:
        left = books.c.copies > _ON_LOAN
        tests.append(left if query.available else ~left)
    return [test for test in tests if test is not None]


def _matches(q: str) -> ColumnElement[bool]:
    """In the metadata; in title, author and tags also with a typo; as ISBN; or all the words
    in one passage. A union, because one OR over all of them would use no index at all."""
    # Escaped when folded, because folding makes plain signs of their wide forms.
    escaped = func.regexp_replace(func.lumina_fold(q), r"([\\%_])", r"\\\1", "g")
    digits = "".join(c for c in q if c.isalnum()).upper()
    said = func.websearch_to_tsquery(text("'lumina'::regconfig"), q)
    found = union(
        select(books.c.id).where(books.c.found_by.like(func.concat("%", escaped, "%"))),
        select(books.c.id).where(func.lumina_fold(q).op("<%")(books.c.named_by)),
        select(books.c.id).where(books.c.isbn == digits),
        select(passages.c.book_id).where(passages.c.words.op("@@")(said)),
    )
    return books.c.id.in_(found)


def _folded_equal(column: Any, value: str | None) -> ColumnElement[bool] | None:
    return func.lumina_fold(column) == func.lumina_fold(value) if value else None


def _has(column: Any, value: str | None) -> ColumnElement[bool] | None:
    """The list has the value, compared without case and accents."""
    if not value:
        return None
    return func.lumina_fold_all(column).op("@>")(func.lumina_fold_all([value]))
