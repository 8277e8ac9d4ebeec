"""The recommendations room without a database."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from typing_extensions import override

from app.domains.accounts.model import User
from app.domains.catalog.errors import BookNotFound
from app.domains.catalog.model import Book, BookView, Content, Ingestion, SummaryState
from app.domains.catalog.service import ShelvingService
from app.domains.recommendations.errors import ShowingNotFound
from app.domains.recommendations.model import (
    Deed,
    DeedKind,
    Feedback,
    Past,
    Preferences,
    Showing,
    StoredModel,
    deeds_of_loan,
)
from app.domains.recommendations.ports import (
    Extent,
    ModelRepository,
    PreferencesRepository,
    ReadingRepository,
    RecommendationsWork,
    Revision,
    ShowingRepository,
)
from app.ports.audit import AuditEvent
from app.ports.recommender import Item
from app.shared.errors import NotAuthenticated
from app.shared.ids import new_id
from tests.fakes.audit import ListedTrail
from tests.fakes.clock import FrozenClock
from tests.fakes.jobs import InMemoryJobBoard, InMemoryJobQueue
from tests.fakes.lending import a_reader

_DEED_OF = {"click": DeedKind.CLICKED, "like": DeedKind.LIKED, "dismiss": DeedKind.DISMISSED}
# Neither so soon that it says something, nor so late.
KEPT = timedelta(days=4)


@dataclass(frozen=True)
class Lent:
    """A loan of the lending room; `user_id` is None once the reader's name is off it."""

    user_id: UUID | None
    book_id: UUID
    borrowed_at: datetime
    returned_at: datetime | None
    renewals: int
    id: UUID = field(default_factory=new_id)

    @property
    def deeds(self) -> list[Deed]:
        return deeds_of_loan(
            self.book_id,
            borrowed_at=self.borrowed_at,
            returned_at=self.returned_at,
            renewals=self.renewals,
        )


@dataclass
class ReadingShelf:
    """What is kept, and what the other rooms would tell."""

    readers: set[UUID] = field(default_factory=set)
    books: dict[UUID, Item] = field(default_factory=dict)
    added_at: dict[UUID, datetime] = field(default_factory=dict)
    loans: list[Lent] = field(default_factory=list)
    ratings: list[tuple[UUID | None, Deed]] = field(default_factory=list)
    marks: set[bytes] = field(default_factory=set)
    erased: int = 0
    views: dict[tuple[UUID, UUID, date], datetime] = field(default_factory=dict)
    forgotten: dict[UUID, datetime] = field(default_factory=dict)
    preferences: dict[UUID, Preferences] = field(default_factory=dict)
    showings: dict[UUID, Showing] = field(default_factory=dict)
    feedback: list[Feedback] = field(default_factory=list)
    models: dict[UUID, StoredModel] = field(default_factory=dict)

    def free_copies(self, book_id: UUID) -> int:
        """There is one of each."""
        loans = [loan for loan in self.loans if loan.book_id == book_id]
        return 1 - sum(loan.returned_at is None for loan in loans)

    def copy(self) -> "ReadingShelf":
        copied: dict[str, Any] = {
            each.name: copy(getattr(self, each.name)) for each in fields(self)
        }
        for name in ("preferences", "models"):
            copied[name] = {key: replace(value) for key, value in copied[name].items()}
        return ReadingShelf(**copied)


