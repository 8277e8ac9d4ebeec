"""Preferences, what was shown, and the fitted models, in Postgres."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import and_, delete, exists, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.engine import Violations
from app.adapters.postgres.reading import SqlReadingRepository
from app.adapters.postgres.tables.recommendations import feedback, models, preferences, showings
from app.adapters.postgres.work import SqlWork
from app.domains.catalog.errors import BookNotFound
from app.domains.recommendations.errors import ShowingNotFound
from app.domains.recommendations.model import Feedback, Preferences, Showing, StoredModel
from app.domains.recommendations.ports import (
    ModelRepository,
    PreferencesRepository,
    RecommendationsWork,
    ShowingRepository,
)
from app.shared.errors import NotAuthenticated


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
        said = {column.name: getattr(noted, column.name) for column in feedback.c}
        row = upsert(feedback).values(said)
        # The last word of like and dismiss counts, so saying it again renews it.
        again = row.on_conflict_do_update(
            index_elements=["showing_id", "book_id", "action"], set_={"at": row.excluded.at}
        )
        await self._session.execute(again)

    @override
    async def sweep(self, before: datetime, limit: int) -> int:
        useful = exists().where(feedback.c.showing_id == showings.c.id)
        old = select(showings.c.id).where(showings.c.shown_at < before, ~useful).limit(limit)
        swept = delete(showings).where(showings.c.id.in_(old)).returning(showings.c.id)
        return len((await self._session.execute(swept)).all())


class SqlModelRepository(ModelRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def add(self, model: StoredModel) -> None:
        self._session.add(model)

    @override
    async def find(self, model_id: UUID) -> StoredModel | None:
        return await self._session.get(StoredModel, model_id)

    @override
    async def published(self, name: str, limit: int) -> Sequence[StoredModel]:
        out = (models.c.name == name) & models.c.published_at.is_not(None)
        newest = (
            select(StoredModel)
            .where(out)
            .order_by(models.c.published_at.desc(), models.c.id.desc())
        )
        return (await self._session.scalars(newest.limit(limit))).all()

    @override
    async def latest(self, name: str) -> StoredModel | None:
        last = select(StoredModel).where(models.c.name == name)
        ordered = last.order_by(models.c.announced_at.desc(), models.c.id.desc())
        return (await self._session.scalars(ordered.limit(1))).one_or_none()

    @override
    async def useless(
        self, *, kept: Collection[UUID], superseded_before: datetime, announced_before: datetime
    ) -> Sequence[StoredModel]:
        superseded = and_(models.c.published_at < superseded_before, models.c.id.not_in(kept))
        left_behind = and_(
            models.c.published_at.is_(None), models.c.announced_at < announced_before
        )
        wanted = select(StoredModel).where(or_(superseded, left_behind))
        return (await self._session.scalars(wanted)).all()

    @override
    async def remove(self, model_id: UUID) -> None:
        await self._session.execute(delete(models).where(models.c.id == model_id))


class SqlRecommendationsWork(SqlWork, RecommendationsWork):
    violations: ClassVar[Violations] = {
        "fk_preferences_user_id": NotAuthenticated,
        "fk_showings_user_id": NotAuthenticated,
        "fk_feedback_user_id": NotAuthenticated,
        "fk_forgotten_user_id": NotAuthenticated,
        "fk_feedback_showing_id": ShowingNotFound,
        "fk_feedback_book_id": BookNotFound,
    }

    @override
    def _open(self, session: AsyncSession) -> None:
        self.preferences = SqlPreferencesRepository(session)
        self.showings = SqlShowingRepository(session)
        self.reading = SqlReadingRepository(session)
        self.models = SqlModelRepository(session)
