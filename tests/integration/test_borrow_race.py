"""Many borrow at once, on a real database: nobody gets what somebody else has. One copy and
fifty readers at real servers: the campaign `races`."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from app.adapters.postgres.lending import SqlLendingWork
from app.domains.accounts.model import User
from app.domains.lending.errors import AlreadyBorrowed, LoanLimitReached, NoCopyAvailable
from app.domains.lending.model import Loan, Marker
from app.domains.lending.service import LendingService
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.fakes.clock import FrozenClock


@pytest.fixture
async def shelf(database_url: str) -> AsyncIterator[SqlShelf]:
    async with opened_shelf(database_url, pool_size=25) as opened:
        yield opened


@pytest.fixture
def lending(shelf: SqlShelf) -> LendingService:
    return LendingService(
        begin=lambda: SqlLendingWork(shelf.sessions),
        clock=FrozenClock(),
        days=21,
        limit=3,
        marker=Marker(b"key"),
    )


async def race(lending: LendingService, *wishes: tuple[User, UUID]) -> list[Loan | BaseException]:
    return await asyncio.gather(
        *(lending.borrow(reader, book) for reader, book in wishes), return_exceptions=True
    )


def kinds(outcomes: list[Loan | BaseException]) -> dict[type, int]:
    found = [type(outcome) for outcome in outcomes]
    return {kind: found.count(kind) for kind in set(found)}


async def test_as_many_readers_as_there_are_copies_get_one_each(
    shelf: SqlShelf, lending: LendingService
) -> None:
    readers = [await shelf.add_reader() for _ in range(12)]
    book = await shelf.add_book(5)
    outcomes = await race(lending, *((reader, book) for reader in readers))
    lent = [outcome for outcome in outcomes if isinstance(outcome, Loan)]
    assert sorted(cast(int, loan.copy_number) for loan in lent) == [1, 2, 3, 4, 5]
    assert kinds(outcomes) == {Loan: 5, NoCopyAvailable: 7}


async def test_one_reader_asking_many_times_at_once_gets_one_copy(
    shelf: SqlShelf, lending: LendingService
) -> None:
    reader, book = await shelf.add_reader(), await shelf.add_book(10)
    outcomes = await race(lending, *[(reader, book)] * 10)
    assert kinds(outcomes) == {Loan: 1, AlreadyBorrowed: 9}


async def test_borrowing_different_books_at_once_never_passes_the_limit(
    shelf: SqlShelf, lending: LendingService
) -> None:
    for _ in range(5):
        reader = await shelf.add_reader()
        shelf_full = [await shelf.add_book() for _ in range(10)]
        outcomes = await race(lending, *((reader, book) for book in shelf_full))
        assert kinds(outcomes) == {Loan: 3, LoanLimitReached: 7}


async def test_borrowing_and_returning_at_once_leaves_each_copy_with_one_reader(
    shelf: SqlShelf, lending: LendingService
) -> None:
    readers = [await shelf.add_reader() for _ in range(12)]
    book = await shelf.add_book(3)

    async def read_again_and_again(reader: User) -> list[Loan]:
        read = []
        for _ in range(6):
            try:
                read.append(await lending.borrow(reader, book))
            except NoCopyAvailable:
                continue
            await lending.give_back(reader, book)
        return read

    await asyncio.gather(*map(read_again_and_again, readers))
    assert await shelf.count_open() == 0


async def test_a_book_on_loan_cannot_be_deleted_nor_its_copy_removed(
    shelf: SqlShelf, lending: LendingService
) -> None:
    reader, book = await shelf.add_reader(), await shelf.add_book(2)
    loan = await lending.borrow(reader, book)
    with pytest.raises(IntegrityError, match="fk_loans_open_copy"):
        await shelf.delete_book(book)
    with pytest.raises(IntegrityError, match="fk_loans_open_copy"):
        await shelf.remove_copy(book, cast(int, loan.copy_number))
    await shelf.remove_copy(book, 2)


async def test_a_book_with_returned_loans_only_can_be_deleted(
    shelf: SqlShelf, lending: LendingService
) -> None:
    reader, book = await shelf.add_reader(), await shelf.add_book()
    await lending.borrow(reader, book)
    await lending.give_back(reader, book)
    await shelf.remove_copy(book, 1)
    await shelf.delete_book(book)
    assert not await lending.has_ever_borrowed(reader.id, book)
