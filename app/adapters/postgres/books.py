"""The shelves in Postgres: books, how they are seen, and how they are found."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, exists, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.cards import COLUMNS, shown, view_of
from app.adapters.postgres.finding import found_facets, found_page
from app.adapters.postgres.tables.catalog import books, copies
from app.adapters.postgres.tables.lending import loans
from app.domains.catalog.errors import BookNotFound
from app.domains.catalog.model import Book, BookQuery, BookView, Facets
from app.domains.catalog.ports import BookRepository
from app.shared.pages import Page, PageRequest


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
        rows = await self._session.execute(_VIEWED, {"ids": list(book_ids)})
        return {row.id: view_of(row) for row in rows}

    @override
    async def search(self, query: BookQuery, page: PageRequest) -> Page[BookView]:
        return await found_page(self._session, query, page)

    @override
    async def facets(self, query: BookQuery, limit: int = 20) -> Facets:
        return await found_facets(self._session, query, limit)

    @override
    async def is_on_loan_to(self, book_id: UUID, user_id: UUID) -> bool:
        wanted = select(exists().where(loans.c.open_book_id == book_id, loans.c.user_id == user_id))
        return bool((await self._session.execute(wanted)).scalar_one())


_VIEWED = shown(
    select(*COLUMNS).where(books.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid)))).subquery()
)
