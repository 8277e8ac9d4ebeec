"""What every store of loans promises."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from app.adapters.postgres.lending import SqlLendingWork
from app.domains.accounts.model import User
from app.domains.catalog.errors import BookNotFound
from app.domains.lending.errors import AlreadyBorrowed, NoCopyAvailable
from app.domains.lending.model import Loan
from app.domains.lending.ports import LendingWork
from app.shared.errors import NotAuthenticated
from app.shared.ids import new_id
from app.shared.pages import InvalidCursor, PageRequest, cursor_for
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.fakes.clock import FrozenClock
from tests.fakes.lending import InMemoryLending

NOW = FrozenClock().now()


@dataclass
class Room:
    begin: Callable[[], LendingWork]
    shelf: SqlShelf | InMemoryLending

    async def lend(self, reader: User, book: UUID, copy: int = 1, at: datetime = NOW) -> Loan:
        loan = Loan(
            id=new_id(),
            book_id=book,
            user_id=reader.id,
            copy_number=copy,
            borrowed_at=at,
            due_at=at + timedelta(days=21),
        )
        async with self.begin() as work:
            await work.loans.add(loan)
        return loan

    async def give_back(self, reader: User, book: UUID) -> None:
        async with self.begin() as work:
            loan = await work.loans.open_loan(reader.id, book)
            assert loan
            loan.give_back(NOW + timedelta(days=1))


@pytest.fixture(params=["memory", "postgres"])
async def room(request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    if request.param == "memory":
        lending = InMemoryLending()
        yield Room(lending.begin, lending)
        return
    async with opened_shelf(request.getfixturevalue("database_url")) as shelf:
        yield Room(lambda: SqlLendingWork(shelf.sessions), shelf)


async def test_a_loan_comes_back_as_it_was_kept(room: Room) -> None:
    reader, book = await room.shelf.add_reader(), await room.shelf.add_book()
    kept = await room.lend(reader, book)
    async with room.begin() as work:
        found = await work.loans.open_loan(reader.id, book)
    assert found
    assert (found.id, found.copy_number, found.due_at) == (kept.id, 1, kept.due_at)
    assert (found.returned_at, found.renewals) == (None, 0)


async def test_what_is_changed_on_a_loan_is_kept(room: Room) -> None:
    reader, book = await room.shelf.add_reader(), await room.shelf.add_book()
    await room.lend(reader, book)
    await room.give_back(reader, book)
    async with room.begin() as work:
        assert await work.loans.open_loan(reader.id, book) is None
        assert not await work.loans.has_on_loan(reader.id, book)
        assert await work.loans.has_ever_borrowed(reader.id, book)


async def test_a_return_by_a_clock_that_is_behind_is_kept(room: Room) -> None:
    reader, book = await room.shelf.add_reader(), await room.shelf.add_book()
    await room.lend(reader, book)
    async with room.begin() as work:
        loan = await work.loans.open_loan(reader.id, book)
        assert loan
        loan.give_back(NOW - timedelta(seconds=1))
    async with room.begin() as work:
        assert await work.loans.open_loan(reader.id, book) is None


async def test_nothing_is_kept_of_a_work_that_fails(room: Room) -> None:
    reader, book = await room.shelf.add_reader(), await room.shelf.add_book()

    async def lend_and_fail() -> None:
        async with room.begin() as work:
            await work.loans.add(_loan(reader, book))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await lend_and_fail()
    async with room.begin() as work:
        assert not await work.loans.has_ever_borrowed(reader.id, book)


async def test_the_lowest_free_copy_is_lent(room: Room) -> None:
    book = await room.shelf.add_book(3)
    first, second = await room.shelf.add_reader(), await room.shelf.add_reader()
    await room.lend(first, book, 1)
    await room.lend(second, book, 2)
    await room.give_back(first, book)
    async with room.begin() as work:
        assert await work.loans.free_copy(book) == 1


async def test_without_a_free_copy_there_is_none(room: Room) -> None:
    reader, book = await room.shelf.add_reader(), await room.shelf.add_book()
    await room.lend(reader, book)
    async with room.begin() as work:
        assert await work.loans.free_copy(book) is None


async def test_a_copy_is_with_one_reader_only(room: Room) -> None:
    book = await room.shelf.add_book(2)
    await room.lend(await room.shelf.add_reader(), book, 1)
    with pytest.raises(NoCopyAvailable):
        await room.lend(await room.shelf.add_reader(), book, 1)


async def test_a_copy_that_is_not_there_is_not_lent(room: Room) -> None:
    book = await room.shelf.add_book(2)
    with pytest.raises(NoCopyAvailable):
        await room.lend(await room.shelf.add_reader(), book, 3)


async def test_a_reader_has_one_copy_only(room: Room) -> None:
    reader, book = await room.shelf.add_reader(), await room.shelf.add_book(2)
    await room.lend(reader, book, 1)
    with pytest.raises(AlreadyBorrowed):
        await room.lend(reader, book, 2)


async def test_a_returned_copy_can_be_lent_to_the_same_reader_again(room: Room) -> None:
    reader, book = await room.shelf.add_reader(), await room.shelf.add_book()
    for _ in range(2):
        await room.lend(reader, book)
        await room.give_back(reader, book)


async def test_open_loans_are_counted_by_reader(room: Room) -> None:
    reader, other = await room.shelf.add_reader(), await room.shelf.add_reader()
    books = [await room.shelf.add_book() for _ in range(3)]
    for book in books:
        await room.lend(reader, book)
    await room.give_back(reader, books[0])
    async with room.begin() as work:
        assert await work.loans.count_open(reader.id) == 2
        assert await work.loans.count_open(other.id) == 0


async def test_what_does_not_exist_is_said_so(room: Room) -> None:
    reader = await room.shelf.add_reader()
    with pytest.raises(BookNotFound):
        async with room.begin() as work:
            await work.loans.free_copy(new_id())
    with pytest.raises(BookNotFound):
        async with room.begin() as work:
            await work.loans.open_loan(reader.id, new_id())
    with pytest.raises(NotAuthenticated):
        async with room.begin() as work:
            await work.loans.count_open(new_id())


async def test_the_loans_of_a_reader_come_newest_first_in_pages(room: Room) -> None:
    reader = await room.shelf.add_reader()
    kept = [
        await room.lend(reader, await room.shelf.add_book(), at=NOW + timedelta(days=day // 2))
        for day in range(5)
    ]
    seen, cursor = [], None
    for _ in range(3):
        async with room.begin() as work:
            page = PageRequest(2, cursor)
            found = await work.loans.of_reader(reader.id, open=None, page=page)
        seen += [loan.id for loan in found.items]
        cursor = found.next_cursor
        assert found.total == 5
    newest = sorted(kept, key=lambda loan: (loan.borrowed_at, loan.id), reverse=True)
    assert seen == [loan.id for loan in newest]
    assert cursor is None


@pytest.mark.parametrize(("open", "expected"), [(True, {1}), (False, {0}), (None, {0, 1})])
async def test_open_and_returned_loans_are_told_apart(
    room: Room, open: bool | None, expected: set[int]
) -> None:
    reader = await room.shelf.add_reader()
    books = [await room.shelf.add_book() for _ in range(2)]
    for book in books:
        await room.lend(reader, book)
    await room.give_back(reader, books[0])
    async with room.begin() as work:
        found = await work.loans.of_reader(reader.id, open=open, page=PageRequest())
    assert {books.index(loan.book_id) for loan in found.items} == expected
    assert found.total == len(expected)


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        cursor_for("2026-01-05", "not an id"),
        cursor_for(None, None),
        cursor_for("0001-01-01T00:00:00+14:00", str(new_id())),
        cursor_for(1, 2, 3),
    ],
)
async def test_a_cursor_of_another_list_is_refused(room: Room, cursor: str) -> None:
    reader = await room.shelf.add_reader()
    with pytest.raises(InvalidCursor):
        async with room.begin() as work:
            await work.loans.of_reader(reader.id, open=None, page=PageRequest(2, cursor))


def _loan(reader: User, book: UUID) -> Loan:
    return Loan(
        id=new_id(),
        book_id=book,
        user_id=reader.id,
        copy_number=1,
        borrowed_at=NOW,
        due_at=NOW,
    )


async def test_a_mark_is_kept_once_and_goes_with_its_book(room: Room) -> None:
    book, mark = await room.shelf.add_book(), b"m" * 32
    for _ in range(2):
        async with room.begin() as work:
            assert await work.loans.has_mark(mark) == (_ == 1)
            await work.loans.keep_mark(mark, book)
    async with room.begin() as work:
        assert await work.loans.has_mark(mark)
        assert not await work.loans.has_mark(b"n" * 32)


async def test_loans_that_are_over_are_held_until_they_are_nobodys(room: Room) -> None:
    reader, over, out = (
        await room.shelf.add_reader(),
        [await room.shelf.add_book() for _ in range(2)],
        await room.shelf.add_book(),
    )
    for book in over:
        await room.lend(reader, book)
        await room.give_back(reader, book)
    await room.lend(reader, out)
    seen = set()
    for _ in range(2):
        async with room.begin() as work:
            (loan,) = await work.loans.hold_over(1)
            seen.add(loan.book_id)
            loan.forget_reader()
    assert seen == set(over)
    async with room.begin() as work:
        assert await work.loans.hold_over(1) == []
        assert not await work.loans.has_ever_borrowed(reader.id, over[0])
