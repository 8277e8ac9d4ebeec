"""What every store of preferences, showings and deeds promises."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from app.adapters.postgres.lending import SqlLendingWork
from app.adapters.postgres.recommendations import SqlRecommendationsWork
from app.domains.accounts.model import User
from app.domains.catalog.errors import BookNotFound
from app.domains.recommendations.errors import ShowingNotFound
from app.domains.recommendations.jobs import FitRecommender
from app.domains.recommendations.model import (
    Deed,
    DeedKind,
    Feedback,
    Past,
    Preferences,
    Showing,
    StoredModel,
    Tastes,
)
from app.domains.recommendations.ports import Extent, RecommendationsWork, Revision
from app.ports.audit import Act, Subject
from app.ports.recommender import Item
from app.shared.errors import NotAuthenticated
from app.shared.ids import new_id
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.fakes.clock import FrozenClock
from tests.fakes.recommendations import KEPT, InMemoryRecommendations

NOW = FrozenClock().now()
MANY = 1000


class SqlReadingRoom:
    """The deeds of the other rooms as rows, which is how this one sees them."""

    def __init__(self, shelf: SqlShelf) -> None:
        self._shelf = shelf
        self.add_reader = shelf.add_reader
        self.remove_book = shelf.delete_book

    def begin(self) -> RecommendationsWork:
        return SqlRecommendationsWork(self._shelf.sessions)

    async def add_book(
        self,
        title: str = "Emma",
        author: str = "Jane Austen",
        *,
        genres: Sequence[str] = (),
        tags: Sequence[str] = (),
        language: str | None = None,
        added_at: datetime = NOW,
    ) -> UUID:
        book_id = await self._shelf.add_book()
        await self._shelf.rows(
            "UPDATE books SET title = :title, author = :author, genres = :genres, tags = :tags,"
            " language = :language, created_at = :at WHERE id = :id RETURNING id",
            id=book_id,
            title=title,
            author=author,
            genres=list(genres),
            tags=list(tags),
            language=language,
            at=added_at,
        )
        return book_id

    async def retitle(self, book_id: UUID, title: str) -> None:
        # Earlier than other changes: what is written first may be seen last.
        await self._shelf.rows(
            "UPDATE books SET title = :title, updated_at = updated_at + interval '1 microsecond' "
            "WHERE id = :id RETURNING id",
            id=book_id,
            title=title,
        )

    async def summarise(self, book_id: UUID, summary: str) -> None:
        await self._shelf.rows(
            "INSERT INTO summaries (book_id, run, status, done, planned, presentation, updated_at)"
            " VALUES (:id, :id, 'ready', 1, 1, jsonb_build_object('summary', cast(:told as text)),"
            " :at) ON CONFLICT (book_id) DO UPDATE SET presentation = excluded.presentation,"
            " updated_at = summaries.updated_at + interval '1 microsecond' RETURNING book_id",
            id=book_id,
            told=summary,
            at=NOW,
        )

    async def borrow(
        self,
        reader: User,
        book_id: UUID,
        at: datetime,
        *,
        renewed: bool = False,
        kept: timedelta | None = KEPT,
    ) -> None:
        """A loan, given back after so long; still open without."""
        await self._shelf.rows(
            "INSERT INTO loans (id, book_id, user_id, copy_number, borrowed_at, due_at,"
            " returned_at, renewals) VALUES (:id, :book, :user, 1, :at, :at, :back, :renewals)"
            " RETURNING id",
            id=new_id(),
            book=book_id,
            user=reader.id,
            at=at,
            back=None if kept is None else at + kept,
            renewals=int(renewed),
        )

    async def rate(self, reader: User, book_id: UUID, stars: int, at: datetime) -> None:
        await self._shelf.rows(
            "INSERT INTO reviews (id, book_id, user_id, rating, text, created_at, updated_at,"
            " revision, read_revision, read_degraded, words_key)"
            " VALUES (:id, :book, :user, :stars, 'So it was.', :at, :at, 1, 0, false, '')"
            " RETURNING id",
            id=new_id(),
            book=book_id,
            user=reader.id,
            stars=stars,
            at=at,
        )

    async def erase_reader(self, reader: User) -> None:
        await self._shelf.erase_reader(reader)
        async with self.begin() as work:
            await work.audit.note(Act.ACCOUNT_ERASED, Subject("user", str(reader.id)))

    async def keep_mark(self, mark: bytes, book_id: UUID) -> None:
        async with SqlLendingWork(self._shelf.sessions) as work:
            await work.loans.keep_mark(mark, book_id)

    async def lenders_of(self, book_id: UUID) -> list[object]:
        rows = await self._shelf.rows(
            "SELECT user_id FROM loans WHERE book_id = :id ORDER BY borrowed_at", id=book_id
        )
        return [row[0] for row in rows]


Room = SqlReadingRoom | InMemoryRecommendations


@pytest.fixture(params=["memory", "postgres"])
async def room(request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    if request.param == "memory":
        yield InMemoryRecommendations()
        return
    async with opened_shelf(request.getfixturevalue("database_url")) as shelf:
        yield SqlReadingRoom(shelf)


TASTES = Tastes(
    genres={"Fantasy": 1.0, "horror": -0.25},
    authors={"Ursula K. Le Guin": 0.5},
    languages={"en": 1.0},
)


async def test_preferences_come_back_as_they_were_put(room: Room) -> None:
    reader = await room.add_reader()
    await put(room, reader, TASTES)
    assert await said_by(room, reader) == TASTES


async def test_who_said_nothing_has_no_preferences(room: Room) -> None:
    async with room.begin() as work:
        assert await work.preferences.of((await room.add_reader()).id) is None


async def test_preferences_replace_those_before_and_nobody_elses(room: Room) -> None:
    reader, other = await room.add_reader(), await room.add_reader()
    await put(room, reader, TASTES)
    await put(room, other, TASTES)
    await put(room, reader, Tastes(tags={"sea": 1.0}))
    assert await said_by(room, reader) == Tastes(tags={"sea": 1.0})
    assert await said_by(room, other) == TASTES


async def test_of_many_preferences_put_at_once_one_stands_whole(room: Room) -> None:
    reader = await room.add_reader()
    stated = [Tastes(genres={f"g{n}": 1.0}, tags={f"t{n}": 1.0}) for n in range(8)]
    await asyncio.gather(*(put(room, reader, tastes) for tastes in stated))
    assert await said_by(room, reader) in stated


async def test_a_showing_is_found_by_its_reader_only(room: Room) -> None:
    reader, other, book = await room.add_reader(), await room.add_reader(), await room.add_book()
    showing = await show(room, reader, book)
    async with room.begin() as work:
        found = await work.showings.find(showing.id, reader.id)
        assert found
        assert (found.book_ids, found.model, found.shown_at) == ([book], "overlap", NOW)
        assert found.propensity_of(book) == 0.95
        assert await work.showings.find(showing.id, other.id) is None
        assert await work.showings.find(new_id(), reader.id) is None


async def test_all_a_reader_did_is_told(room: Room) -> None:
    reader, book = await room.add_reader(), await room.add_book()
    other = await room.add_book()
    await room.borrow(reader, book, NOW, renewed=True)
    await room.rate(reader, book, 4, later(1))
    showing = await show(room, reader, other)
    for number, action in enumerate(("click", "like", "dismiss"), start=2):
        await tell(room, showing, other, action, later(number))
    expected = {
        Deed(DeedKind.BORROWED, book, NOW),
        Deed(DeedKind.RENEWED, book, NOW),
        Deed(DeedKind.RATED, book, later(1), 4),
        Deed(DeedKind.CLICKED, other, later(2)),
        Deed(DeedKind.LIKED, other, later(3)),
        Deed(DeedKind.DISMISSED, other, later(4)),
    }
    deeds = await deeds_of(room, reader)
    assert (set(deeds), len(deeds)) == (expected, len(expected))


async def test_nobody_answers_for_the_deeds_of_others(room: Room) -> None:
    reader, other, book = await room.add_reader(), await room.add_reader(), await room.add_book()
    await room.borrow(other, book, NOW)
    await room.rate(other, book, 5, NOW)
    await tell(room, await show(room, other, book), book, "dismiss", NOW)
    assert await deeds_of(room, reader) == []


async def test_each_loan_is_told_and_of_the_same_feedback_the_last(room: Room) -> None:
    reader, book = await room.add_reader(), await room.add_book()
    for hour in range(3):
        await room.borrow(reader, book, later(hour))
        await tell(room, await show(room, reader, book), book, "click", later(hour))
    deeds = await deeds_of(room, reader)
    assert [deed.at for deed in deeds if deed.kind == DeedKind.CLICKED] == [later(2)]
    borrowed = {deed.at for deed in deeds if deed.kind == DeedKind.BORROWED}
    assert borrowed == {later(0), later(1), later(2)}


async def test_feedback_on_what_is_gone_is_refused(room: Room) -> None:
    reader, book = await room.add_reader(), await room.add_book()
    showing = await show(room, reader, book)
    unknown = replace(showing, id=new_id())
    with pytest.raises(ShowingNotFound):
        await tell(room, unknown, book, "like", NOW)
    await room.remove_book(book)
    with pytest.raises(BookNotFound):
        await tell(room, showing, book, "like", NOW)


async def test_nothing_is_kept_for_who_is_gone(room: Room) -> None:
    reader, book = await room.add_reader(), await room.add_book()
    await room.erase_reader(reader)
    with pytest.raises(NotAuthenticated):
        await put(room, reader, TASTES)
    with pytest.raises(NotAuthenticated):
        await show(room, reader, book)


async def test_nothing_is_left_of_who_goes(room: Room) -> None:
    reader, book = await room.add_reader(), await room.add_book()
    await put(room, reader, TASTES)
    await room.borrow(reader, book, NOW)
    showing = await show(room, reader, book)
    await tell(room, showing, book, "dismiss", NOW)
    await view(room, reader, book, NOW)
    await room.erase_reader(reader)
    async with room.begin() as work:
        assert await work.preferences.of(reader.id) is None
        assert await work.showings.find(showing.id, reader.id) is None
        assert await work.reading.deeds_of(reader.id, MANY) == []
        assert await work.reading.past_of(reader.id) == Past()


async def test_items_say_what_a_book_says_of_itself(room: Room) -> None:
    book = await room.add_book("Dune", "Frank Herbert", genres=["SF"], tags=["sand"])
    await room.summarise(book, "A desert planet.")
    bare = await room.add_book("Emma", "Jane Austen")
    expected = [
        Item(book, "Dune", "Frank Herbert", ("SF",), ("sand",), text="A desert planet."),
        Item(bare, "Emma", "Jane Austen"),
    ]
    # Ids of the same millisecond are in no order.
    assert await items(room) == sorted(expected, key=lambda item: item.id)


async def test_a_reader_counts_once_for_a_book(room: Room) -> None:
    book, unread = await room.add_book(), await room.add_book()
    reader, other = await room.add_reader(), await room.add_reader()
    for hour in range(3):
        await room.borrow(reader, book, later(hour))
    await room.borrow(other, book, NOW)
    assert {item.id: item.popularity for item in await items(room)} == {book: 2, unread: 0}


async def test_the_loan_of_somebody_who_is_gone_still_counts(room: Room) -> None:
    book, reader = await room.add_book(), await room.add_reader()
    await room.borrow(reader, book, NOW)
    await room.erase_reader(reader)
    assert [item.popularity for item in await items(room)] == [1]


async def test_the_revision_stays_while_nothing_happens(room: Room) -> None:
    await room.add_book()
    first = await revision(room)
    await put(room, await room.add_reader(), TASTES)
    assert await revision(room) == first
    assert all(0 < len(part) <= 20 for part in (first.library, first.memory))


async def test_the_revision_changes_with_whatever_items_would_say(room: Room) -> None:
    seen = [await revision(room)]

    async def note() -> None:
        seen.append(await revision(room))

    first, second = await room.add_book(), await room.add_book()
    await note()
    await room.retitle(first, "Sense")
    await note()
    await room.retitle(second, "Sensibility")
    await note()
    await room.summarise(first, "Two sisters.")
    await note()
    await room.summarise(first, "Two sisters and a mother.")
    await note()
    await room.borrow(await room.add_reader(), first, NOW)
    await note()
    await room.remove_book(second)
    await note()
    assert len(set(seen)) == len(seen)


async def test_the_revision_changes_when_somebody_is_erased_and_of_them_only_the_memory(
    room: Room,
) -> None:
    borrower, looker, book = (
        await room.add_reader(),
        await room.add_reader(),
        await room.add_book(),
    )
    await room.borrow(borrower, book, NOW)
    await tell(room, await show(room, looker, book), book, "like", NOW)
    seen = [await revision(room)]
    for reader in (borrower, looker):
        await room.erase_reader(reader)
        seen.append(await revision(room))
    assert len({each.memory for each in seen}) == 3
    assert len({each.library for each in seen}) == 1


async def test_marks_that_are_kept_are_told_from_those_that_are_not(room: Room) -> None:
    book, (kept, other) = await room.add_book(), (bytes([n]) * 32 for n in (1, 2))
    await room.keep_mark(kept, book)
    async with room.begin() as work:
        assert set(await work.reading.marked([kept, other])) == {kept}
        assert set(await work.reading.marked([])) == set()


async def test_the_same_feedback_twice_is_one_at_its_latest_time(room: Room) -> None:
    reader, book = await room.add_reader(), await room.add_book()
    showing = await show(room, reader, book)
    for hour, action in enumerate(("like", "dismiss", "like")):
        await tell(room, showing, book, action, later(hour))
    assert {(deed.kind, deed.at) for deed in await deeds_of(room, reader)} == {
        (DeedKind.LIKED, later(2)),
        (DeedKind.DISMISSED, later(1)),
    }


async def test_how_a_loan_ended_is_told_with_it(room: Room) -> None:
    reader, quick, long = await room.add_reader(), await room.add_book(), await room.add_book()
    await room.borrow(reader, quick, NOW, kept=timedelta(hours=1))
    await room.borrow(reader, long, NOW, kept=timedelta(days=9))
    told = {(deed.kind, deed.book_id) for deed in await deeds_of(room, reader)}
    assert told >= {(DeedKind.RETURNED_EARLY, quick), (DeedKind.FINISHED, long)}
    assert len(told) == 4


async def test_a_book_is_viewed_once_a_day(room: Room) -> None:
    reader, book = await room.add_reader(), await room.add_book()
    for hour in (0, 1, 2, 24):
        await view(room, reader, book, later(hour))
    assert await deeds_of(room, reader) == [Deed(DeedKind.VIEWED, book, later(24))]
    gone = []
    for _ in range(3):
        async with room.begin() as work:
            gone.append(await work.reading.forget_views(later(25), 1))
    assert gone == [1, 1, 0]
    assert await deeds_of(room, reader) == []
    await view(room, reader, book, later(26))
    async with room.begin() as work:
        assert await work.reading.forget_views(later(26), MANY) == 0


async def test_a_view_of_what_is_gone_or_by_who_is_gone_is_none(room: Room) -> None:
    reader, gone, book = await room.add_reader(), await room.add_reader(), await room.add_book()
    await view(room, reader, new_id(), NOW)
    await room.erase_reader(gone)
    await view(room, gone, book, NOW)
    assert await deeds_of(room, reader) == await deeds_of(room, gone) == []


async def test_the_latest_deeds_are_told_where_there_are_too_many(room: Room) -> None:
    reader = await room.add_reader()
    books = [await room.add_book() for _ in range(4)]
    for hour, book in enumerate(books):
        await room.borrow(reader, book, later(hour))
        await view(room, reader, book, later(hour))
        await room.rate(reader, book, 5, later(hour))
    async with room.begin() as work:
        deeds = await work.reading.deeds_of(reader.id, 2)
    assert len(deeds) == 6
    assert {deed.book_id for deed in deeds} == set(books[2:])


async def test_the_past_is_all_that_was_had_or_dismissed(room: Room) -> None:
    reader, other = await room.add_reader(), await room.add_reader()
    had, open_, refused, liked = [await room.add_book() for _ in range(4)]
    for hour in range(2):
        await room.borrow(reader, had, later(hour))
    await room.borrow(reader, open_, NOW, kept=None)
    await room.borrow(other, liked, NOW)
    showing = await show(room, reader, refused, liked)
    await tell(room, showing, refused, "dismiss", NOW)
    await tell(room, showing, liked, "like", NOW)
    async with room.begin() as work:
        past = await work.reading.past_of(reader.id)
    assert past == Past(frozenset([had, open_]), frozenset([refused]))


async def test_forgotten_history_is_gone_and_open_loans_stay(room: Room) -> None:
    reader, other = await room.add_reader(), await room.add_reader()
    over, open_ = await room.add_book(), await room.add_book()
    await put(room, reader, TASTES)
    for each in (reader, other):
        await room.borrow(each, over, NOW)
        await room.rate(each, over, 5, NOW)
        await view(room, each, over, NOW)
        await tell(room, await show(room, each, over), over, "dismiss", NOW)
    await room.borrow(reader, open_, NOW, kept=None)
    showing = await show(room, reader, over)
    before = await revision(room)
    async with room.begin() as work:
        await work.reading.forget_history(reader.id, later(1))
    assert await deeds_of(room, reader) == []
    assert set(await room.lenders_of(over)) == {None, other.id}
    async with room.begin() as work:
        assert await work.reading.past_of(reader.id) == Past(frozenset([open_]))
        assert await work.showings.find(showing.id, reader.id) is None
    assert await said_by(room, reader) == TASTES
    assert len(await deeds_of(room, other)) == 4
    after = await revision(room)
    assert (after.memory != before.memory, after.library) == (True, before.library)
    await view(room, reader, over, later(2))
    assert [deed.kind for deed in await deeds_of(room, reader)] == [DeedKind.VIEWED]


async def test_history_is_forgotten_again_and_for_nobody_who_is_gone(room: Room) -> None:
    reader, book = await room.add_reader(), await room.add_book()
    for hour in (1, 3):
        await view(room, reader, book, later(hour - 1))
        async with room.begin() as work:
            await work.reading.forget_history(reader.id, later(hour))
        assert await deeds_of(room, reader) == []
    await room.erase_reader(reader)
    with pytest.raises(NotAuthenticated):
        async with room.begin() as work:
            await work.reading.forget_history(reader.id, NOW)


async def test_showings_without_feedback_are_swept_when_they_are_old(room: Room) -> None:
    reader, book = await room.add_reader(), await room.add_book()
    old = [await show(room, reader, book, at=NOW) for _ in range(3)]
    told, young = (
        await show(room, reader, book, at=NOW),
        await show(room, reader, book, at=later(5)),
    )
    await tell(room, told, book, "click", NOW)
    swept = []
    for _ in range(3):
        async with room.begin() as work:
            swept.append(await work.showings.sweep(later(1), 2))
    assert swept == [2, 1, 0]
    async with room.begin() as work:
        left = [s.id for s in (*old, told, young) if await work.showings.find(s.id, reader.id)]
    assert left == [told.id, young.id]


async def test_books_and_readers_are_read_page_by_page(room: Room) -> None:
    books = sorted([await room.add_book() for _ in range(5)])
    readers = sorted([(await room.add_reader()).id for _ in range(5)])
    async with room.begin() as work:
        pages = [
            await work.reading.items(after, 2) for after in (None, books[1], books[3], books[4])
        ]
        assert [[item.id for item in page] for page in pages] == [
            books[:2],
            books[2:4],
            books[4:],
            [],
        ]
        assert list(await work.reading.readers(None, 2)) == readers[:2]
        assert list(await work.reading.readers(readers[1], 9)) == readers[2:]


async def test_counting_stops_where_it_is_told_to(room: Room) -> None:
    reader = await room.add_reader()
    for _ in range(3):
        await room.borrow(reader, await room.add_book(), NOW)
    async with room.begin() as work:
        assert await work.reading.extent(2) == Extent(2, 2, 1)
        assert await work.reading.extent(MANY) == Extent(3, 3, 1)


async def test_copies_that_are_out_are_not_free(room: Room) -> None:
    reader = await room.add_reader()
    there, out, back = [await room.add_book() for _ in range(3)]
    await room.borrow(reader, out, NOW, kept=None)
    await room.borrow(reader, back, NOW)
    async with room.begin() as work:
        free = await work.reading.free_copies([there, out, back, new_id()])
    assert free == {there: 1, out: 0, back: 1}


async def test_the_most_borrowed_books_come_first_then_the_newest(room: Room) -> None:
    reader = await room.add_reader()
    old, new, liked, loved = [await room.add_book(added_at=later(hour)) for hour in range(4)]
    for hour, book in enumerate((loved, loved, liked)):
        await room.borrow(reader, book, later(hour))
    async with room.begin() as work:
        assert [item.id for item in await work.reading.popular(9)] == [loved, liked, new, old]
        assert [item.id for item in await work.reading.popular(3)] == [loved, liked, new]
        assert [item.popularity for item in await work.reading.popular(3)] == [2, 1, 0]


async def test_arrivals_are_the_newest_books_since_a_moment(room: Room) -> None:
    _, second, third = [await room.add_book(added_at=later(hour)) for hour in range(3)]
    async with room.begin() as work:
        assert [item.id for item in await work.reading.arrived(later(1), 9)] == [third, second]
        assert [item.id for item in await work.reading.arrived(NOW, 1)] == [third]


async def test_books_asked_for_by_name_are_described(room: Room) -> None:
    book = await room.add_book("Dune", "Frank Herbert", genres=["SF"], language="en")
    await room.summarise(book, "A desert planet.")
    async with room.begin() as work:
        found = await work.reading.items_among([book, new_id()])
        assert found == {book: Item(book, "Dune", "Frank Herbert", ("SF",), language="en")}
        assert await work.reading.items_among([]) == {}


async def test_a_model_serves_from_its_publication_on(room: Room) -> None:
    waiting = await announce(room, NOW)
    first, second = [await announce(room, NOW, published=later(hour)) for hour in (1, 2)]
    await announce(room, NOW, name="another", published=later(3))
    async with room.begin() as work:
        newest = await work.models.published("overlap", 5)
        assert [model.id for model in newest] == [second, first]
        assert (newest[0].size, newest[0].sha256, newest[0].seconds) == (5, "abc", 1.5)
        found = await work.models.find(waiting)
        assert found
        found.publish(later(4), size=1, sha256="x", books=1, seconds=1.0)
    async with room.begin() as work:
        assert [model.id for model in await work.models.published("overlap", 1)] == [waiting]
        assert await work.models.find(new_id()) is None


async def test_useless_models_are_those_long_superseded_or_never_finished(room: Room) -> None:
    abandoned = await announce(room, NOW, name="another")
    recent = await announce(room, later(20))
    hours = [await announce(room, NOW, published=later(hour)) for hour in range(1, 6)]
    foreign = await announce(room, NOW, name="another", published=later(1))
    async with room.begin() as work:
        useless = await work.models.useless(
            kept=[hours[0], hours[4]], superseded_before=later(3), announced_before=later(10)
        )
        assert {model.id for model in useless} == {abandoned, foreign, hours[1]}
        for model in useless:
            await work.models.remove(model.id)
    async with room.begin() as work:
        assert await work.models.find(abandoned) is None
        assert await work.models.find(recent)
        assert len(await work.models.published("overlap", 9)) == 4


async def test_the_latest_model_is_told_whatever_came_of_it(room: Room) -> None:
    await announce(room, NOW, published=later(5))
    await announce(room, later(9), name="another")
    failed = await announce(room, later(1))
    async with room.begin() as work:
        found = await work.models.find(failed)
        assert found
        assert (found.fitted, found.failed_at) == (False, None)
        found.fail(seconds=60)
    async with room.begin() as work:
        latest = await work.models.latest("overlap")
        assert latest
        assert (latest.id, latest.failed_at) == (failed, later(1) + timedelta(minutes=1))
        assert await work.models.latest("nobody") is None
    done = await announce(room, later(2), published=later(3))
    async with room.begin() as work:
        latest = await work.models.latest("overlap")
    assert latest
    assert (latest.id, latest.fitted, latest.failed_at) == (done, True, None)


async def test_a_fit_is_asked_for_once_while_it_is_pending(room: Room) -> None:
    asked = []
    for _ in range(2):
        async with room.begin() as work:
            asked.append(await work.jobs.enqueue(FitRecommender()))
    assert asked[0] == asked[1]


async def announce(
    room: Room, at: datetime, *, name: str = "overlap", published: datetime | None = None
) -> UUID:
    model = StoredModel.announced(new_id(), name, "1", at)
    if published:
        model.publish(published, size=5, sha256="abc", books=3, seconds=1.5)
    async with room.begin() as work:
        await work.models.add(model)
    return model.id


async def view(room: Room, reader: User, book: UUID, at: datetime) -> None:
    async with room.begin() as work:
        await work.reading.note_view(reader.id, book, at)


def later(hours: int) -> datetime:
    return NOW + timedelta(hours=hours)


async def put(room: Room, reader: User, tastes: Tastes) -> None:
    async with room.begin() as work:
        await work.preferences.put(Preferences.stated(reader.id, tastes, NOW))


async def said_by(room: Room, reader: User) -> Tastes:
    async with room.begin() as work:
        preferences = await work.preferences.of(reader.id)
    assert preferences
    return preferences.tastes


async def show(room: Room, reader: User, *books: UUID, at: datetime = NOW) -> Showing:
    showing = Showing(
        id=new_id(),
        user_id=reader.id,
        model="overlap",
        model_version="1",
        book_ids=list(books),
        propensities=[0.95] * len(books),
        shown_at=at,
    )
    async with room.begin() as work:
        await work.showings.add(showing)
    return showing


async def tell(room: Room, showing: Showing, book: UUID, action: str, at: datetime) -> None:
    async with room.begin() as work:
        await work.showings.note(
            Feedback(
                id=new_id(),
                showing_id=showing.id,
                user_id=showing.user_id,
                book_id=book,
                action=action,
                at=at,
                propensity=0.95,
            )
        )


async def deeds_of(room: Room, reader: User) -> Sequence[Deed]:
    async with room.begin() as work:
        deeds = await work.reading.deeds_of(reader.id, MANY)
        together = await work.reading.deeds_of_all([reader.id])
    assert set(together.get(reader.id, ())) == set(deeds)
    return deeds


async def items(room: Room) -> Sequence[Item]:
    async with room.begin() as work:
        return await work.reading.items(None, MANY)


async def revision(room: Room) -> Revision:
    async with room.begin() as work:
        return await work.reading.revision()
