"""Preferences, what was shown, and what readers did, in Postgres."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    ScalarSelect,
    Select,
    Table,
    Text,
    cast,
    extract,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.engine import Violations
from app.adapters.postgres.tables.catalog import books, summaries
from app.adapters.postgres.tables.lending import loans
from app.adapters.postgres.tables.recommendations import feedback, preferences, showings
from app.adapters.postgres.tables.reviews import reviews
from app.adapters.postgres.work import SqlWork
from app.domains.catalog.errors import BookNotFound
from app.domains.catalog.model import UNKNOWN_AUTHOR
from app.domains.recommendations.errors import ShowingNotFound
from app.domains.recommendations.model import (
    Deed,
    DeedKind,
    Feedback,
    FeedbackAction,
    Preferences,
    Showing,
)
from app.domains.recommendations.ports import (
    PreferencesRepository,
    ReadingRepository,
    RecommendationsWork,
    ShowingRepository,
)
from app.ports.recommender import Item
from app.shared.errors import NotAuthenticated

_NOTHING = cast(null(), Integer)
_DEED_OF = {
    FeedbackAction.CLICK: DeedKind.CLICKED,
    FeedbackAction.LIKE: DeedKind.LIKED,
    FeedbackAction.DISMISS: DeedKind.DISMISSED,
}


class SqlPreferencesRepository(PreferencesRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def of(self, user_id: UUID) -> Preferences | None:
        wanted = select(Preferences).where(preferences.c.user_id == user_id)
        return (await self._session.scalars(wanted)).one_or_none()

    @override
    async def put(self, stated: Preferences) -> None:
        said = {column.name: getattr(stated, column.name) for column in preferences.c}
        row = upsert(preferences).values(said)
        # Two at once: the later one stands, and neither fails.
        await self._session.execute(
            row.on_conflict_do_update(index_elements=[preferences.c.user_id], set_=said)
        )


class SqlShowingRepository(ShowingRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def add(self, showing: Showing) -> None:
        self._session.add(showing)

    @override
    async def find(self, showing_id: UUID, user_id: UUID) -> Showing | None:
        mine = (showings.c.id == showing_id) & (showings.c.user_id == user_id)
        return (await self._session.scalars(select(Showing).where(mine))).one_or_none()

    @override
    async def note(self, noted: Feedback) -> None:
        self._session.add(noted)


class SqlReadingRepository(ReadingRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def revision(self) -> str:
        state = func.concat_ws("/", _state_of(books), _state_of(summaries), _loans_roughly())
        fingerprint = select(func.left(func.md5(state), 12))
        return str((await self._session.execute(fingerprint)).scalar_one())

    @override
    async def items(self) -> Sequence[Item]:
        return [_item(row) for row in await self._session.execute(_readable())]

    @override
    async def deeds_of(self, user_id: UUID) -> Sequence[Deed]:
        rows = await self._session.execute(_deeds(user_id))
        return [Deed(DeedKind(row.kind), row.book_id, row.at, row.value) for row in rows]


class SqlRecommendationsWork(SqlWork, RecommendationsWork):
    violations: ClassVar[Violations] = {
        "fk_preferences_user_id": NotAuthenticated,
        "fk_showings_user_id": NotAuthenticated,
        "fk_feedback_user_id": NotAuthenticated,
        "fk_feedback_showing_id": ShowingNotFound,
        "fk_feedback_book_id": BookNotFound,
    }

    @override
    def _open(self, session: AsyncSession) -> None:
        self.preferences = SqlPreferencesRepository(session)
        self.showings = SqlShowingRepository(session)
        self.reading = SqlReadingRepository(session)


def _state_of(table: Table) -> ScalarSelect[str]:
    """How many rows, and a sum that grows with every change, in whatever order the changes
    become visible: the latest time would miss what commits late."""
    moments = func.sum(extract("epoch", table.c.updated_at))
    return select(func.concat_ws(",", func.count(), moments)).scalar_subquery()


def _loans_roughly() -> ScalarSelect[str]:
    """Popularity moves with every loan, but its order hardly: two digits are enough."""
    number = cast(func.count(), Text)
    rounded = func.concat_ws("e", func.left(number, 2), func.length(number))
    return select(rounded).select_from(loans).scalar_subquery()


def _readable() -> Select[Any]:
    # Whoever borrows a book twice is still one reader, also when they are gone.
    readers = func.count(func.coalesce(loans.c.user_id, loans.c.id).distinct()).label("readers")
    lent = select(loans.c.book_id, readers).group_by(loans.c.book_id).subquery()
    told = summaries.c.presentation["summary"].astext
    return (
        select(
            books.c.id,
            books.c.title,
            books.c.author,
            books.c.genres,
            books.c.tags,
            books.c.language,
            func.concat_ws(" ", books.c.description, told).label("words"),
            func.coalesce(lent.c.readers, 0).label("readers"),
        )
        .outerjoin(summaries, summaries.c.book_id == books.c.id)
        .outerjoin(lent, lent.c.book_id == books.c.id)
        .order_by(books.c.id)
    )


def _item(row: Any) -> Item:
    return Item(
        id=row.id,
        title=row.title,
        # Books nobody knows the author of are not by the same author.
        author="" if row.author == UNKNOWN_AUTHOR else row.author,
        genres=tuple(row.genres),
        tags=tuple(row.tags),
        language=row.language,
        text=row.words,
        popularity=row.readers,
    )


def _deeds(user_id: UUID) -> CompoundSelect[Any]:
    borrowed = _deed(DeedKind.BORROWED, loans.c.book_id, loans.c.borrowed_at)
    renewed = _deed(DeedKind.RENEWED, loans.c.book_id, loans.c.borrowed_at)
    rated = _deed(DeedKind.RATED, reviews.c.book_id, reviews.c.updated_at, reviews.c.rating)
    return union_all(
        borrowed.where(loans.c.user_id == user_id),
        renewed.where(loans.c.user_id == user_id, loans.c.renewals > 0),
        rated.where(reviews.c.user_id == user_id),
        *(_told(user_id, action, kind) for action, kind in _DEED_OF.items()),
    )


def _told(user_id: UUID, action: FeedbackAction, kind: DeedKind) -> Select[Any]:
    # Ten clicks on a book say what one does.
    last = _deed(kind, feedback.c.book_id, func.max(feedback.c.at)).group_by(feedback.c.book_id)
    return last.where(feedback.c.user_id == user_id, feedback.c.action == action)


def _deed(
    kind: DeedKind, book_id: Any, at: ColumnElement[Any], value: ColumnElement[Any] = _NOTHING
) -> Select[Any]:
    return select(literal(kind.value).label("kind"), book_id, at.label("at"), value.label("value"))
