"""What every store of preferences, showings and deeds promises."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from app.adapters.postgres.recommendations import SqlRecommendationsWork
from app.domains.accounts.model import User
from app.domains.catalog.errors import BookNotFound
from app.domains.recommendations.errors import ShowingNotFound
from app.domains.recommendations.model import Deed, DeedKind, Feedback, Preferences, Showing, Tastes
from app.domains.recommendations.ports import RecommendationsWork
from app.ports.recommender import Item
from app.shared.errors import NotAuthenticated
from app.shared.ids import new_id
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.fakes.clock import FrozenClock
from tests.fakes.recommendations import InMemoryRecommendations

NOW = FrozenClock().now()


class SqlReadingRoom:
    """The deeds of the other rooms as rows, which is how this one sees them."""

    def __init__(self, shelf: SqlShelf) -> None:
        self._shelf = shelf
        self.add_reader = shelf.add_reader
        self.erase_reader = shelf.erase_reader
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
    ) -> UUID:
        book_id = await self._shelf.add_book()
        await self._shelf.rows(
            "UPDATE books SET title = :title, author = :author, genres = :genres, tags = :tags "
            "WHERE id = :id RETURNING id",
            id=book_id,
            title=title,
            author=author,
            genres=list(genres),
            tags=list(tags),
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
        self, reader: User, book_id: UUID, at: datetime, *, renewed: bool = False
    ) -> None:
        """A loan that is given back at once."""
        await self._shelf.rows(
            "INSERT INTO loans (id, book_id, user_id, copy_number, borrowed_at, due_at,"
            " returned_at, renewals) VALUES (:id, :book, :user, 1, :at, :at, :at, :renewals)"
            " RETURNING id",
            id=new_id(),
            book=book_id,
            user=reader.id,
            at=at,
            renewals=int(renewed),
        )

    async def rate(self, reader: User, book_id: UUID, stars: int, at: datetime) -> None:
        await self._shelf.rows(
            "INSERT INTO reviews (id, book_id, user_id, rating, text, created_at, updated_at,"
            " revision, read_revision, read_degraded)"
            " VALUES (:id, :book, :user, :stars, 'So it was.', :at, :at, 1, 0, false) RETURNING id",
            id=new_id(),
            book=book_id,
            user=reader.id,
            stars=stars,
            at=at,
        )


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
    await room.erase_reader(reader)
    async with room.begin() as work:
        assert await work.preferences.of(reader.id) is None
        assert await work.showings.find(showing.id, reader.id) is None
        assert await work.reading.deeds_of(reader.id) == []


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
    assert 0 < len(first) <= 40


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


async def show(room: Room, reader: User, *books: UUID) -> Showing:
    showing = Showing(
        id=new_id(),
        user_id=reader.id,
        model="overlap",
        model_version="1",
        book_ids=list(books),
        shown_at=NOW,
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
            )
        )


async def deeds_of(room: Room, reader: User) -> Sequence[Deed]:
    async with room.begin() as work:
        return await work.reading.deeds_of(reader.id)


async def items(room: Room) -> Sequence[Item]:
    async with room.begin() as work:
        return await work.reading.items()


async def revision(room: Room) -> str:
    async with room.begin() as work:
        return await work.reading.revision()
