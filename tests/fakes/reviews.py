"""The reviews room without a database: the sums are counted whenever somebody asks."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

from typing_extensions import override

from app.domains.accounts.model import User
from app.domains.catalog.errors import BookNotFound
from app.domains.reviews.errors import AlreadyReviewed, ReviewNotFound
from app.domains.reviews.model import (
    FORMER_READER,
    AspectCount,
    Consensus,
    Exemplar,
    Opinion,
    Polarity,
    Ratings,
    Reading,
    Review,
    ReviewSort,
    ReviewView,
    Standing,
    ranked_counts,
)
from app.domains.reviews.model.topics import FREE, PROMOTED_AT, topics_of
from app.domains.reviews.ports import ConsensusRepository, ReviewRepository, ReviewsWork
from app.ports.audit import AuditEvent
from app.ports.jobs import Job, JobQueue, JobRun
from app.shared.ids import new_id
from app.shared.pages import Page, PageRequest, cursor_for
from tests.fakes.audit import ListedTrail
from tests.fakes.lending import a_reader, place_of


@dataclass
class ReviewsShelf:
    books: set[UUID] = field(default_factory=set)
    names: dict[UUID, str] = field(default_factory=dict)
    reviews: dict[UUID, Review] = field(default_factory=dict)
    opinions: dict[UUID, Sequence[Opinion]] = field(default_factory=dict)
    consensus: dict[UUID, Consensus] = field(default_factory=dict)
    jobs: list[tuple[Job, timedelta | None]] = field(default_factory=list)

    def copy(self) -> "ReviewsShelf":
        return ReviewsShelf(
            set(self.books),
            dict(self.names),
            {review.id: replace(review) for review in self.reviews.values()},
            dict(self.opinions),
            {each.book_id: replace(each) for each in self.consensus.values()},
            list(self.jobs),
        )


class InMemoryReviews:
    """The shelf, and the turn of whoever works on it: one after the other."""

    def __init__(self) -> None:
        self.shelf = ReviewsShelf()
        self.events: list[AuditEvent] = []
        self.turn = asyncio.Lock()

    def begin(self) -> ReviewsWork:
        return InMemoryReviewsWork(self)

    async def add_book(self) -> UUID:
        book_id = new_id()
        self.shelf.books.add(book_id)
        return book_id

    async def add_reader(self, name: str = "Ada") -> User:
        reader = a_reader(name)
        self.shelf.names[reader.id] = name
        return reader

    async def erase_reader(self, reader: User) -> None:
        del self.shelf.names[reader.id]
        for review in self.shelf.reviews.values():
            if review.user_id == reader.id:
                review.user_id = None


class InMemoryReviewsWork(ReviewsWork):
    """Works on a copy, which becomes the shelf at a clean end."""

    def __init__(self, reviews: InMemoryReviews) -> None:
        self._reviews = reviews

    @override
    async def __aenter__(self) -> Self:
        await self._reviews.turn.acquire()
        self._shelf = self._reviews.shelf.copy()
        self.reviews = InMemoryReviewRepository(self._shelf)
        self.consensus = InMemoryConsensusRepository(self._shelf)
        self.jobs = PendingJobs(self._shelf.jobs)
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
            self._reviews.shelf = self._shelf.copy()
            self._reviews.events += self._noted
        self._reviews.turn.release()


class InMemoryReviewRepository(ReviewRepository):
    def __init__(self, shelf: ReviewsShelf) -> None:
        self._shelf = shelf

    @override
    async def hold(self, book_id: UUID) -> None:
        await self.require_book(book_id)

    @override
    async def require_book(self, book_id: UUID) -> None:
        if book_id not in self._shelf.books:
            raise BookNotFound

    @override
    async def add(self, review: Review) -> None:
        if any(other.user_id == review.user_id for other in self._of(review.book_id)):
            raise AlreadyReviewed
        self._shelf.reviews[review.id] = review

    @override
    async def get(self, book_id: UUID, review_id: UUID) -> Review:
        found = self._shelf.reviews.get(review_id)
        if found is None or found.book_id != book_id:
            raise ReviewNotFound
        return found

    @override
    async def find(self, review_id: UUID) -> Review | None:
        return self._shelf.reviews.get(review_id)

    @override
    async def reword(self, review: Review, *, rating: int, text: str, at: datetime) -> None:
        self._shelf.opinions.pop(review.id, None)
        review.edit(rating=rating, text=text, at=at)

    @override
    async def remove(self, review: Review) -> None:
        self._shelf.opinions.pop(review.id, None)
        del self._shelf.reviews[review.id]

    @override
    async def read(self, review: Review, reading: Reading) -> None:
        self._shelf.opinions[review.id] = tuple(reading.opinions)
        review.mark_read(reading)

    @override
    async def opinions_of(self, review: Review) -> Sequence[Opinion]:
        found = self._shelf.opinions.get(review.id, ())
        return sorted(found, key=lambda opinion: (opinion.sentence, opinion.aspect))

    @override
    async def twin_of(self, review: Review, *, reader: str, prompt: str) -> Review | None:
        wanted = review.words_key, reader, prompt
        twins = [
            other
            for other in self._shelf.reviews.values()
            if other.id != review.id
            and other.is_read
            and (other.words_key, other.read_by, other.read_with) == wanted
        ]
        return min(twins, key=lambda twin: twin.id, default=None)

    @override
    async def view(self, review: Review) -> ReviewView:
        name = self._shelf.names.get(review.user_id) if review.user_id else None
        return ReviewView(review, name or FORMER_READER)

    @override
    async def of_book(
        self, book_id: UUID, *, sort: ReviewSort, page: PageRequest
    ) -> Page[ReviewView]:
        name = sort.removeprefix("-")
        found = sorted(
            self._of(book_id),
            key=lambda review: (getattr(review, name), review.id),
            reverse=sort.startswith("-"),
        )
        start = place_of([review.id for review in found], page)
        items = found[start : start + page.limit]
        more = start + page.limit < len(found)
        views = [await self.view(review) for review in items]
        return Page(views, cursor_for(items[-1].id) if more else None, len(found))

    @override
    async def ratings(self, book_id: UUID) -> Ratings:
        stars = [review.rating for review in self._of(book_id)]
        one, two, three, four, five = (stars.count(n) for n in range(1, 6))
        return Ratings(len(stars), sum(stars), (one, two, three, four, five))

    @override
    async def standing(self, book_id: UUID) -> Standing:
        reviews = self._of(book_id)
        languages = Counter(sorted(filter(None, (review.language for review in reviews))))
        return Standing(
            await self.ratings(book_id),
            ranked_counts(counted(self._said(book_id))),
            sum(review.is_read for review in reviews),
            any(review.read_degraded for review in reviews),
            languages.most_common(1)[0][0] if languages else None,
        )

    @override
    async def exemplars(self, book_id: UUID) -> Sequence[Exemplar]:
        topics = topics_of(tags_of(self._said(book_id)))
        said = [
            (30 <= len(opinion.quote) <= 200, review.id, opinion.sentence, opinion.aspect, opinion)
            for review in self._of(book_id)
            for opinion in self._shelf.opinions.get(review.id, ())
            if not opinion.aspect.startswith(FREE) or opinion.aspect in topics
        ]
        views: dict[tuple[str, str], dict[UUID, Exemplar]] = {}
        for _, review_id, *_, one in sorted(said, key=lambda each: each[:4], reverse=True):
            aspect = topics.get(one.aspect, one.aspect)
            readers = views.setdefault((aspect, one.polarity), {})
            if review_id not in readers and len(readers) < 2:
                readers[review_id] = Exemplar(
                    review_id, aspect, one.polarity, one.quote, one.sentence
                )
        return [views[view][reader] for view in sorted(views) for reader in views[view]]

    @override
    async def waiting_for(self, reader: str, book_id: UUID) -> Sequence[UUID]:
        waiting = [
            review
            for review in self._of(book_id)
            if not review.is_read or (review.read_degraded and review.read_by != reader)
        ]
        return [r.id for r in sorted(waiting, key=lambda review: (review.is_read, review.id))]

    @override
    async def rebuild(self, book_id: UUID) -> bool:
        """There is nothing to rebuild: nothing is counted ahead."""
        return False

    @override
    async def books(self) -> Sequence[UUID]:
        return sorted({review.book_id for review in self._shelf.reviews.values()})

    def _said(self, book_id: UUID) -> list[Sequence[Opinion]]:
        return [self._shelf.opinions.get(review.id, ()) for review in self._of(book_id)]

    def _of(self, book_id: UUID) -> list[Review]:
        return [review for review in self._shelf.reviews.values() if review.book_id == book_id]


class InMemoryConsensusRepository(ConsensusRepository):
    def __init__(self, shelf: ReviewsShelf) -> None:
        self._shelf = shelf

    @override
    async def add(self, consensus: Consensus) -> None:
        self._shelf.consensus[consensus.book_id] = consensus

    @override
    async def find(self, book_id: UUID) -> Consensus | None:
        return self._shelf.consensus.get(book_id)


class PendingJobs(JobQueue):
    """Keeps what is enqueued, in order; a job with the same `dedupe` joins the first."""

    def __init__(self, pending: list[tuple[Job, timedelta | None]]) -> None:
        self._pending = pending

    @override
    async def enqueue(
        self, job: Job, *, owner: UUID | None = None, delay: timedelta | None = None
    ) -> UUID:
        if job.dedupe is None or job.dedupe not in {each.dedupe for each, _ in self._pending}:
            self._pending.append((job, delay))
        return new_id()


class WatchedRun(JobRun):
    """A run of a job that remembers what was reported."""

    def __init__(self) -> None:
        self.reports: list[tuple[int, int]] = []
        self._id = new_id()

    @property
    @override
    def job_id(self) -> UUID:
        return self._id

    @override
    async def report(self, done: int, planned: int) -> None:
        self.reports.append((done, planned))


def counted(readers: Iterable[Sequence[Opinion]]) -> list[AspectCount]:
    """How many readers think what of each aspect, and of each topic of five readers."""
    readers = list(readers)
    topics = topics_of(tags_of(readers))
    named = [
        [replace(opinion, aspect=topics.get(opinion.aspect, opinion.aspect)) for opinion in said]
        for said in readers
    ]
    stances = [(aspect, _stance(said, aspect)) for said in named for aspect in _aspects(said)]
    counts = [
        AspectCount(aspect, *(stances.count((aspect, polarity)) for polarity in Polarity))
        for aspect in sorted({aspect for aspect, _ in stances})
        if not aspect.startswith(FREE) or aspect in topics.values()
    ]
    return [count for count in counts if not count.is_free or count.readers >= PROMOTED_AT]


def tags_of(readers: Iterable[Sequence[Opinion]]) -> dict[str, int]:
    """How many readers use which free tag."""
    return Counter(a for said in readers for a in _aspects(said) if a.startswith(FREE))


def _aspects(said: Sequence[Opinion]) -> set[str]:
    return {str(opinion.aspect) for opinion in said}


def _stance(said: Sequence[Opinion], aspect: str) -> Polarity:
    polarities = {opinion.polarity for opinion in said if opinion.aspect == aspect}
    return polarities.pop() if len(polarities) == 1 else Polarity.MIXED
