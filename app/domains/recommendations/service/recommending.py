"""The next book for a reader, with the reasons, and what the reader thinks of the choice."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domains.accounts.model import User
from app.domains.catalog.model import BookView
from app.domains.catalog.service import ShelvingService
from app.domains.recommendations.errors import BookNotShown, ShowingNotFound
from app.domains.recommendations.model import (
    DeedKind,
    Feedback,
    FeedbackAction,
    Preferences,
    Showing,
    Tastes,
)
from app.domains.recommendations.ports import RecommendationsWork
from app.domains.recommendations.service.fresh_model import Fitted, FreshModel
from app.domains.recommendations.service.learning import books_liked, tastes_learnt
from app.ports.clock import Clock
from app.ports.recommender import Profile, Reason, Recommendation
from app.shared.ids import new_id

_SENTENCES: Mapping[str, str] = {
    "because_you_borrowed": "Because you borrowed “{}”",
    "like_this": "Like “{}”",
    "you_like_genre": "You like {}",
    "you_like_author": "You like {}",
    "readers_like_you": "Readers like you liked it",
    "popular": "Popular with readers of this library",
}
_BORROWED = (DeedKind.BORROWED, DeedKind.RENEWED)


@dataclass(frozen=True, slots=True)
class SpokenReason:
    kind: str
    book_id: UUID | None
    value: str | None
    text: str


@dataclass(frozen=True, slots=True)
class RecommendedBook:
    book: BookView
    score: float
    reasons: Sequence[SpokenReason]


@dataclass(frozen=True, slots=True)
class Recommended:
    """One answer: the books best first, by which model, and the id feedback refers to."""

    recommendation_id: UUID
    items: Sequence[RecommendedBook]
    model: str
    model_version: str
    trained_at: datetime


@dataclass(frozen=True, slots=True)
class StatedAndLearnt:
    stated: Preferences
    learnt: Tastes


class RecommendationsService:
    def __init__(
        self,
        *,
        begin: Callable[[], RecommendationsWork],
        shelving: ShelvingService,
        model: FreshModel,
        clock: Clock,
        learns_from_history: bool,
    ) -> None:
        self._begin = begin
        self._shelving = shelving
        self._model = model
        self._clock = clock
        self._learns = learns_from_history

    async def preferences_of(self, reader: User) -> StatedAndLearnt:
        """What the reader said they like, and what their deeds say."""
        fitted = await self._model.current()
        async with self._begin() as work:
            stated = await work.preferences.of(reader.id)
            liked = await self._liked(work, reader)
        learnt = tastes_learnt(liked, fitted.items)
        return StatedAndLearnt(stated or self._nothing_stated(reader), learnt)

    async def prefer(self, reader: User, preferences: Preferences) -> StatedAndLearnt:
        """Replace what the reader said before."""
        async with self._begin() as work:
            await work.preferences.put(preferences)
        return await self.preferences_of(reader)

    async def recommend(self, reader: User, limit: int) -> Recommended:
        """At most `limit` books the reader never had on loan and did not dismiss, each with
        at least one reason; popular ones only where nothing better is known."""
        fitted = await self._model.current()
        async with self._begin() as work:
            profile = await self._profile(work, reader)
            had = {d.book_id for d in await work.reading.deeds_of(reader.id) if d.kind in _BORROWED}
            exclude = had | await work.showings.dismissed_by(reader.id)
        found = await asyncio.to_thread(fitted.recommender.recommend, profile, exclude, limit)
        return await self._shown(reader, fitted, found, because="because_you_borrowed")

    async def similar(self, reader: User, book_id: UUID, limit: int) -> Recommended:
        """The books most like this one. Raises BookNotFound."""
        await self._shelving.find(book_id)
        fitted = await self._model.current()
        found = await asyncio.to_thread(fitted.recommender.similar, book_id, limit)
        return await self._shown(reader, fitted, found, because="like_this")

    async def take_feedback(
        self, reader: User, showing_id: UUID, *, book_id: UUID, action: FeedbackAction
    ) -> None:
        """Note what the reader did with a book they were shown. Raises ShowingNotFound,
        BookNotShown."""
        async with self._begin() as work:
            showing = await work.showings.find(showing_id, reader.id)
            if showing is None:
                raise ShowingNotFound
            if book_id not in showing.book_ids:
                raise BookNotShown
            await work.showings.note(
                Feedback(
                    id=new_id(),
                    showing_id=showing_id,
                    user_id=reader.id,
                    book_id=book_id,
                    action=action,
                    at=self._clock.now(),
                )
            )

    async def _profile(self, work: RecommendationsWork, reader: User) -> Profile:
        stated = await work.preferences.of(reader.id)
        tastes = stated.tastes if stated else Tastes()
        return Profile(
            items=await self._liked(work, reader),
            genres=_folded(tastes.genres),
            authors=_folded(tastes.authors),
            tags=_folded(tastes.tags),
            languages=_folded(tastes.languages),
        )

    async def _liked(self, work: RecommendationsWork, reader: User) -> dict[UUID, float]:
        if not self._learns:
            return {}
        return books_liked(await work.reading.deeds_of(reader.id), self._clock.now())

    async def _shown(
        self, reader: User, fitted: Fitted, found: list[Recommendation], *, because: str
    ) -> Recommended:
        named = [reason.item_id for one in found for reason in one.reasons if reason.item_id]
        views = await self._shelving.views([one.item_id for one in found] + named)
        # A book that was withdrawn since the model was fitted is not shown.
        items = [
            RecommendedBook(views[one.item_id], one.score, _spoken(one.reasons, views, because))
            for one in found
            if one.item_id in views
        ]
        showing = Showing(
            id=new_id(),
            user_id=reader.id,
            model=fitted.recommender.name,
            model_version=fitted.version,
            book_ids=[item.book.book.id for item in items],
            shown_at=self._clock.now(),
        )
        async with self._begin() as work:
            await work.showings.add(showing)
        return Recommended(
            showing.id, items, showing.model, showing.model_version, fitted.trained_at
        )

    def _nothing_stated(self, reader: User) -> Preferences:
        return Preferences(
            user_id=reader.id,
            genres=[],
            authors=[],
            tags=[],
            languages=[],
            updated_at=self._clock.now(),
        )


def _spoken(
    reasons: Sequence[Reason], views: Mapping[UUID, BookView], because: str
) -> list[SpokenReason]:
    return [
        SpokenReason(reason.kind, reason.item_id, reason.value, _sentence(reason, views, because))
        for reason in reasons
    ]


def _sentence(reason: Reason, views: Mapping[UUID, BookView], because: str) -> str:
    if reason.item_id is None:
        return _SENTENCES[reason.kind].format(reason.value)
    view = views.get(reason.item_id)
    return _SENTENCES[because].format(view.book.title if view else "a book of the library")


def _folded(tastes: Mapping[str, float]) -> dict[str, float]:
    return {name.lower(): weight for name, weight in tastes.items()}
