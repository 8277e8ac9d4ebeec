"""Borrow, return, renew."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from app.domains.accounts.model import User
from app.domains.lending.errors import (
    AlreadyBorrowed,
    LoanLimitReached,
    NoCopyAvailable,
    NotBorrowed,
)
from app.domains.lending.model import Loan, Marker
from app.domains.lending.ports import LendingWork
from app.ports.clock import Clock
from app.shared.ids import new_id
from app.shared.pages import Page, PageRequest

_FORGOTTEN_AT_ONCE = 500


class LendingService:
    """Lends each copy to one reader at a time, at most `limit` books to a reader, for a term
    of `days` that can be renewed `renewals` times. A book that is not there: BookNotFound.

    Without `keeps_history` a loan forgets its reader when it ends, and only the mark stays."""

    def __init__(
        self,
        *,
        begin: Callable[[], LendingWork],
        clock: Clock,
        days: int = 21,
        limit: int = 10,
        renewals: int = 2,
        marker: Marker,
        keeps_history: bool = True,
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._term = timedelta(days=days)
        self._limit = limit
        self._renewals = renewals
        self._marker = marker
        self._keeps_history = keeps_history

    async def borrow(self, actor: User, book_id: UUID) -> Loan:
        """Raises AlreadyBorrowed, NoCopyAvailable, LoanLimitReached."""
        async with self._begin() as work:
            held = await work.loans.count_open(actor.id)
            copy = await work.loans.free_copy(book_id)
            if await work.loans.has_on_loan(actor.id, book_id):
                raise AlreadyBorrowed
            if copy is None:
                raise NoCopyAvailable
            if held >= self._limit:
                raise LoanLimitReached(f"At most {self._limit} books at once: return one first.")
            loan = self._loan(actor, book_id, copy)
            await work.loans.add(loan)
        return loan

    async def give_back(self, actor: User, book_id: UUID) -> Loan:
        """Raises NotBorrowed."""
        async with self._begin() as work:
            loan = await _open_loan(work, actor, book_id)
            loan.give_back(self._clock.now())
            told = replace(loan)
            if not self._keeps_history:
                await self._forget_reader(work, loan)
        return told

    async def forget_readers(self) -> int:
        """Where no history is kept, take the readers off loans that ended while it was; of
        how many loans."""
        forgotten = 0
        while not self._keeps_history:
            async with self._begin() as work:
                over = await work.loans.hold_over(_FORGOTTEN_AT_ONCE)
                for loan in over:
                    await self._forget_reader(work, loan)
            forgotten += len(over)
            if not over:
                break
        return forgotten

    async def renew(self, actor: User, book_id: UUID) -> Loan:
        """Raises NotBorrowed, RenewalLimitReached."""
        async with self._begin() as work:
            loan = await _open_loan(work, actor, book_id)
            loan.renew(self._clock.now(), term=self._term, limit=self._renewals)
        return loan

    async def loans_of(
        self, actor: User, *, open: bool | None = None, page: PageRequest
    ) -> Page[Loan]:
        """The reader's loans, the newest first: all, the open or the returned ones."""
        async with self._begin() as work:
            return await work.loans.of_reader(actor.id, open=open, page=page)

    async def has_on_loan(self, user_id: UUID, book_id: UUID) -> bool:
        async with self._begin() as work:
            return await work.loans.has_on_loan(user_id, book_id)

    async def has_ever_borrowed(self, user_id: UUID, book_id: UUID) -> bool:
        """Whether the reader has or had the book; False for a book that is not there."""
        async with self._begin() as work:
            if await work.loans.has_ever_borrowed(user_id, book_id):
                return True
            return await work.loans.has_mark(self._marker.mark(user_id, book_id))

    async def _forget_reader(self, work: LendingWork, loan: Loan) -> None:
        if loan.user_id is not None:
            mark = self._marker.mark(loan.user_id, loan.book_id)
            await work.loans.keep_mark(mark, loan.book_id)
        loan.forget_reader()

    def is_overdue(self, loan: Loan) -> bool:
        return loan.overdue_at(self._clock.now())

    def _loan(self, actor: User, book_id: UUID, copy: int) -> Loan:
        now = self._clock.now()
        return Loan(
            id=new_id(),
            book_id=book_id,
            user_id=actor.id,
            copy_number=copy,
            borrowed_at=now,
            due_at=now + self._term,
        )


async def _open_loan(work: LendingWork, actor: User, book_id: UUID) -> Loan:
    loan = await work.loans.open_loan(actor.id, book_id)
    if loan is None:
        raise NotBorrowed
    return loan
