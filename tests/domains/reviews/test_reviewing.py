from uuid import UUID

import pytest

from app.domains.accounts.model import Role
from app.domains.catalog.errors import BookNotFound
from app.domains.reviews.errors import (
    AlreadyReviewed,
    NeverBorrowed,
    NotYourReview,
    ReviewNotFound,
)
from app.domains.reviews.jobs import RefreshConsensus
from app.domains.reviews.model import Ratings
from app.shared.ids import new_id
from app.shared.pages import PageRequest
from tests.domains.reviews.reading_room import ReadingRoom
from tests.fakes.reviews import WatchedRun


@pytest.fixture
def room() -> ReadingRoom:
    return ReadingRoom()


@pytest.fixture
async def book(room: ReadingRoom) -> UUID:
    return await room.add_book()


async def test_a_reader_reviews_what_they_have_on_loan(room: ReadingRoom, book: UUID) -> None:
    reader = await room.add_reader("Grace", of=book)
    view = await room.service.review(reader, book, rating=5, text="Lovely.")
    assert (view.reviewer, view.review.rating, view.review.text) == ("Grace", 5, "Lovely.")
    assert await room.service.ratings(book) == Ratings(1, 5, (0, 0, 0, 0, 1))


async def test_a_reader_reviews_only_what_they_borrowed(room: ReadingRoom, book: UUID) -> None:
    reader = await room.add_reader(of=await room.add_book())
    with pytest.raises(NeverBorrowed):
        await room.service.review(reader, book, rating=5, text="Lovely.")
    assert (await room.service.ratings(book)).count == 0
    assert room.jobs == []


async def test_a_reader_reviews_after_the_return_too(room: ReadingRoom, book: UUID) -> None:
    reader = await room.add_reader(of=book)
    await room.lending.give_back(reader, book)
    await room.service.review(reader, book, rating=5, text="Lovely.")


async def test_a_reader_reviews_a_book_once(room: ReadingRoom, book: UUID) -> None:
    reader, _ = await room.review(book, "Fine.")
    with pytest.raises(AlreadyReviewed):
        await room.service.review(reader, book, rating=1, text="Changed my mind.")


async def test_an_unknown_book_has_no_reviews_and_no_analysis(room: ReadingRoom) -> None:
    reader, nowhere = await room.add_reader(), new_id()
    for asking in (
        room.service.review(reader, nowhere, rating=5, text="Lovely."),
        room.service.edit(reader, nowhere, new_id(), rating=5, text="Lovely."),
        room.service.withdraw(reader, nowhere, new_id()),
        room.service.reviews_of(nowhere, page=PageRequest()),
        room.service.ratings(nowhere),
        room.service.analysis(nowhere),
    ):
        with pytest.raises(BookNotFound):
            await asking


async def test_an_author_edits_their_review(room: ReadingRoom, book: UUID) -> None:
    reader, review = await room.review(book, "Fine.", rating=4)
    view = await room.service.edit(reader, book, review.id, rating=2, text="Less fine.")
    assert (view.review.rating, view.review.text, view.review.revision) == (2, "Less fine.", 2)
    assert await room.service.ratings(book) == Ratings(1, 2, (0, 1, 0, 0, 0))


async def test_nobody_edits_the_review_of_another(room: ReadingRoom, book: UUID) -> None:
    _, review = await room.review(book, "Fine.")
    librarian = await room.add_reader(of=book)
    librarian.role = Role.LIBRARIAN
    with pytest.raises(NotYourReview):
        await room.service.edit(librarian, book, review.id, rating=1, text="Mine now.")


async def test_an_author_or_a_librarian_withdraws_a_review(room: ReadingRoom, book: UUID) -> None:
    (author, first), (_, second) = [await room.review(book, "Fine.") for _ in range(2)]
    with pytest.raises(NotYourReview):
        await room.service.withdraw(author, book, second.id)
    await room.service.withdraw(author, book, first.id)
    librarian = await room.add_reader()
    librarian.role = Role.LIBRARIAN
    await room.service.withdraw(librarian, book, second.id)
    assert await room.service.ratings(book) == Ratings()
    with pytest.raises(ReviewNotFound):
        await room.service.withdraw(author, book, first.id)


async def test_a_review_belongs_to_its_book(room: ReadingRoom, book: UUID) -> None:
    author, review = await room.review(book, "Fine.")
    with pytest.raises(ReviewNotFound):
        await room.service.edit(author, await room.add_book(), review.id, rating=1, text="No.")


async def test_every_change_asks_for_the_consensus(room: ReadingRoom, book: UUID) -> None:
    reader, review = await room.review(book, "Fine.")
    assert room.jobs == [(RefreshConsensus(book), None)]
    room.jobs.clear()
    await room.service.edit(reader, book, review.id, rating=1, text="No.")
    assert room.jobs == [(RefreshConsensus(book), None)]
    room.jobs.clear()
    await room.service.withdraw(reader, book, review.id)
    assert room.jobs == [(RefreshConsensus(book), None)]


async def test_reviews_are_listed_newest_first(room: ReadingRoom, book: UUID) -> None:
    reviews = [(await room.review(book, text))[1] for text in ("One.", "Two.", "Three.")]
    page = await room.service.reviews_of(book, page=PageRequest(2))
    newest = sorted((review.id for review in reviews), reverse=True)[:2]
    assert [view.review.id for view in page.items] == newest
    assert page.total == 3


async def test_a_library_without_models_serves_the_stars_and_asks_nobody(book: UUID) -> None:
    room = ReadingRoom(enabled=False)
    book = await room.add_book()
    await room.review(book, "+plot Great.", rating=5)
    assert room.jobs == []
    await room.service.refresh_consensus(book, WatchedRun())
    analysis = await room.analysis(book)
    assert (analysis.status, analysis.consensus, analysis.source) == ("none", None, None)
    assert (analysis.aspects, analysis.sentiment) == ((), 1.0)
    assert analysis.ratings == Ratings(1, 5, (0, 0, 0, 0, 1))
    assert room.questions("read_review") == []
