"""Loans in Postgres. Two unique indexes and a foreign key are what really guards them."""

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.engine import Violations
from app.adapters.postgres.keyset import id_at, moment_at
from app.adapters.postgres.tables.accounts import users
from app.adapters.postgres.tables.catalog import books, copies
from app.adapters.postgres.tables.lending import borrowing_marks, loans
from app.adapters.postgres.work import SqlWork
from app.domains.catalog.errors import BookNotFound
from app.domains.lending.errors import AlreadyBorrowed, NoCopyAvailable
from app.domains.lending.model import Loan
from app.domains.lending.ports import LendingWork, LoanRepository
from app.shared.errors import NotAuthenticated
from app.shared.pages import Page, PageRequest, cursor_for

_OPEN = loans.c.returned_at.is_(None)


class SqlLoanRepository(LoanRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def count_open(self, user_id: UUID) -> int:
        # FOR NO KEY UPDATE: serialises this reader without blocking rows that refer to them.
        reader = select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
        if await self._session.scalar(reader) is None:
            raise NotAuthenticated("That account is no longer there.")
        return await self._count(loans.c.user_id == user_id, _OPEN)

    @override
    async def free_copy(self, book_id: UUID) -> int | None:
        book = select(books.c.id).where(books.c.id == book_id).with_for_update(key_share=True)
        if await self._session.scalar(book) is None:
            raise BookNotFound
        lent = exists().where(
            loans.c.open_book_id == copies.c.book_id,
            loans.c.open_copy_number == copies.c.number,
        )
        free = select(copies.c.number).where(copies.c.book_id == book_id, ~lent)
        number: int | None = await self._session.scalar(free.order_by(copies.c.number).limit(1))
        return number

    @override
    async def add(self, loan: Loan) -> None:
        self._session.add(loan)
        await self._session.flush()

    @override
    async def open_loan(self, user_id: UUID, book_id: UUID) -> Loan | None:
        # The book first: whoever deletes it locks it before they come to its loans.
        book = select(books.c.id).where(books.c.id == book_id)
        held = book.with_for_update(read=True, key_share=True)
        if await self._session.scalar(held) is None:
            raise BookNotFound
        loan: Loan | None = await self._session.scalar(
            select(Loan)
            .where(loans.c.user_id == user_id, loans.c.book_id == book_id, _OPEN)
            .with_for_update()
        )
        return loan

    @override
    async def has_on_loan(self, user_id: UUID, book_id: UUID) -> bool:
        return await self._any(loans.c.book_id == book_id, loans.c.user_id == user_id, _OPEN)

    @override
    async def has_ever_borrowed(self, user_id: UUID, book_id: UUID) -> bool:
        return await self._any(loans.c.book_id == book_id, loans.c.user_id == user_id)

    @override
    async def keep_mark(self, mark: bytes, book_id: UUID) -> None:
        row = upsert(borrowing_marks).values(mark=mark, book_id=book_id)
        await self._session.execute(row.on_conflict_do_nothing())

    @override
    async def has_mark(self, mark: bytes) -> bool:
        return await self._any(borrowing_marks.c.mark == mark)

    @override
    async def hold_over(self, limit: int) -> Sequence[Loan]:
        over = select(Loan).where(~_OPEN, loans.c.user_id.is_not(None)).limit(limit)
        held = over.order_by(loans.c.id).with_for_update(skip_locked=True)
        return (await self._session.scalars(held)).all()

    @override
    async def of_reader(self, user_id: UUID, *, open: bool | None, page: PageRequest) -> Page[Loan]:
        wanted = [loans.c.user_id == user_id]
        if open is not None:
            wanted.append(_OPEN if open else ~_OPEN)
        found = await self._newest(wanted, page)
        items = found[: page.limit]
        more = len(found) > page.limit
        cursor = cursor_for(items[-1].borrowed_at.isoformat(), items[-1].id) if more else None
        return Page(items, cursor, await self._count(*wanted))

    async def _newest(
        self, wanted: Sequence[ColumnElement[bool]], page: PageRequest
    ) -> Sequence[Loan]:
        key = tuple_(loans.c.borrowed_at, loans.c.id)
        query = select(Loan).where(*wanted).limit(page.limit + 1)
        if after := page.after(str, str):
            query = query.where(key < (moment_at(after[0]), id_at(after[1])))
        ordered = query.order_by(loans.c.borrowed_at.desc(), loans.c.id.desc())
        return (await self._session.scalars(ordered)).all()

    async def _count(self, *conditions: ColumnElement[bool]) -> int:
        number = await self._session.scalar(select(func.count()).where(*conditions))
        return number or 0

    async def _any(self, *conditions: ColumnElement[bool]) -> bool:
        return bool(await self._session.scalar(select(exists().where(*conditions))))


class SqlLendingWork(SqlWork, LendingWork):
    violations: ClassVar[Violations] = {
        "uq_loans_open_copy": NoCopyAvailable,
        "uq_loans_open_reader": AlreadyBorrowed,
        "fk_loans_open_copy": NoCopyAvailable,
        "fk_loans_user_id": NotAuthenticated,
    }

    @override
    def _open(self, session: AsyncSession) -> None:
        self.loans = SqlLoanRepository(session)
