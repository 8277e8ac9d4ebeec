"""Reviews and what is found in them, in Postgres; their sums change in the same transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    Select,
    and_,
    exists,
    func,
    or_,
    select,
    tuple_,
    union,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.engine import Violations
from app.adapters.postgres.keyset import id_at, moment_at
from app.adapters.postgres.review_sums import ReviewSums
from app.adapters.postgres.tables.accounts import users
from app.adapters.postgres.tables.catalog import books
from app.adapters.postgres.tables.reviews import (
    aspect_stats,
    rating_stats,
    review_opinions,
    reviews,
)
from app.adapters.postgres.work import SqlWork
from app.domains.catalog.errors import BookNotFound
from app.domains.reviews.errors import AlreadyReviewed, ReviewNotFound
from app.domains.reviews.model import (
    FORMER_READER,
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
)
from app.domains.reviews.ports import ConsensusRepository, ReviewRepository, ReviewsWork
from app.shared.errors import NotAuthenticated
from app.shared.pages import InvalidCursor, Page, PageRequest, cursor_for


class SqlReviewRepository(ReviewRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._sums = ReviewSums(session)

    @override
    async def hold(self, book_id: UUID) -> None:
        name = func.hashtextextended(f"reviews:{book_id}", 0)
        await self._session.execute(select(func.pg_advisory_xact_lock(name)))
        book = select(books.c.id).where(books.c.id == book_id)
        locked = book.with_for_update(read=True, key_share=True)
        if await self._session.scalar(locked) is None:
            raise BookNotFound

    @override
    async def require_book(self, book_id: UUID) -> None:
        if not await self._session.scalar(select(exists().where(books.c.id == book_id))):
            raise BookNotFound

    @override
    async def add(self, review: Review) -> None:
        self._session.add(review)
        await self._session.flush()
        await self._sums.count_stars(review, 1)

    @override
    async def get(self, book_id: UUID, review_id: UUID) -> Review:
        found = await self.find(review_id)
        if found is None or found.book_id != book_id:
            raise ReviewNotFound
        return found

    @override
    async def find(self, review_id: UUID) -> Review | None:
        return await self._session.get(Review, review_id)

    @override
    async def reword(self, review: Review, *, rating: int, text: str, at: datetime) -> None:
        await self._sums.uncount(review)
        review.edit(rating=rating, text=text, at=at)
        await self._session.flush()
        await self._sums.count_stars(review, 1)

    @override
    async def remove(self, review: Review) -> None:
        await self._sums.uncount(review)
        await self._session.delete(review)
        await self._session.flush()

    @override
    async def read(self, review: Review, reading: Reading) -> None:
        await self._sums.drop_opinions(review)
        if reading.opinions:
            rows = [_row(review, opinion) for opinion in reading.opinions]
            await self._session.execute(insert(review_opinions), rows)
            await self._sums.count_views_of(review)
        review.mark_read(reading)
        await self._session.flush()

    @override
    async def opinions_of(self, review: Review) -> Sequence[Opinion]:
        opinion = review_opinions.c
        query = select(review_opinions).where(opinion.review_id == review.id)
        rows = await self._session.execute(query.order_by(opinion.sentence, opinion.aspect))
        return [Opinion(r.sentence, r.aspect, Polarity(r.polarity), r.quote) for r in rows]

    @override
    async def twin_of(self, review: Review, *, reader: str, prompt: str) -> Review | None:
        query = select(Review).where(
            reviews.c.words_key == review.words_key,
            reviews.c.id != review.id,
            reviews.c.read_revision == reviews.c.revision,
            reviews.c.read_by == reader,
            reviews.c.read_with == prompt,
        )
        # Any of them: in an order, all of a thousand equal reviews would be fetched, or, by
        # the index of that order, other reviews first.
        return await self._session.scalar(query.limit(1))

    @override
    async def view(self, review: Review) -> ReviewView:
        query = select(users.c.display_name).where(users.c.id == review.user_id)
        name = await self._session.scalar(query) if review.user_id else None
        return ReviewView(review, name or FORMER_READER)

    @override
    async def of_book(
        self, book_id: UUID, *, sort: ReviewSort, page: PageRequest
    ) -> Page[ReviewView]:
        found = (await self._session.execute(_listed(book_id, sort, page))).all()
        items = [ReviewView(review, name or FORMER_READER) for review, name in found[: page.limit]]
        cursor = _cursor(items[-1].review, sort) if len(found) > page.limit else None
        return Page(items, cursor, (await self.ratings(book_id)).count)

    @override
    async def ratings(self, book_id: UUID) -> Ratings:
        return await self._sums.ratings(book_id)

    @override
    async def standing(self, book_id: UUID) -> Standing:
        return await self._sums.standing(book_id)

    @override
    async def exemplars(self, book_id: UUID) -> Sequence[Exemplar]:
        return await self._sums.exemplars(book_id)

    @override
    async def waiting_for(self, reader: str, book_id: UUID) -> Sequence[UUID]:
        unread = reviews.c.read_revision < reviews.c.revision
        by_stand_in = and_(reviews.c.read_degraded, reviews.c.read_by != reader)
        query = (
            select(reviews.c.id)
            .where(reviews.c.book_id == book_id, or_(unread, by_stand_in))
            .order_by(unread.desc(), reviews.c.id)
        )
        return (await self._session.scalars(query)).all()

    @override
    async def rebuild(self, book_id: UUID) -> bool:
        return await self._sums.rebuild(book_id)

    @override
    async def books(self) -> Sequence[UUID]:
        with_sums = union(*(select(t.c.book_id) for t in (reviews, rating_stats, aspect_stats)))
        return (await self._session.scalars(with_sums.order_by("book_id"))).all()


class SqlConsensusRepository(ConsensusRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def add(self, consensus: Consensus) -> None:
        self._session.add(consensus)

    @override
    async def find(self, book_id: UUID) -> Consensus | None:
        return await self._session.get(Consensus, book_id)


class SqlReviewsWork(SqlWork, ReviewsWork):
    violations: ClassVar[Violations] = {
        "uq_reviews_reader": AlreadyReviewed,
        "fk_reviews_book_id": BookNotFound,
        "fk_reviews_user_id": NotAuthenticated,
    }

    @override
    def _open(self, session: AsyncSession) -> None:
        self.reviews = SqlReviewRepository(session)
        self.consensus = SqlConsensusRepository(session)


def _listed(book_id: UUID, sort: ReviewSort, page: PageRequest) -> Select[Review, str | None]:
    column = reviews.c[sort.removeprefix("-")]
    falling = sort.startswith("-")
    key = tuple_(column, reviews.c.id)
    query = (
        select(Review, users.c.display_name)
        .outerjoin(users, users.c.id == reviews.c.user_id)
        .where(reviews.c.book_id == book_id)
        .order_by(*(each.desc() if falling else each.asc() for each in (column, reviews.c.id)))
        .limit(page.limit + 1)
    )
    if after := _place(sort, page):
        query = query.where(key < after if falling else key > after)
    return query


def _place(sort: ReviewSort, page: PageRequest) -> tuple[Any, UUID] | None:
    by_rating = sort.endswith("rating")
    after = page.after(int if by_rating else str, str)
    if after is None:
        return None
    if not by_rating:
        return moment_at(after[0]), id_at(after[1])
    if after[0] not in range(1, 6):
        raise InvalidCursor("Start again without a cursor.")
    return int(after[0]), id_at(after[1])


def _cursor(review: Review, sort: ReviewSort) -> str:
    key = review.rating if sort.endswith("rating") else review.created_at.isoformat()
    return cursor_for(key, review.id)


def _row(review: Review, opinion: Any) -> dict[str, Any]:
    return {
        "review_id": review.id,
        "book_id": review.book_id,
        "sentence": opinion.sentence,
        "aspect": str(opinion.aspect),
        "polarity": opinion.polarity.value,
        "quote": opinion.quote,
    }
