"""The lending room without a database."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self
from uuid import UUID

from typing_extensions import override

from app.domains.accounts.model import Role, User
from app.domains.catalog.errors import BookNotFound
from app.domains.lending.errors import AlreadyBorrowed, NoCopyAvailable
from app.domains.lending.model import Loan
from app.domains.lending.ports import LendingWork, LoanRepository
from app.shared.errors import NotAuthenticated
from app.shared.ids import new_id
from app.shared.pages import InvalidCursor, Page, PageRequest, cursor_for
from tests.fakes.clock import FrozenClock


def a_reader(name: str = "Ada", role: Role = Role.MEMBER) -> User:
    user_id = new_id()
    return User(
        id=user_id,
        email=f"{user_id}@example.org",
        display_name=name,
        role=role,
        password_hash="plain:secret",
        disabled=False,
        created_at=FrozenClock().now(),
    )


@dataclass
class LendingShelf:
    """What is kept: how many copies of which books, who reads, and the loans."""

    copies: dict[UUID, int] = field(default_factory=dict)
    readers: set[UUID] = field(default_factory=set)
    loans: dict[UUID, Loan] = field(default_factory=dict)
    marks: dict[bytes, UUID] = field(default_factory=dict)

    def copy(self) -> "LendingShelf":
        loans = {loan.id: replace(loan) for loan in self.loans.values()}
        return LendingShelf(dict(self.copies), set(self.readers), loans, dict(self.marks))


class InMemoryLending:
    """The shelf, and the turn of whoever works on it: one after the other."""

    def __init__(self) -> None:
        self.shelf = LendingShelf()
        self.turn = asyncio.Lock()

    def begin(self) -> LendingWork:
        return InMemoryLendingWork(self)

    async def add_book(self, copies: int = 1) -> UUID:
        book_id = new_id()
        self.shelf.copies[book_id] = copies
        return book_id

    async def add_reader(self, name: str = "Ada") -> User:
        reader = a_reader(name)
        self.shelf.readers.add(reader.id)
        return reader


class InMemoryLendingWork(LendingWork):
    """Works on a copy, which becomes the shelf at a clean end."""

    def __init__(self, lending: InMemoryLending) -> None:
        self._lending = lending

    @override
    async def __aenter__(self) -> Self:
        await self._lending.turn.acquire()
        self._shelf = self._lending.shelf.copy()
        self.loans = InMemoryLoanRepository(self._shelf)
        return self

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._lending.shelf = self._shelf.copy()
        self._lending.turn.release()


class InMemoryLoanRepository(LoanRepository):
    def __init__(self, shelf: LendingShelf) -> None:
        self._shelf = shelf

    @override
    async def count_open(self, user_id: UUID) -> int:
        if user_id not in self._shelf.readers:
            raise NotAuthenticated
        return len(self._loans(lambda loan: loan.open and loan.user_id == user_id))

    @override
    async def free_copy(self, book_id: UUID) -> int | None:
        self._require(book_id)
        out = self._loans(lambda loan: loan.open and loan.book_id == book_id)
        lent = {loan.copy_number for loan in out}
        numbers = range(1, self._shelf.copies[book_id] + 1)
        return next((number for number in numbers if number not in lent), None)

    @override
    async def add(self, loan: Loan) -> None:
        out = self._loans(lambda other: other.open and other.book_id == loan.book_id)
        copies = self._shelf.copies.get(loan.book_id, 0)
        if loan.copy_number not in range(1, copies + 1):
            raise NoCopyAvailable
        if any(other.copy_number == loan.copy_number for other in out):
            raise NoCopyAvailable
        if any(other.user_id == loan.user_id for other in out):
            raise AlreadyBorrowed
        self._shelf.loans[loan.id] = loan

    @override
    async def open_loan(self, user_id: UUID, book_id: UUID) -> Loan | None:
        self._require(book_id)
        found = self._loans(lambda loan: loan.open and _is(loan, user_id, book_id))
        return found[0] if found else None

    @override
    async def has_on_loan(self, user_id: UUID, book_id: UUID) -> bool:
        return bool(self._loans(lambda loan: loan.open and _is(loan, user_id, book_id)))

    @override
    async def has_ever_borrowed(self, user_id: UUID, book_id: UUID) -> bool:
        return bool(self._loans(lambda loan: _is(loan, user_id, book_id)))

    @override
    async def keep_mark(self, mark: bytes, book_id: UUID) -> None:
        self._shelf.marks[mark] = book_id

    @override
    async def has_mark(self, mark: bytes) -> bool:
        return self._shelf.marks.get(mark) in self._shelf.copies

    @override
    async def hold_over(self, limit: int) -> Sequence[Loan]:
        return self._loans(lambda loan: not loan.open and loan.user_id is not None)[:limit]

    @override
    async def of_reader(self, user_id: UUID, *, open: bool | None, page: PageRequest) -> Page[Loan]:
        found = self._loans(lambda loan: loan.user_id == user_id and open in (None, loan.open))
        found.sort(key=lambda loan: (loan.borrowed_at, loan.id), reverse=True)
        start = place_of([loan.id for loan in found], page)
        items = found[start : start + page.limit]
        more = start + page.limit < len(found)
        return Page(items, cursor_for(items[-1].id) if more else None, len(found))

    def _loans(self, wanted: Callable[[Loan], bool]) -> list[Loan]:
        return [loan for loan in self._shelf.loans.values() if wanted(loan)]

    def _require(self, book_id: UUID) -> None:
        if book_id not in self._shelf.copies:
            raise BookNotFound


def place_of(ids: list[UUID], page: PageRequest) -> int:
    """Where the page starts in a list of ids whose cursors are ids."""
    key = page.after(str)
    if key is None:
        return 0
    places = {str(each): place for place, each in enumerate(ids, start=1)}
    if key[0] not in places:
        raise InvalidCursor
    return places[key[0]]


def _is(loan: Loan, user_id: UUID, book_id: UUID) -> bool:
    return loan.user_id == user_id and loan.book_id == book_id
