"""Many review, edit and withdraw at once while the consensus is refreshed, on a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest

from app.adapters.postgres.lending import SqlLendingWork
from app.adapters.postgres.reviews import SqlReviewsWork
from app.domains.accounts.model import User
from app.domains.lending.service import LendingService
from app.domains.reviews.errors import AlreadyReviewed
from app.domains.reviews.model import Standing
from app.domains.reviews.ports import ReviewsWork
from app.domains.reviews.service import ReviewsService
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.domains.reviews.reading_room import model
from tests.fakes.clock import FrozenClock
from tests.fakes.reviews import WatchedRun

READERS = 16


@pytest.fixture
async def shelf(database_url: str) -> AsyncIterator[SqlShelf]:
    async with opened_shelf(database_url, pool_size=20) as opened:
        yield opened


@pytest.fixture
def begin(shelf: SqlShelf) -> Callable[[], ReviewsWork]:
    return lambda: SqlReviewsWork(shelf.sessions)


@pytest.fixture
def lending(shelf: SqlShelf) -> LendingService:
    return LendingService(begin=lambda: SqlLendingWork(shelf.sessions), clock=FrozenClock())


@pytest.fixture
def reviews(begin: Callable[[], ReviewsWork], lending: LendingService) -> ReviewsService:
    return ReviewsService(
        begin=begin, clock=FrozenClock(), lending=lending, llm=model(), fallback=model()
    )


async def borrowers(shelf: SqlShelf, lending: LendingService, book: UUID) -> list[User]:
    readers = [await shelf.add_reader() for _ in range(READERS)]
    for reader in readers:
        await lending.borrow(reader, book)
    return readers


async def test_the_sums_stay_exact_whatever_happens_at_once(
    shelf: SqlShelf,
    lending: LendingService,
    reviews: ReviewsService,
    begin: Callable[[], ReviewsWork],
) -> None:
    book = await shelf.add_book(READERS)

    async def think_aloud(number: int, reader: User) -> None:
        rating, aspect = 1 + number % 5, ("plot", "ending")[number % 2]
        view = await reviews.review(reader, book, rating=rating, text=f"+{aspect} yes.")
        if number % 3 == 0:
            await reviews.edit(reader, book, view.review.id, rating=3, text=f"-{aspect} no.")
        if number % 4 == 0:
            await reviews.withdraw(reader, book, view.review.id)

    async def refresh() -> None:
        for _ in range(4):
            await reviews.refresh_consensus(book, WatchedRun())

    readers = await borrowers(shelf, lending, book)
    await asyncio.gather(refresh(), *(think_aloud(*each) for each in enumerate(readers)))
    await refresh()
    after = await standing(begin, book)
    async with begin() as work:
        await work.reviews.rebuild(book)
    assert await standing(begin, book) == after
    assert (after.ratings.count, after.all_read) == (READERS * 3 // 4, True)
    assert (await reviews.analysis(book)).status == "fresh"


async def test_one_reader_reviewing_many_times_at_once_reviews_once(
    shelf: SqlShelf, lending: LendingService, reviews: ReviewsService
) -> None:
    book, reader = await shelf.add_book(), await shelf.add_reader()
    await lending.borrow(reader, book)
    outcomes = await asyncio.gather(
        *(reviews.review(reader, book, rating=5, text="Yes.") for _ in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, AlreadyReviewed) for outcome in outcomes) == 9
    assert (await reviews.ratings(book)).count == 1


async def standing(begin: Callable[[], ReviewsWork], book: UUID) -> Standing:
    async with begin() as work:
        return await work.reviews.standing(book)
