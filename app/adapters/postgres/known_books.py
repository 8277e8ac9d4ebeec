"""What search asks about the books themselves: their exact names, and who may read them."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.tables.catalog import books
from app.adapters.postgres.tables.lending import loans
from app.domains.catalog.model import BookQuery
from app.domains.discovery.model import Route
from app.domains.discovery.ports import Shelves


class SqlShelves(Shelves):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def named(
        self, words: str, isbns: Collection[str], filters: BookQuery, at_most: int
    ) -> Sequence[tuple[UUID, Route]]:
        asked = func.lumina_fold(words.strip())
        routes: list[tuple[Route, ColumnElement[bool]]] = [
            ("isbn", books.c.isbn.in_(isbns)),
            ("title", func.lumina_fold(books.c.title) == asked),
            ("author", func.lumina_fold(books.c.author) == asked),
        ]
        found = [
            select(books.c.id, literal(route).label("route"), literal(order).label("order"))
            .where(same, *of_kind(filters))
            .order_by(books.c.id)
            .limit(at_most)
            for order, (route, same) in enumerate(routes)
        ]
        every = union_all(*(select(each.subquery()) for each in found)).subquery()
        rows = await self._session.execute(select(every).order_by(every.c.order, every.c.id))
        return [(row.id, row.route) for row in rows]

    @override
    async def readable_by(self, user_id: UUID, book_ids: Collection[UUID]) -> Collection[UUID]:
        on_loan = select(loans.c.open_book_id).where(
            loans.c.open_book_id.in_(book_ids), loans.c.user_id == user_id
        )
        mine = or_(books.c.added_by == user_id, books.c.id.in_(on_loan))
        wanted = select(books.c.id).where(books.c.id.in_(book_ids), mine)
        return set((await self._session.scalars(wanted)).all())


def of_kind(filters: BookQuery) -> list[ColumnElement[bool]]:
    """What the filters of a list say of its books, their words aside."""
    tests = [
        _same(books.c.author, filters.author),
        _has(books.c.genres, filters.genre),
        _has(books.c.tags, filters.tag),
        books.c.language == filters.language.lower() if filters.language else None,
        books.c.year_published >= filters.year_from if filters.year_from is not None else None,
        books.c.year_published <= filters.year_to if filters.year_to is not None else None,
    ]
    if filters.available is not None:
        free = books.c.copies > _on_loan()
        tests.append(free if filters.available else ~free)
    return [test for test in tests if test is not None]


def _on_loan() -> Any:
    out = select(func.count()).select_from(loans).where(loans.c.open_book_id == books.c.id)
    return out.scalar_subquery()


def _same(column: Any, value: str | None) -> ColumnElement[bool] | None:
    return func.lumina_fold(column) == func.lumina_fold(value) if value else None


def _has(column: Any, value: str | None) -> ColumnElement[bool] | None:
    if not value:
        return None
    return func.lumina_fold_all(column).op("@>")(func.lumina_fold_all([value]))
