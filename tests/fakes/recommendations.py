"""The recommendations room without a database."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from typing_extensions import override

from app.domains.accounts.model import User
from app.domains.catalog.errors import BookNotFound
from app.domains.catalog.model import Book, BookView, Content, Ingestion, SummaryState
from app.domains.catalog.service import ShelvingService
from app.domains.recommendations.errors import ShowingNotFound
from app.domains.recommendations.model import Deed, DeedKind, Feedback, Preferences, Showing
from app.domains.recommendations.ports import (
    PreferencesRepository,
    ReadingRepository,
    RecommendationsWork,
    ShowingRepository,
)
from app.ports.recommender import Item
from app.shared.errors import NotAuthenticated
from app.shared.ids import new_id
from tests.fakes.clock import FrozenClock
from tests.fakes.lending import a_reader

_DEED_OF = {"click": DeedKind.CLICKED, "like": DeedKind.LIKED, "dismiss": DeedKind.DISMISSED}


@dataclass
class ReadingShelf:
    """What is kept, and what the other rooms would tell."""

    readers: set[UUID] = field(default_factory=set)
    books: dict[UUID, Item] = field(default_factory=dict)
    deeds: list[tuple[UUID, Deed]] = field(default_factory=list)
    preferences: dict[UUID, Preferences] = field(default_factory=dict)
    showings: dict[UUID, Showing] = field(default_factory=dict)
    feedback: list[Feedback] = field(default_factory=list)

    def copy(self) -> "ReadingShelf":
        return ReadingShelf(
            set(self.readers),
            dict(self.books),
            list(self.deeds),
            {each.user_id: replace(each) for each in self.preferences.values()},
            dict(self.showings),
            list(self.feedback),
        )

    def lent(self) -> list[tuple[UUID, UUID]]:
        return [(user, deed.book_id) for user, deed in self.deeds if deed.kind == "borrowed"]


class InMemoryRecommendations:
    """The shelf, and the turn of whoever works on it: one after the other."""

    def __init__(self) -> None:
        self.shelf = ReadingShelf()
        self.turn = asyncio.Lock()

    def begin(self) -> RecommendationsWork:
        return InMemoryRecommendationsWork(self)

    async def add_reader(self, name: str = "Ada") -> User:
        reader = a_reader(name)
        self.shelf.readers.add(reader.id)
        return reader

    async def add_book(
        self,
        title: str = "Emma",
        author: str = "Jane Austen",
        *,
        genres: Sequence[str] = (),
        tags: Sequence[str] = (),
    ) -> UUID:
        book_id = new_id()
        item = Item(book_id, title, author, tuple(genres), tuple(tags))
        self.shelf.books[book_id] = item
        return book_id

    async def retitle(self, book_id: UUID, title: str) -> None:
        self.shelf.books[book_id] = replace(self.shelf.books[book_id], title=title)

    async def summarise(self, book_id: UUID, summary: str) -> None:
        self.shelf.books[book_id] = replace(self.shelf.books[book_id], text=summary)

    async def remove_book(self, book_id: UUID) -> None:
        del self.shelf.books[book_id]
        self.shelf.deeds = [each for each in self.shelf.deeds if each[1].book_id != book_id]
        self.shelf.feedback = [each for each in self.shelf.feedback if each.book_id != book_id]

    async def borrow(
        self, reader: User, book_id: UUID, at: datetime, *, renewed: bool = False
    ) -> None:
        """A loan that is given back at once."""
        kinds = [DeedKind.BORROWED, DeedKind.RENEWED][: 1 + renewed]
        self.shelf.deeds += [(reader.id, Deed(kind, book_id, at)) for kind in kinds]

    async def rate(self, reader: User, book_id: UUID, stars: int, at: datetime) -> None:
        self.shelf.deeds.append((reader.id, Deed(DeedKind.RATED, book_id, at, stars)))

    async def erase_reader(self, reader: User) -> None:
        shelf = self.shelf
        shelf.readers.discard(reader.id)
        shelf.preferences.pop(reader.id, None)
        shelf.showings = {i: s for i, s in shelf.showings.items() if s.user_id != reader.id}
        shelf.feedback = [each for each in shelf.feedback if each.user_id != reader.id]
        # A loan stays and counts as one reader, but nobody knows whose it was.
        shelf.deeds = [
            (new_id() if user == reader.id else user, deed) for user, deed in shelf.deeds
        ]


class InMemoryRecommendationsWork(RecommendationsWork):
    """Works on a copy, which becomes the shelf at a clean end."""

    def __init__(self, recommendations: InMemoryRecommendations) -> None:
        self._recommendations = recommendations

    @override
    async def __aenter__(self) -> Self:
        await self._recommendations.turn.acquire()
        self._shelf = self._recommendations.shelf.copy()
        self.preferences = InMemoryPreferences(self._shelf)
        self.showings = InMemoryShowings(self._shelf)
        self.reading = InMemoryReading(self._shelf)
        return self

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._recommendations.shelf = self._shelf
        self._recommendations.turn.release()


class InMemoryPreferences(PreferencesRepository):
    def __init__(self, shelf: ReadingShelf) -> None:
        self._shelf = shelf

    @override
    async def of(self, user_id: UUID) -> Preferences | None:
        return self._shelf.preferences.get(user_id)

    @override
    async def put(self, preferences: Preferences) -> None:
        _require(self._shelf, preferences.user_id)
        self._shelf.preferences[preferences.user_id] = preferences


class InMemoryShowings(ShowingRepository):
    def __init__(self, shelf: ReadingShelf) -> None:
        self._shelf = shelf

    @override
    async def add(self, showing: Showing) -> None:
        _require(self._shelf, showing.user_id)
        self._shelf.showings[showing.id] = showing

    @override
    async def find(self, showing_id: UUID, user_id: UUID) -> Showing | None:
        showing = self._shelf.showings.get(showing_id)
        return showing if showing and showing.user_id == user_id else None

    @override
    async def note(self, feedback: Feedback) -> None:
        _require(self._shelf, feedback.user_id)
        if feedback.showing_id not in self._shelf.showings:
            raise ShowingNotFound
        if feedback.book_id not in self._shelf.books:
            raise BookNotFound
        self._shelf.feedback.append(feedback)


class InMemoryReading(ReadingRepository):
    def __init__(self, shelf: ReadingShelf) -> None:
        self._shelf = shelf

    @override
    async def revision(self) -> str:
        loans = str(len(self._shelf.lent()))
        return f"{hash(tuple(self._shelf.books.items())):x}/{loans[:2]}e{len(loans)}"

    @override
    async def items(self) -> Sequence[Item]:
        readers = {book_id: set[UUID]() for book_id in self._shelf.books}
        for user_id, book_id in self._shelf.lent():
            readers[book_id].add(user_id)
        return [
            replace(self._shelf.books[book_id], popularity=len(readers[book_id]))
            for book_id in sorted(readers)
        ]

    @override
    async def deeds_of(self, user_id: UUID) -> Sequence[Deed]:
        told: dict[tuple[str, UUID], Deed] = {}
        for each in sorted(self._shelf.feedback, key=lambda feedback: feedback.at):
            if each.user_id == user_id:
                kind = _DEED_OF[each.action]
                told[kind, each.book_id] = Deed(kind, each.book_id, each.at)
        return [*(deed for user, deed in self._shelf.deeds if user == user_id), *told.values()]


class InMemoryShelving(ShelvingService):
    """As much of the catalog as the room asks for: the books it shows."""

    def __init__(self, recommendations: InMemoryRecommendations) -> None:
        self._recommendations = recommendations

    @override
    async def find(self, book_id: UUID) -> BookView:
        if book_id not in self._recommendations.shelf.books:
            raise BookNotFound
        return (await self.views([book_id]))[book_id]

    @override
    async def views(self, book_ids: Collection[UUID]) -> Mapping[UUID, BookView]:
        books = self._recommendations.shelf.books
        return {book_id: _view(books[book_id]) for book_id in book_ids if book_id in books}


def _require(shelf: ReadingShelf, user_id: UUID) -> None:
    if user_id not in shelf.readers:
        raise NotAuthenticated


def _view(item: Item) -> BookView:
    now = FrozenClock().now()
    book = Book(
        id=item.id,
        title=item.title,
        author=item.author,
        genres=list(item.genres),
        year_published=None,
        isbn=None,
        language=item.language,
        tags=list(item.tags),
        description=None,
        copies=1,
        added_by=None,
        created_at=now,
        updated_at=now,
        version=1,
        content=Content(f"books/{item.id}", "text/plain", 1, str(item.id), "book.txt"),
        ingestion=Ingestion("ready", 1, 1),
    )
    return BookView(book, 1, None, 0, SummaryState("ready", 1, 1))
