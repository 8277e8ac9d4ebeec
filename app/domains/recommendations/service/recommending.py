"""The next book for a reader, with the reasons, and what the reader thinks of the choice."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from uuid import UUID

from app.domains.accounts.model import User
from app.domains.catalog.model import BookView
from app.domains.catalog.service import ShelvingService
from app.domains.lending.model import Marker
from app.domains.recommendations.errors import BookNotShown, ShowingNotFound
from app.domains.recommendations.model import (
    Deed,
    Feedback,
    FeedbackAction,
    Past,
    Preferences,
    Showing,
    Tastes,
)
from app.domains.recommendations.ports import RecommendationsWork
from app.domains.recommendations.service.arranging import Placed, arranged, with_arrivals
from app.domains.recommendations.service.arrivals import fitting_arrivals
from app.domains.recommendations.service.current_model import CurrentModel
from app.domains.recommendations.service.fresh_model import Fitted
from app.domains.recommendations.service.learning import (
    all_tastes,
    books_liked,
    profile_of,
    tastes_learnt,
)
from app.domains.recommendations.service.reasons import (
    FOR_A_BOOK,
    FOR_A_READER,
    Sentences,
    SpokenReason,
    spoken,
)
from app.ports.clock import Clock
from app.ports.recommender import Item, Recommendation
from app.shared.errors import LibraryError
from app.shared.ids import new_id

log = logging.getLogger(__name__)

# What a reader did before that says little of the next book, and would cost its time.
_LATEST_DEEDS = 1000
_LATEST_BOOKS = 200
_MOST_IN_RESERVE = 10
_VIEWS_LAST = timedelta(days=90)
_SHOWINGS_LAST = timedelta(days=30)
_UNLEARNT_SHOWINGS_LAST = timedelta(days=1)
_SWEPT_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Serving:
    """How an answer is put together: `diversity` 0..1 against books that are like each other,
    `explore` the probability of each place of the last third to be given to chance, and
    whether the library `learns` from what readers do."""

    diversity: float = 0.1
    explore: float = 0.05
    learns: bool = True


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


@dataclass(frozen=True, slots=True)
class _Known:
    """A reader at this moment: `liked` by book, the latest deed first, and what some of those
    books say of themselves."""

    stated: Tastes
    past: Past
    liked: Mapping[UUID, float]
    items: Mapping[UUID, Item]

    def having_had(self, books: frozenset[UUID]) -> "_Known":
        return replace(self, past=replace(self.past, had=self.past.had | books))


class RecommendationsService:
    def __init__(
        self,
        *,
        begin: Callable[[], RecommendationsWork],
        shelving: ShelvingService,
        model: CurrentModel,
        clock: Clock,
        marker: Marker,
        serving: Serving,
        chance: Random | None = None,
    ) -> None:
        self._begin = begin
        self._shelving = shelving
        self._model = model
        self._clock = clock
        self._marker = marker
        self._serving = serving
        self._chance = chance or Random()

    async def preferences_of(self, reader: User) -> StatedAndLearnt:
        """What the reader said they like, and what their deeds say."""
        known = await self._known(reader, described=True)
        return StatedAndLearnt(known.stated, tastes_learnt(known.liked, known.items))

    async def prefer(self, reader: User, tastes: Tastes) -> StatedAndLearnt:
        """Replace what the reader said before."""
        async with self._begin() as work:
            await work.preferences.put(Preferences.stated(reader.id, tastes, self._clock.now()))
        return await self.preferences_of(reader)

    async def recommend(self, reader: User, limit: int) -> Recommended:
        """At most `limit` books the reader never had on loan and did not dismiss, each with
        at least one reason; popular ones only where nothing better is known."""
        fitted = await self._model.current()
        known = await self._known(reader, described=bool(self._model.arrivals))
        wanted = asked = limit + min(limit, _MOST_IN_RESERVE)
        while True:
            found = await self._found(fitted, known, asked, limit)
            async with self._begin() as work:
                had = await self._had_by_mark(work, reader, found)
                if not had:
                    placed = await self._placed(work, found[: wanted + limit // 5], limit)
                    showing = self._showing(reader, fitted, placed)
                    await work.showings.add(showing)
                    break
            # A long past may stand before what is new, so look further each time.
            known, asked = known.having_had(had), 2 * asked
        return await self._told(showing, fitted, placed, FOR_A_READER)

    async def similar(self, reader: User, book_id: UUID, limit: int) -> Recommended:
        """The books most like this one, without those the reader dismissed. Raises
        BookNotFound."""
        await self._shelving.find(book_id)
        fitted = await self._model.current()
        async with self._begin() as work:
            dismissed = (await work.reading.past_of(reader.id)).dismissed
        nearest = await asyncio.to_thread(
            fitted.recommender.similar, book_id, limit + len(dismissed)
        )
        found = [one for one in nearest if one.item_id not in dismissed][:limit]
        async with self._begin() as work:
            there = await work.reading.free_copies([one.item_id for one in found])
            placed = [Placed(one) for one in found if one.item_id in there]
            showing = self._showing(reader, fitted, placed)
            await work.showings.add(showing)
        return await self._told(showing, fitted, placed, FOR_A_BOOK)

    async def take_feedback(
        self, reader: User, showing_id: UUID, *, book_id: UUID, action: FeedbackAction
    ) -> None:
        """Note what the reader did with a book they were shown; said twice, it is one. Where
        the library does not learn, only what was dismissed is kept. Raises ShowingNotFound,
        BookNotShown."""
        async with self._begin() as work:
            showing = await work.showings.find(showing_id, reader.id)
            if showing is None:
                raise ShowingNotFound
            if book_id not in showing.book_ids:
                raise BookNotShown
            if self._serving.learns or action == FeedbackAction.DISMISS:
                await work.showings.note(
                    Feedback(
                        id=new_id(),
                        showing_id=showing_id,
                        user_id=reader.id,
                        book_id=book_id,
                        action=action,
                        at=self._clock.now(),
                        propensity=showing.propensity_of(book_id),
                    )
                )

    async def note_view(self, reader: User, book_id: UUID) -> None:
        """Note that the reader looked at a book. Nobody waits for that, and nothing fails
        by it."""
        if not self._serving.learns:
            return
        try:
            async with self._begin() as work:
                await work.reading.note_view(reader.id, book_id, self._clock.now())
        except LibraryError as error:
            log.info("A look at a book is not noted: %s", error.detail)

    async def forget_history(self, reader: User) -> None:
        """Forget what the reader did up to now; open loans stay theirs, and what they said
        they like stays said. The next fit forgets it too."""
        async with self._begin() as work:
            await work.reading.forget_history(reader.id, self._clock.now())

    async def sweep(self) -> int:
        """Remove showings nobody reacted to and looks from long ago, and where the library does
        not learn, all it had learnt from; how many showings."""
        now = self._clock.now()
        lasting = _SHOWINGS_LAST if self._serving.learns else _UNLEARNT_SHOWINGS_LAST
        await self._in_lots(lambda work, n: work.reading.forget_views(now - _VIEWS_LAST, n))
        if not self._serving.learns:
            await self._in_lots(lambda work, n: work.reading.forget_learnt(n))
        return await self._in_lots(lambda work, n: work.showings.sweep(now - lasting, n))

    async def _in_lots(self, sweep: Callable[[RecommendationsWork, int], Awaitable[int]]) -> int:
        """Until nothing is left; how much it was. Each lot is a transaction of its own, as no
        statement may take long."""
        swept, gone = 0, 1
        while gone:
            async with self._begin() as work:
                gone = await sweep(work, _SWEPT_AT_ONCE)
            swept += gone
        return swept

    async def _known(self, reader: User, *, described: bool) -> _Known:
        """`described` where all the books that are liked have to tell of themselves, and not
        only those the reader never had."""
        async with self._begin() as work:
            stated = await work.preferences.of(reader.id)
            past = await work.reading.past_of(reader.id)
            deeds: Sequence[Deed] = ()
            if self._serving.learns:
                deeds = await work.reading.deeds_of(reader.id, _LATEST_DEEDS)
            liked = books_liked(deeds, self._clock.now())
            latest = dict(islice(liked.items(), _LATEST_BOOKS))
            told = latest if described else [book for book in latest if book not in past.had]
            items = await work.reading.items_among(told)
        return _Known(stated.tastes if stated else Tastes(), past, latest, items)

    async def _found(
        self, fitted: Fitted, known: _Known, k: int, limit: int
    ) -> list[Recommendation]:
        """The k best by the model, and what arrived since it was fitted."""
        exclude = known.past.had | known.past.dismissed
        found = await asyncio.to_thread(
            fitted.recommender.recommend,
            profile_of(known.stated, known.liked, known.past.had, known.items),
            exclude,
            k,
            diversity=self._serving.diversity,
        )
        return with_arrivals(found, self._arrived(known, exclude, fitted), limit)

    async def _had_by_mark(
        self, work: RecommendationsWork, reader: User, found: Sequence[Recommendation]
    ) -> frozenset[UUID]:
        """Those of the books that were lent to the reader by loans that forgot it."""
        marks = {self._marker.mark(reader.id, one.item_id): one.item_id for one in found}
        return frozenset(marks[mark] for mark in await work.reading.marked(marks))

    async def _placed(
        self, work: RecommendationsWork, found: Sequence[Recommendation], limit: int
    ) -> list[Placed]:
        free = await work.reading.free_copies([one.item_id for one in found])
        return arranged(
            # A book that was withdrawn since the model was fitted is not shown.
            [one for one in found if one.item_id in free],
            limit,
            free={book_id for book_id, copies in free.items() if copies > 0},
            explore=self._serving.explore,
            chance=self._chance,
        )

    def _arrived(
        self, known: _Known, exclude: Collection[UUID], fitted: Fitted
    ) -> list[Recommendation]:
        unknown = [item for item in self._model.arrivals if item.id not in fitted.items]
        if not unknown:
            return []
        tastes = all_tastes(known.stated, tastes_learnt(known.liked, known.items))
        return fitting_arrivals(unknown, tastes, exclude)

    def _showing(self, reader: User, fitted: Fitted, placed: Sequence[Placed]) -> Showing:
        return Showing(
            id=new_id(),
            user_id=reader.id,
            model=fitted.recommender.name,
            model_version=fitted.version,
            book_ids=[each.found.item_id for each in placed],
            propensities=[each.propensity for each in placed] if self._serving.learns else [],
            shown_at=self._clock.now(),
        )

    async def _told(
        self, showing: Showing, fitted: Fitted, placed: Sequence[Placed], sentences: Sentences
    ) -> Recommended:
        shown = [each.found for each in placed]
        named = {reason.item_id for one in shown for reason in one.reasons if reason.item_id}
        views = await self._shelving.views({one.item_id for one in shown} | named)
        return Recommended(
            showing.id,
            [_in_words(one, fitted, sentences, views) for one in shown if one.item_id in views],
            showing.model,
            showing.model_version,
            fitted.trained_at,
        )


def _in_words(
    one: Recommendation, fitted: Fitted, sentences: Sentences, views: Mapping[UUID, BookView]
) -> RecommendedBook:
    borrowed = fitted.items.get(one.item_id, 0) > 0
    reasons = [spoken(reason, sentences, views, borrowed=borrowed) for reason in one.reasons]
    return RecommendedBook(views[one.item_id], one.score, reasons)
