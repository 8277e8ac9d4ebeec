from datetime import timedelta

import pytest

from app.domains.catalog.errors import BookNotFound
from app.domains.lending.errors import (
    AlreadyBorrowed,
    LoanLimitReached,
    NoCopyAvailable,
    NotBorrowed,
    RenewalLimitReached,
)
from app.domains.lending.model import Marker
from app.domains.lending.service import LendingService
from app.shared.ids import new_id
from app.shared.pages import PageRequest
from tests.fakes.clock import FrozenClock
from tests.fakes.lending import InMemoryLending


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def shelf() -> InMemoryLending:
    return InMemoryLending()


@pytest.fixture
def lending(shelf: InMemoryLending, clock: FrozenClock) -> LendingService:
    return LendingService(
        begin=shelf.begin, clock=clock, days=21, limit=2, renewals=2, marker=Marker(b"key")
    )


async def test_a_reader_borrows_for_the_whole_term(
    lending: LendingService, shelf: InMemoryLending, clock: FrozenClock
) -> None:
    reader, book = await shelf.add_reader(), await shelf.add_book()
    loan = await lending.borrow(reader, book)
    assert (loan.user_id, loan.book_id, loan.copy_number) == (reader.id, book, 1)
    assert loan.due_at - clock.now() == timedelta(days=21)
    assert await lending.has_on_loan(reader.id, book)


async def test_the_last_copy_goes_to_one_reader_and_back(
    lending: LendingService, shelf: InMemoryLending
) -> None:
    first, second = await shelf.add_reader(), await shelf.add_reader()
    book = await shelf.add_book()
    await lending.borrow(first, book)
    with pytest.raises(NoCopyAvailable):
        await lending.borrow(second, book)
    await lending.give_back(first, book)
    assert (await lending.borrow(second, book)).open


async def test_a_reader_borrows_a_book_once_at_a_time(
    lending: LendingService, shelf: InMemoryLending
) -> None:
    reader, book = await shelf.add_reader(), await shelf.add_book(2)
    await lending.borrow(reader, book)
    with pytest.raises(AlreadyBorrowed):
        await lending.borrow(reader, book)


async def test_a_reader_has_no_more_than_the_limit(
    lending: LendingService, shelf: InMemoryLending
) -> None:
    reader = await shelf.add_reader()
    books = [await shelf.add_book() for _ in range(3)]
    for book in books[:2]:
        await lending.borrow(reader, book)
    with pytest.raises(LoanLimitReached, match="At most 2 books"):
        await lending.borrow(reader, books[2])
    await lending.give_back(reader, books[0])
    await lending.borrow(reader, books[2])


async def test_only_what_is_borrowed_can_be_returned_and_only_once(
    lending: LendingService, shelf: InMemoryLending, clock: FrozenClock
) -> None:
    reader, other = await shelf.add_reader(), await shelf.add_reader()
    book = await shelf.add_book()
    await lending.borrow(reader, book)
    with pytest.raises(NotBorrowed):
        await lending.give_back(other, book)
    clock.advance(timedelta(days=3))
    assert (await lending.give_back(reader, book)).returned_at == clock.now()
    with pytest.raises(NotBorrowed):
        await lending.give_back(reader, book)


async def test_a_loan_is_renewed_from_now_until_the_limit(
    lending: LendingService, shelf: InMemoryLending, clock: FrozenClock
) -> None:
    reader, book = await shelf.add_reader(), await shelf.add_book()
    await lending.borrow(reader, book)
    for renewals in (1, 2):
        clock.advance(timedelta(days=10))
        loan = await lending.renew(reader, book)
        assert (loan.renewals, loan.due_at) == (renewals, clock.now() + timedelta(days=21))
    with pytest.raises(RenewalLimitReached):
        await lending.renew(reader, book)


async def test_a_book_can_be_returned_though_the_clock_stepped_back(
    lending: LendingService, shelf: InMemoryLending, clock: FrozenClock
) -> None:
    reader, book = await shelf.add_reader(), await shelf.add_book()
    borrowed_at = (await lending.borrow(reader, book)).borrowed_at
    clock.advance(timedelta(seconds=-2))
    assert (await lending.give_back(reader, book)).returned_at == borrowed_at


async def test_a_renewal_makes_nothing_due_earlier_and_is_not_counted_then(
    shelf: InMemoryLending, clock: FrozenClock
) -> None:
    long, short = (
        LendingService(begin=shelf.begin, clock=clock, days=days, renewals=1, marker=Marker(b"key"))
        for days in (21, 7)
    )
    reader, book = await shelf.add_reader(), await shelf.add_book()
    due_at = (await long.borrow(reader, book)).due_at
    clock.advance(timedelta(days=1))
    loan = await short.renew(reader, book)
    assert (loan.due_at, loan.renewals) == (due_at, 0)
    clock.advance(timedelta(days=19))
    loan = await short.renew(reader, book)
    assert (loan.due_at, loan.renewals) == (clock.now() + timedelta(days=7), 1)


async def test_only_what_is_borrowed_can_be_renewed(
    lending: LendingService, shelf: InMemoryLending
) -> None:
    reader, book = await shelf.add_reader(), await shelf.add_book()
    with pytest.raises(NotBorrowed):
        await lending.renew(reader, book)


async def test_a_loan_is_overdue_after_its_term_until_it_is_returned(
    lending: LendingService, shelf: InMemoryLending, clock: FrozenClock
) -> None:
    reader, book = await shelf.add_reader(), await shelf.add_book()
    loan = await lending.borrow(reader, book)
    clock.advance(timedelta(days=21))
    assert not lending.is_overdue(loan)
    clock.advance(timedelta(seconds=1))
    assert lending.is_overdue(loan)
    assert not lending.is_overdue(await lending.give_back(reader, book))


async def test_whoever_returned_a_book_has_still_borrowed_it(
    lending: LendingService, shelf: InMemoryLending
) -> None:
    reader, book = await shelf.add_reader(), await shelf.add_book()
    assert not await lending.has_ever_borrowed(reader.id, book)
    await lending.borrow(reader, book)
    await lending.give_back(reader, book)
    assert await lending.has_ever_borrowed(reader.id, book)
    assert not await lending.has_on_loan(reader.id, book)


async def test_a_reader_sees_their_own_loans_only(
    lending: LendingService, shelf: InMemoryLending
) -> None:
    reader, other = await shelf.add_reader(), await shelf.add_reader()
    mine, theirs = await shelf.add_book(), await shelf.add_book()
    await lending.borrow(reader, mine)
    await lending.borrow(other, theirs)
    page = await lending.loans_of(reader, page=PageRequest())
    assert [loan.book_id for loan in page.items] == [mine]


async def test_a_book_that_is_not_there_cannot_be_borrowed_returned_or_renewed(
    lending: LendingService, shelf: InMemoryLending
) -> None:
    reader = await shelf.add_reader()
    for act in (lending.borrow, lending.give_back, lending.renew):
        with pytest.raises(BookNotFound):
            await act(reader, new_id())
