"""Where no history is kept: what is left of a loan that is over."""

import pytest

from app.domains.lending.model import Marker
from app.domains.lending.service import LendingService
from app.shared.ids import new_id
from app.shared.pages import PageRequest
from tests.fakes.clock import FrozenClock
from tests.fakes.lending import InMemoryLending


@pytest.fixture
def shelf() -> InMemoryLending:
    return InMemoryLending()


def lending_in(shelf: InMemoryLending, *, history: bool, key: bytes = b"key") -> LendingService:
    return LendingService(
        begin=shelf.begin, clock=FrozenClock(), marker=Marker(key), keeps_history=history
    )


async def test_a_returned_loan_is_nobodys_at_once(shelf: InMemoryLending) -> None:
    lending = lending_in(shelf, history=False)
    reader, book = await shelf.add_reader(), await shelf.add_book()
    lent = await lending.borrow(reader, book)
    assert lent.user_id == reader.id
    told = await lending.give_back(reader, book)
    assert (told.id, told.user_id, told.open) == (lent.id, reader.id, False)
    assert [loan.user_id for loan in shelf.shelf.loans.values()] == [None]
    assert (await lending.loans_of(reader, page=PageRequest())).items == []


async def test_who_returned_a_book_has_still_borrowed_it(shelf: InMemoryLending) -> None:
    lending = lending_in(shelf, history=False)
    reader, other = await shelf.add_reader(), await shelf.add_reader()
    book, unread = await shelf.add_book(), await shelf.add_book()
    await lending.borrow(reader, book)
    await lending.give_back(reader, book)
    assert await lending.has_ever_borrowed(reader.id, book)
    assert not await lending.has_ever_borrowed(other.id, book)
    assert not await lending.has_ever_borrowed(reader.id, unread)
    assert not await lending.has_on_loan(reader.id, book)


async def test_marks_tell_nothing_without_the_key(shelf: InMemoryLending) -> None:
    lending = lending_in(shelf, history=False)
    reader, book = await shelf.add_reader(), await shelf.add_book()
    await lending.borrow(reader, book)
    await lending.give_back(reader, book)
    (mark,) = shelf.shelf.marks
    assert len(mark) == 32
    assert reader.id.bytes not in mark
    assert not await lending_in(shelf, history=False, key=b"other").has_ever_borrowed(
        reader.id, book
    )
    assert "key" not in repr(Marker(b"key"))


async def test_borrowed_twice_is_one_mark(shelf: InMemoryLending) -> None:
    lending = lending_in(shelf, history=False)
    reader, book = await shelf.add_reader(), await shelf.add_book()
    for _ in range(2):
        await lending.borrow(reader, book)
        await lending.give_back(reader, book)
    assert len(shelf.shelf.marks) == 1


async def test_a_mark_goes_with_its_book(shelf: InMemoryLending) -> None:
    lending = lending_in(shelf, history=False)
    reader, book = await shelf.add_reader(), await shelf.add_book()
    await lending.borrow(reader, book)
    await lending.give_back(reader, book)
    del shelf.shelf.copies[book]
    assert not await lending.has_ever_borrowed(reader.id, book)


async def test_switched_off_the_past_is_forgotten_and_open_loans_stay(
    shelf: InMemoryLending,
) -> None:
    before, after = lending_in(shelf, history=True), lending_in(shelf, history=False)
    reader, over, out = await shelf.add_reader(), await shelf.add_book(), await shelf.add_book()
    await before.borrow(reader, over)
    await before.give_back(reader, over)
    await before.borrow(reader, out)
    assert await before.forget_readers() == 0
    assert await after.forget_readers() == 1
    assert await after.forget_readers() == 0
    theirs = [loan.book_id for loan in shelf.shelf.loans.values() if loan.user_id == reader.id]
    assert theirs == [out]
    assert await after.has_ever_borrowed(reader.id, over)
    assert (await after.renew(reader, out)).user_id == reader.id


async def test_an_open_loan_cannot_forget_its_reader(shelf: InMemoryLending) -> None:
    lending = lending_in(shelf, history=False)
    loan = await lending.borrow(await shelf.add_reader(), await shelf.add_book())
    with pytest.raises(ValueError, match="open"):
        loan.forget_reader()


def test_a_mark_is_of_one_reader_and_one_book() -> None:
    marker, one, two = Marker(b"key"), new_id(), new_id()
    assert marker.mark(one, two) == marker.mark(one, two)
    assert len({marker.mark(one, two), marker.mark(two, one), marker.mark(one, one)}) == 3
