"""Preferences, what was shown, and what readers did, in Postgres."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.tables.catalog import books, summaries
from app.adapters.postgres.tables.lending import loans
from app.adapters.postgres.tables.recommendations import feedback, preferences, showings
from app.adapters.postgres.tables.reviews import rating_stats, reviews
from app.adapters.postgres.work import SqlWork
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
        await self._session.merge(stated)


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

    @override
    async def dismissed_by(self, user_id: UUID) -> set[UUID]:
        wanted = select(feedback.c.book_id).where(
            feedback.c.user_id == user_id, feedback.c.action == FeedbackAction.DISMISS
        )
        return set((await self._session.scalars(wanted)).all())


class SqlReadingRepository(ReadingRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def revision(self) -> str:
        shelves = select(func.count(), func.max(books.c.updated_at)).select_from(books)
        told = select(func.max(summaries.c.updated_at)).scalar_subquery()
        lent = select(func.count()).select_from(loans).scalar_subquery()
        row = (await self._session.execute(shelves.add_columns(told, lent))).one()
        # Popularity moves with every loan, but its order hardly: two digits are enough.
        return f"{row[0]}/{row[1]}/{row[2]}/{row[3]:.1e}"

    @override
    async def items(self) -> Sequence[Item]:
        return [_item(row) for row in await self._session.execute(_readable())]

    @override
    async def deeds_of(self, user_id: UUID) -> Sequence[Deed]:
        rows = await self._session.execute(_deeds(user_id))
        return [Deed(DeedKind(row.kind), row.book_id, row.at, row.value) for row in rows]


class SqlRecommendationsWork(SqlWork, RecommendationsWork):
    @override
    def _open(self, session: AsyncSession) -> None:
        self.preferences = SqlPreferencesRepository(session)
        self.showings = SqlShowingRepository(session)
        self.reading = SqlReadingRepository(session)


def _readable() -> Select[Any]:
    lent = select(loans.c.book_id, func.count().label("times")).group_by(loans.c.book_id).subquery()
    return (
        select(
            books.c.id,
            books.c.title,
            books.c.author,
            books.c.genres,
            books.c.tags,
            books.c.language,
            func.concat_ws(
                " ", books.c.description, summaries.c.presentation["summary"].astext
            ).label("words"),
            (func.coalesce(lent.c.times, 0) + func.coalesce(rating_stats.c.count, 0)).label(
                "popularity"
            ),
        )
        .outerjoin(summaries, summaries.c.book_id == books.c.id)
        .outerjoin(lent, lent.c.book_id == books.c.id)
        .outerjoin(rating_stats, rating_stats.c.book_id == books.c.id)
        .order_by(books.c.id)
    )


def _item(row: Any) -> Item:
    return Item(
        id=row.id,
        title=row.title,
        author=row.author,
        genres=tuple(row.genres),
        tags=tuple(row.tags),
        language=row.language,
        text=row.words or "",
        popularity=row.popularity,
    )


def _deeds(user_id: UUID) -> Any:
    nothing = literal(None, reviews.c.rating.type)
    borrowed = select(
        literal(DeedKind.BORROWED.value).label("kind"),
        loans.c.book_id,
        loans.c.borrowed_at.label("at"),
        nothing.label("value"),
    ).where(loans.c.user_id == user_id)
    renewed = select(
        literal(DeedKind.RENEWED.value), loans.c.book_id, loans.c.borrowed_at, nothing
    ).where(loans.c.user_id == user_id, loans.c.renewals > 0)
    rated = select(
        literal(DeedKind.RATED.value), reviews.c.book_id, reviews.c.updated_at, reviews.c.rating
    ).where(reviews.c.user_id == user_id)
    told = [
        select(literal(kind.value), feedback.c.book_id, feedback.c.at, nothing).where(
            feedback.c.user_id == user_id, feedback.c.action == action
        )
        for action, kind in _DEED_OF.items()
    ]
    return union_all(borrowed, renewed, rated, *told)