class InMemoryRecommendations:
    """The shelf, and the turn of whoever works on it: one after the other. `board` shows the
    jobs that were written, `summed_up` how often the revision was asked for."""

    def __init__(self) -> None:
        self.shelf = ReadingShelf()
        self.events: list[AuditEvent] = []
        self.turn = asyncio.Lock()
        self.board = InMemoryJobBoard()
        self.summed_up = 0

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
        language: str | None = None,
        added_at: datetime | None = None,
    ) -> UUID:
        book_id = new_id()
        item = Item(book_id, title, author, tuple(genres), tuple(tags), language)
        self.shelf.books[book_id] = item
        self.shelf.added_at[book_id] = added_at or FrozenClock().now()
        return book_id

    async def retitle(self, book_id: UUID, title: str) -> None:
        self.shelf.books[book_id] = replace(self.shelf.books[book_id], title=title)

    async def summarise(self, book_id: UUID, summary: str) -> None:
        self.shelf.books[book_id] = replace(self.shelf.books[book_id], text=summary)

    async def remove_book(self, book_id: UUID) -> None:
        shelf = self.shelf
        del shelf.books[book_id]
        shelf.loans = [each for each in shelf.loans if each.book_id != book_id]
        shelf.ratings = [each for each in shelf.ratings if each[1].book_id != book_id]
        shelf.feedback = [each for each in shelf.feedback if each.book_id != book_id]
        shelf.views = {key: at for key, at in shelf.views.items() if key[1] != book_id}

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
        back = None if kept is None else at + kept
        self.shelf.loans.append(Lent(reader.id, book_id, at, back, int(renewed)))

    async def rate(self, reader: User, book_id: UUID, stars: int, at: datetime) -> None:
        self.shelf.ratings.append((reader.id, Deed(DeedKind.RATED, book_id, at, stars)))

    async def keep_mark(self, mark: bytes, book_id: UUID) -> None:
        self.shelf.marks.add(mark)

    async def lenders_of(self, book_id: UUID) -> list[UUID | None]:
        return [loan.user_id for loan in self.shelf.loans if loan.book_id == book_id]

    async def erase_reader(self, reader: User) -> None:
        shelf = self.shelf
        shelf.readers.discard(reader.id)
        shelf.erased += 1
        shelf.preferences.pop(reader.id, None)
        shelf.forgotten.pop(reader.id, None)
        shelf.showings = {i: s for i, s in shelf.showings.items() if s.user_id != reader.id}
        shelf.feedback = [each for each in shelf.feedback if each.user_id != reader.id]
        shelf.views = {key: at for key, at in shelf.views.items() if key[0] != reader.id}
        # A loan stays and counts as one reader, but nobody knows whose it was.
        shelf.loans = [_nameless(loan, reader.id) for loan in shelf.loans]
        shelf.ratings = [(None if u == reader.id else u, deed) for u, deed in shelf.ratings]


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
        self.reading = InMemoryReading(self._shelf, self._recommendations)
        self.models = InMemoryModels(self._shelf)
        self.jobs = self._queue = InMemoryJobQueue(self._recommendations.board)
        self._noted: list[AuditEvent] = []
        self.audit = ListedTrail(self._noted)
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
            self._queue.commit()
            self._recommendations.events += self._noted
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
        said = (feedback.showing_id, feedback.book_id, feedback.action)
        for place, each in enumerate(self._shelf.feedback):
            if (each.showing_id, each.book_id, each.action) == said:
                self._shelf.feedback[place] = replace(each, at=feedback.at)
                return
        self._shelf.feedback.append(feedback)

    @override
    async def sweep(self, before: datetime, limit: int) -> int:
        useful = {each.showing_id for each in self._shelf.feedback}
        old = [s.id for s in self._shelf.showings.values() if s.shown_at < before]
        swept = [showing_id for showing_id in old if showing_id not in useful][:limit]
        for showing_id in swept:
            del self._shelf.showings[showing_id]
        return len(swept)


