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
    Deed,
    DeedKind,
    Feedback,
    FeedbackAction,
    Preferences,
    Showing,
    Tastes,
)
from app.domains.recommendations.ports import RecommendationsWork
from app.domains.recommendations.service.fresh_model import Fitted, FreshModel
from app.domains.recommendations.service.learning import books_liked, profile_of, tastes_learnt
from app.domains.recommendations.service.reasons import (
    FOR_A_BOOK,
    FOR_A_READER,
    Sentences,
    SpokenReason,
    spoken,
)
from app.ports.clock import Clock
from app.ports.recommender import Recommendation
from app.shared.ids import new_id

_HAD = (DeedKind.BORROWED, DeedKind.RENEWED)


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
    stated: Tastes
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
        stated, deeds = await self._known(reader)
        return StatedAndLearnt(stated, tastes_learnt(self._liked(deeds), fitted.items))

    async def prefer(self, reader: User, tastes: Tastes) -> StatedAndLearnt:
        """Replace what the reader said before."""
        async with self._begin() as work:
            await work.preferences.put(Preferences.stated(reader.id, tastes, self._clock.now()))
        return await self.preferences_of(reader)

    async def recommend(self, reader: User, limit: int) -> Recommended:
        """At most `limit` books the reader never had on loan and did not dismiss, each with
        at least one reason; popular ones only where nothing better is known."""
        fitted = await self._model.current()
        stated, deeds = await self._known(reader)
        had = {deed.book_id for deed in deeds if deed.kind in _HAD}
        profile = profile_of(stated, self._liked(deeds), had, fitted.items)
        exclude = had | _dismissed(deeds)
        found = await asyncio.to_thread(fitted.recommender.recommend, profile, exclude, limit)
        return await self._shown(reader, fitted, found, FOR_A_READER)

    async def similar(self, reader: User, book_id: UUID, limit: int) -> Recommended:
        """The books most like this one, without those the reader dismissed. Raises
        BookNotFound."""
        await self._shelving.find(book_id)
        fitted = await self._model.current()
        _, deeds = await self._known(reader)
        dismissed = _dismissed(deeds)
        nearest = await asyncio.to_thread(
            fitted.recommender.similar, book_id, limit + len(dismissed)
        )
        found = [one for one in nearest if one.item_id not in dismissed][:limit]
        return await self._shown(reader, fitted, found, FOR_A_BOOK)

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

    async def _known(self, reader: User) -> tuple[Tastes, Sequence[Deed]]:
        async with self._begin() as work:
            stated = await work.preferences.of(reader.id)
            deeds = await work.reading.deeds_of(reader.id)
        return (stated.tastes if stated else Tastes()), deeds

    def _liked(self, deeds: Sequence[Deed]) -> dict[UUID, float]:
        return books_liked(deeds, self._clock.now()) if self._learns else {}

    async def _shown(
        self, reader: User, fitted: Fitted, found: Sequence[Recommendation], sentences: Sentences
    ) -> Recommended:
        named = {reason.item_id for one in found for reason in one.reasons if reason.item_id}
        views = await self._shelving.views({one.item_id for one in found} | named)
        # A book that was withdrawn since the model was fitted is not shown.
        there = [one for one in found if one.item_id in views]
        items = [_in_words(one, fitted, sentences, views) for one in there]
        showing = Showing(
            id=new_id(),
            user_id=reader.id,
            model=fitted.recommender.name,
            model_version=fitted.version,
            book_ids=[one.item_id for one in there],
            shown_at=self._clock.now(),
        )
        async with self._begin() as work:
            await work.showings.add(showing)
        return Recommended(
            showing.id, items, showing.model, showing.model_version, fitted.trained_at
        )


def _dismissed(deeds: Sequence[Deed]) -> set[UUID]:
    return {deed.book_id for deed in deeds if deed.kind == DeedKind.DISMISSED}


def _in_words(
    one: Recommendation, fitted: Fitted, sentences: Sentences, views: Mapping[UUID, BookView]
) -> RecommendedBook:
    borrowed = fitted.items[one.item_id].popularity > 0
    reasons = [spoken(reason, sentences, views, borrowed=borrowed) for reason in one.reasons]
    return RecommendedBook(views[one.item_id], one.score, reasons)
