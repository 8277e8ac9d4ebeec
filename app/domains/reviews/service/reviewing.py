"""Reviews by those who borrowed the book, and what they add up to."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domains.accounts.model import User
from app.domains.lending.service import LendingService
from app.domains.reviews.errors import NeverBorrowed, NotYourReview
from app.domains.reviews.jobs import RefreshConsensus
from app.domains.reviews.model import (
    Analysis,
    Consensus,
    Ratings,
    Reading,
    Review,
    ReviewSort,
    ReviewView,
)
from app.domains.reviews.ports import ReviewsWork
from app.domains.reviews.service.analysis import analysis_by_stars, analysis_of
from app.domains.reviews.service.consensus import ConsensusRefresh
from app.domains.reviews.service.reading import carried_over
from app.ports.audit import Act, Subject
from app.ports.clock import Clock
from app.ports.jobs import JobRun
from app.ports.llm import LLMProvider
from app.shared.errors import NotFound
from app.shared.ids import new_id
from app.shared.pages import Page, PageRequest


@dataclass(frozen=True, slots=True)
class _Carried:
    """What was found in a revision of a review, quoted from its text to be."""

    revision: int
    reading: Reading

    def stands_for(self, review: Review) -> bool:
        """Whether the review has not been edited or read anew since."""
        same_words = review.is_read and review.revision == self.revision
        return same_words and review.reading_of(self.reading.opinions) == self.reading


class ReviewsService:
    """Every change moves the numbers at once and, when `enabled`, lets the consensus follow
    by a job; without, no model is asked and no generated text shown. A book that is not
    there: the catalog's BookNotFound."""

    def __init__(
        self,
        *,
        begin: Callable[[], ReviewsWork],
        clock: Clock,
        lending: LendingService,
        llm: LLMProvider,
        fallback: LLMProvider,
        enabled: bool = True,
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._lending = lending
        self._llm = llm
        self._fallback = fallback
        self._enabled = enabled

    async def review(self, actor: User, book_id: UUID, *, rating: int, text: str) -> ReviewView:
        """Raises NeverBorrowed, AlreadyReviewed."""
        borrowed = await self._lending.has_ever_borrowed(actor.id, book_id)
        review = self._review(actor, book_id, rating, text)
        async with self._begin() as work:
            await work.reviews.hold(book_id)
            if not borrowed:
                raise NeverBorrowed
            await work.reviews.add(review)
            consensus = await _consensus(work, book_id, review.created_at)
            consensus.unsettle(review.created_at)
            await self._follow(work, book_id)
            return await work.reviews.view(review)

    async def edit(
        self, actor: User, book_id: UUID, review_id: UUID, *, rating: int, text: str
    ) -> ReviewView:
        """Raises ReviewNotFound, NotYourReview."""
        carried = await self._carried(review_id, text)
        async with self._begin() as work:
            await work.reviews.hold(book_id)
            review = await work.reviews.get(book_id, review_id)
            if review.user_id != actor.id:
                raise NotYourReview
            await self._reword(work, review, rating, text, carried)
            return await work.reviews.view(review)

    async def withdraw(self, actor: User, book_id: UUID, review_id: UUID) -> None:
        """By its author, or by who keeps the library. Raises ReviewNotFound, NotYourReview."""
        async with self._begin() as work:
            await work.reviews.hold(book_id)
            review = await work.reviews.get(book_id, review_id)
            if review.user_id != actor.id and not actor.keeps_the_library:
                raise NotYourReview
            await work.reviews.remove(review)
            await self._retract(work, review, self._clock.now())
            if review.user_id != actor.id:
                about = Subject("review", str(review_id))
                await work.audit.note(Act.REVIEW_WITHDRAWN, about, book=str(book_id))

    async def reviews_of(
        self, book_id: UUID, *, sort: ReviewSort = "-created_at", page: PageRequest
    ) -> Page[ReviewView]:
        async with self._begin() as work:
            await work.reviews.require_book(book_id)
            return await work.reviews.of_book(book_id, sort=sort, page=page)

    async def ratings(self, book_id: UUID) -> Ratings:
        async with self._begin() as work:
            await work.reviews.require_book(book_id)
            return await work.reviews.ratings(book_id)

    async def analysis(self, book_id: UUID) -> Analysis:
        """What readers think, as it stands; never waits for a model."""
        async with self._begin() as work:
            await work.reviews.require_book(book_id)
            standing = await work.reviews.standing(book_id)
            consensus = await work.consensus.find(book_id)
            if not self._enabled or consensus is None or not standing.ratings.count:
                return analysis_by_stars(book_id, standing.ratings)
            return analysis_of(consensus, standing, await work.reviews.exemplars(book_id))

    async def refresh_consensus(self, book_id: UUID, run: JobRun) -> None:
        """The work of the jobs RefreshConsensus and RereadReviews."""
        if not self._enabled:
            return
        refresh = ConsensusRefresh(
            book_id, begin=self._begin, clock=self._clock, llm=self._llm, fallback=self._fallback
        )
        try:
            await refresh.run(run)
        except NotFound:
            # The book went, and its reviews with it.
            return

    async def _carried(self, review_id: UUID, text: str) -> _Carried | None:
        """Other stars or other white space: what was found in the words stays found."""
        async with self._begin() as work:
            review = await work.reviews.find(review_id)
            found = await work.reviews.opinions_of(review) if review and review.is_read else ()
        if review is None or not review.is_read or not review.says_the_same_as(text):
            return None
        opinions = await asyncio.to_thread(carried_over, found, review.text, text)
        return _Carried(review.revision, review.reading_of(opinions))

    async def _reword(
        self, work: ReviewsWork, review: Review, rating: int, text: str, carried: _Carried | None
    ) -> None:
        now = self._clock.now()
        kept = carried.reading if carried and carried.stands_for(review) else None
        await work.reviews.reword(review, rating=rating, text=text, at=now)
        if kept is None:
            await self._retract(work, review, now)
            return
        await work.reviews.read(review, kept)
        consensus = await _consensus(work, review.book_id, now)
        consensus.unsettle(now)
        await self._follow(work, review.book_id)

    async def _retract(self, work: ReviewsWork, review: Review, now: datetime) -> None:
        consensus = await _consensus(work, review.book_id, now)
        consensus.retract(review.id, now)
        if not (await work.reviews.ratings(review.book_id)).count:
            consensus.forget(now)
        await self._follow(work, review.book_id)

    async def recount(self) -> Sequence[UUID]:
        """Make the sums of all books anew from their reviews; which books had others."""
        async with self._begin() as work:
            books = await work.reviews.books()
        return [book_id for book_id in books if await self._recount(book_id)]

    async def _recount(self, book_id: UUID) -> bool:
        """Whether the sums were other ones; a book that goes meanwhile has none."""
        try:
            async with self._begin() as work:
                await work.reviews.hold(book_id)
                return await work.reviews.rebuild(book_id)
        except NotFound:
            return False

    async def _follow(self, work: ReviewsWork, book_id: UUID) -> None:
        if self._enabled:
            await work.jobs.enqueue(RefreshConsensus(book_id))

    def _review(self, actor: User, book_id: UUID, rating: int, text: str) -> Review:
        now = self._clock.now()
        return Review(
            id=new_id(),
            book_id=book_id,
            user_id=actor.id,
            rating=rating,
            text=text,
            created_at=now,
            updated_at=now,
        )


async def _consensus(work: ReviewsWork, book_id: UUID, now: datetime) -> Consensus:
    """The consensus of the book; its row stays when the last review goes, so that a text
    told before that is never taken for one told after."""
    consensus = await work.consensus.find(book_id)
    if consensus is None:
        consensus = Consensus.untold(book_id, now)
        await work.consensus.add(consensus)
    return consensus