class InMemoryReading(ReadingRepository):
    def __init__(self, shelf: ReadingShelf, recommendations: InMemoryRecommendations) -> None:
        self._shelf = shelf
        self._recommendations = recommendations

    @override
    async def extent(self, up_to: int) -> Extent:
        shelf = self._shelf
        return Extent(
            *(min(len(each), up_to) for each in (shelf.books, shelf.loans, shelf.readers))
        )

    @override
    async def revision(self) -> Revision:
        self._recommendations.summed_up += 1
        shelf, loans = self._shelf, str(len(self._shelf.loans))
        forgotten = (*shelf.forgotten.items(), shelf.erased)
        library = f"{hash(tuple(shelf.books.items())) & 0xFFFFFFFF:x}/{loans[:2]}e{len(loans)}"
        return Revision(library, f"{hash(forgotten) & 0xFFFFFFFF:x}")

    @override
    async def items(self, after: UUID | None, limit: int) -> Sequence[Item]:
        behind = sorted(book for book in self._shelf.books if after is None or book > after)
        return [
            replace(self._shelf.books[book], popularity=self._readers_of(book))
            for book in behind[:limit]
        ]

    @override
    async def items_among(self, book_ids: Collection[UUID]) -> Mapping[UUID, Item]:
        books = self._shelf.books
        return {book: replace(books[book], text="") for book in book_ids if book in books}

    @override
    async def free_copies(self, book_ids: Collection[UUID]) -> Mapping[UUID, int]:
        shelf = self._shelf
        return {book: shelf.free_copies(book) for book in book_ids if book in shelf.books}

    @override
    async def popular(self, limit: int) -> Sequence[Item]:
        often = Counter(loan.book_id for loan in self._shelf.loans)
        most = sorted(often, key=lambda book: (-often[book], book))
        ranked = dict.fromkeys([*most, *self._newest()])
        return [replace(self._told(book), popularity=often[book]) for book in ranked][:limit]

    @override
    async def arrived(self, since: datetime, limit: int) -> Sequence[Item]:
        new = [book for book in self._newest() if self._shelf.added_at[book] >= since]
        return [self._told(book) for book in new[:limit]]

    @override
    async def readers(self, after: UUID | None, limit: int) -> Sequence[UUID]:
        return sorted(r for r in self._shelf.readers if after is None or r > after)[:limit]

    @override
    async def deeds_of(self, user_id: UUID, limit: int) -> Sequence[Deed]:
        shelf = self._shelf
        loans = sorted(
            (
                loan
                for loan in shelf.loans
                if self._is_told(user_id, loan.user_id, loan.borrowed_at)
            ),
            key=lambda loan: loan.borrowed_at,
        )
        others: defaultdict[str, dict[UUID, Deed]] = defaultdict(dict)
        for user, deed in self._told_deeds():
            if self._is_told(user_id, user, deed.at):
                others["rated" if deed.kind == DeedKind.RATED else deed.kind][deed.book_id] = deed
        latest = [sorted(kind.values(), key=lambda deed: deed.at) for kind in others.values()]
        return [
            *(deed for loan in loans[-limit:] for deed in loan.deeds),
            *(deed for deeds in latest for deed in deeds[-limit:]),
        ]

    @override
    async def deeds_of_all(self, user_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Deed]]:
        told = {user_id: await self.deeds_of(user_id, 10**9) for user_id in user_ids}
        return {user_id: deeds for user_id, deeds in told.items() if deeds}

    @override
    async def past_of(self, user_id: UUID) -> Past:
        had = {loan.book_id for loan in self._shelf.loans if loan.user_id == user_id}
        said = [each for each in self._shelf.feedback if each.user_id == user_id]
        dismissed = {each.book_id for each in said if each.action == "dismiss"}
        return Past(frozenset(had), frozenset(dismissed))

    @override
    async def marked(self, marks: Collection[bytes]) -> Collection[bytes]:
        return self._shelf.marks.intersection(marks)

    @override
    async def note_view(self, user_id: UUID, book_id: UUID, at: datetime) -> None:
        if user_id in self._shelf.readers and book_id in self._shelf.books:
            self._shelf.views.setdefault((user_id, book_id, at.date()), at)

    @override
    async def forget_views(self, before: datetime, limit: int) -> int:
        old = [key for key, at in self._shelf.views.items() if at < before][:limit]
        for key in old:
            del self._shelf.views[key]
        return len(old)

    @override
    async def forget_learnt(self, limit: int) -> int:
        shelf, views = self._shelf, list(self._shelf.views)[:limit]
        for key in views:
            del shelf.views[key]
        learnt = [each for each in shelf.feedback if each.action != "dismiss"][:limit]
        shelf.feedback = [each for each in shelf.feedback if each not in learnt]
        told = [each for each in shelf.showings.values() if each.propensities][:limit]
        for showing in told:
            showing.propensities = []
        return len(views) + len(learnt) + len(told)

    @override
    async def forget_history(self, user_id: UUID, at: datetime) -> None:
        shelf = self._shelf
        _require(shelf, user_id)
        shelf.views = {key: seen for key, seen in shelf.views.items() if key[0] != user_id}
        shelf.feedback = [each for each in shelf.feedback if each.user_id != user_id]
        shelf.showings = {i: s for i, s in shelf.showings.items() if s.user_id != user_id}
        shelf.loans = [
            _nameless(loan, user_id) if loan.returned_at else loan for loan in shelf.loans
        ]
        shelf.forgotten[user_id] = at

    def _told(self, book_id: UUID) -> Item:
        return replace(self._shelf.books[book_id], text="")

    def _newest(self) -> list[UUID]:
        return sorted(self._shelf.books, key=lambda b: (self._shelf.added_at[b], b), reverse=True)

    def _readers_of(self, book_id: UUID) -> int:
        loans = [loan for loan in self._shelf.loans if loan.book_id == book_id]
        return len({loan.user_id or loan.id for loan in loans})

    def _told_deeds(self) -> list[tuple[UUID | None, Deed]]:
        shelf = self._shelf
        said = sorted(shelf.feedback, key=lambda feedback: feedback.at)
        seen = sorted(shelf.views.items(), key=lambda view: view[1])
        return [
            *shelf.ratings,
            *((f.user_id, Deed(_DEED_OF[f.action], f.book_id, f.at)) for f in said),
            *((key[0], Deed(DeedKind.VIEWED, key[1], at)) for key, at in seen),
        ]

    def _is_told(self, user_id: UUID, whose: UUID | None, at: datetime) -> bool:
        since = self._shelf.forgotten.get(user_id)
        return whose == user_id and (since is None or at > since)


