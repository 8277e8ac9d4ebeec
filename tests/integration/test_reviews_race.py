"""Many review, edit and withdraw at once while the consensus is refreshed, on a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest

from app.adapters.llm.extractive import ExtractiveLLM
from app.adapters.postgres.lending import SqlLendingWork
from app.adapters.postgres.reviews import SqlReviewsWork
from app.bootstrap.prompts import reference_of, stored_answers
from app.domains.accounts.model import User
from app.domains.lending.model import Marker
from app.domains.lending.service import LendingService
from app.domains.reviews.errors import AlreadyReviewed
from app.domains.reviews.model import Standing
from app.domains.reviews.ports import ReviewsWork
from app.domains.reviews.service import ReviewsService
from app.main import count_answers
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.domains.reviews.reading_room import model
from tests.fakes.clock import FrozenClock
from tests.fakes.reviews import WatchedRun
from tests.library import settings_for_tests

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
    return LendingService(
        begin=lambda: SqlLendingWork(shelf.sessions), clock=FrozenClock(), marker=Marker(b"key")
    )


@pytest.fixture
def reviews(begin: Callable[[], ReviewsWork], lending: LendingService) -> ReviewsService:
    return ReviewsService(
        begin=begin, clock=FrozenClock(), lending=lending, llm=model(), fallback=ExtractiveLLM()
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


async def test_what_is_withdrawn_is_gone_with_the_transaction(
    shelf: SqlShelf,
    lending: LendingService,
    reviews: ReviewsService,
    begin: Callable[[], ReviewsWork],
) -> None:
    book = await shelf.add_book(READERS)
    said = ["+plot holds what it promised to me."] * 3 + ["-ending ruins it all, alas, alas."]
    readers = await borrowers(shelf, lending, book)
    kept = [
        await reviews.review(r, book, rating=4, text=t) for r, t in zip(readers, said, strict=False)
    ]
    await reviews.refresh_consensus(book, WatchedRun())
    told = await reviews.analysis(book)
    assert "ending" in (told.consensus or "")
    with suppress(ZeroDivisionError):
        async with begin() as work:
            await work.reviews.remove(await work.reviews.get(book, kept[-1].review.id))
            raise ZeroDivisionError
    assert await reviews.analysis(book) == told
    await reviews.withdraw(readers[3], book, kept[-1].review.id)
    assert await shelf.rows("SELECT 1 FROM review_opinions WHERE quote LIKE '%ruins%'") == []
    assert await shelf.rows("SELECT aspect, positive FROM aspect_stats") == [("plot", 3)]
    assert await shelf.rows("SELECT text FROM consensus") == [(None,)]
    at_once = await reviews.analysis(book)
    assert at_once.status == "stale"
    assert at_once.consensus == (
        "3 readers give 4.0 of 5 stars on average. 3 of 3 readers praise the plot."
    )


async def test_a_recount_names_the_books_whose_sums_were_wrong(
    shelf: SqlShelf, lending: LendingService, reviews: ReviewsService
) -> None:
    books = [await shelf.add_book() for _ in range(3)]
    for book in books:
        reader = await shelf.add_reader()
        await lending.borrow(reader, book)
        await reviews.review(reader, book, rating=4, text="+plot yes.")
        await reviews.refresh_consensus(book, WatchedRun())
    right = await reviews.analysis(books[1])
    damage = "UPDATE aspect_stats SET positive = 7 WHERE book_id = :book RETURNING book_id"
    await shelf.rows(damage, book=books[1])
    assert await reviews.recount() == [books[1]]
    assert await reviews.analysis(books[1]) == right
    assert await reviews.recount() == []


async def test_stored_answers_are_counted_by_the_prompt_they_came_from(
    shelf: SqlShelf,
    lending: LendingService,
    reviews: ReviewsService,
    database_url: str,
    tmp_path: Path,
) -> None:
    book = await shelf.add_book(READERS)
    for reader in (await borrowers(shelf, lending, book))[:3]:
        await reviews.review(reader, book, rating=4, text="+plot yes.")
    await reviews.refresh_consensus(book, WatchedRun())
    settings = settings_for_tests(database_url, tmp_path)
    for name, count in (("read_review", 3), ("tell_consensus", 1)):
        assert await stored_answers(settings, name) == {reference_of(name): count}
        assert f"{count} by {name}@" in await count_answers(settings, name)


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