class InMemoryModels(ModelRepository):
    def __init__(self, shelf: ReadingShelf) -> None:
        self._models = shelf.models

    @override
    async def add(self, model: StoredModel) -> None:
        self._models[model.id] = model

    @override
    async def find(self, model_id: UUID) -> StoredModel | None:
        return self._models.get(model_id)

    @override
    async def published(self, name: str, limit: int) -> Sequence[StoredModel]:
        mine = [m for m in self._models.values() if m.published_at and m.name == name]
        return sorted(mine, key=lambda m: (str(m.published_at), m.id), reverse=True)[:limit]

    @override
    async def latest(self, name: str) -> StoredModel | None:
        mine = [model for model in self._models.values() if model.name == name]
        return max(mine, key=lambda model: (model.announced_at, model.id), default=None)

    @override
    async def useless(
        self, *, kept: Collection[UUID], superseded_before: datetime, announced_before: datetime
    ) -> Sequence[StoredModel]:
        behind = [model for model in self._models.values() if model.id not in kept]
        superseded = [m for m in behind if m.published_at and m.published_at < superseded_before]
        unpublished = [m for m in behind if m.published_at is None]
        return [*superseded, *(m for m in unpublished if m.announced_at < announced_before)]

    @override
    async def remove(self, model_id: UUID) -> None:
        self._models.pop(model_id, None)


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
        shelf = self._recommendations.shelf
        there = [book_id for book_id in book_ids if book_id in shelf.books]
        return {book: _view(shelf.books[book], shelf.free_copies(book)) for book in there}


def _require(shelf: ReadingShelf, user_id: UUID) -> None:
    if user_id not in shelf.readers:
        raise NotAuthenticated


def _nameless(loan: Lent, user_id: UUID) -> Lent:
    return replace(loan, user_id=None) if loan.user_id == user_id else loan


def _view(item: Item, available: int) -> BookView:
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
    return BookView(book, available, None, 0, SummaryState("ready", 1, 1))
