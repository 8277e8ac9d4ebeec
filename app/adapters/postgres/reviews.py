"""Reviews, opinions and their sums in Postgres. The sums change by what one review adds or
takes, in the transaction of that review."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Subquery,
    and_,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.engine import Violations
from app.adapters.postgres.keyset import id_at, moment_at
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
    Aspect,
    AspectCount,
    Consensus,
    Exemplar,
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

_STARS = [f"stars_{n}" for n in range(1, 6)]
_ORDER = {aspect: place for place, aspect in enumerate(Aspect)}
_READERS_AN_EXEMPLAR = 2

# A reader appears twice at most (with a sentence of handy length, and with another), so four
# rows hold two readers.
_EXEMPLARS = text(
    """
    SELECT s.aspect, p.polarity, e.telling, e.review_id, e.quote
    FROM aspect_stats s
    CROSS JOIN (VALUES ('positive'), ('negative'), ('mixed')) AS p (polarity)
    CROSS JOIN LATERAL (
      SELECT DISTINCT ON (o.telling, o.review_id) o.telling, o.review_id, o.quote
      FROM review_opinions o
      WHERE o.book_id = s.book_id AND o.aspect = s.aspect AND o.polarity = p.polarity
      ORDER BY o.telling DESC, o.review_id DESC, o.sentence DESC
      LIMIT 4) AS e
    WHERE s.book_id = :book_id
    """
)


class SqlReviewRepository(ReviewRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

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
        await self._count_stars(review, 1)

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
        await self._uncount(review)
        review.edit(rating=rating, text=text, at=at)
        await self._session.flush()
        await self._count_stars(review, 1)

    @override
    async def remove(self, review: Review) -> None:
        await self._uncount(review)
        await self._session.delete(review)
        await self._session.flush()

    @override
    async def read(self, review: Review, reading: Reading) -> None:
        await self._drop_opinions(review)
        if reading.opinions:
            rows = [_row(review, opinion) for opinion in reading.opinions]
            await self._session.execute(insert(review_opinions), rows)
            await self._count_views(_stances(review_opinions.c.review_id == review.id), 1)
        review.mark_read(reading)
        await self._session.flush()

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
        query = select(rating_stats).where(rating_stats.c.book_id == book_id)
        row = (await self._session.execute(query)).one_or_none()
        return _ratings(row) if row else Ratings()

    @override
    async def standing(self, book_id: UUID) -> Standing:
        stats = await self._session.execute(
            select(aspect_stats).where(aspect_stats.c.book_id == book_id)
        )
        counts = [
            AspectCount(Aspect(row.aspect), row.positive, row.negative, row.mixed) for row in stats
        ]
        read = select(
            func.count().filter(reviews.c.read_revision == reviews.c.revision).label("readers"),
            func.coalesce(func.bool_or(reviews.c.read_degraded), False).label("degraded"),
        ).where(reviews.c.book_id == book_id)
        row = (await self._session.execute(read)).one()
        ranked = sorted(counts, key=lambda count: (-count.readers, _ORDER[count.aspect]))
        return Standing(await self.ratings(book_id), tuple(ranked), row.readers, row.degraded)

    @override
    async def exemplars(self, book_id: UUID) -> Sequence[Exemplar]:
        rows = (await self._session.execute(_EXEMPLARS, {"book_id": book_id})).all()
        views: dict[tuple[str, str], dict[UUID, Exemplar]] = {}
        for row in sorted(rows, key=lambda row: (row.telling, row.review_id), reverse=True):
            readers = views.setdefault((row.aspect, row.polarity), {})
            if row.review_id not in readers and len(readers) < _READERS_AN_EXEMPLAR:
                readers[row.review_id] = _exemplar(row)
        return [views[view][reader] for view in sorted(views) for reader in views[view]]

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
    async def rebuild(self, book_id: UUID) -> None:
        stars = [func.count().filter(reviews.c.rating == n) for n in range(1, 6)]
        recount = select(reviews.c.book_id, func.count(), func.sum(reviews.c.rating), *stars).where(
            reviews.c.book_id == book_id
        )
        for stats in (rating_stats, aspect_stats):
            await self._session.execute(delete(stats).where(stats.c.book_id == book_id))
        await self._session.execute(
            insert(rating_stats).from_select(
                ["book_id", "count", "total", *_STARS], recount.group_by(reviews.c.book_id)
            )
        )
        await self._count_views(_stances(review_opinions.c.book_id == book_id), 1)

    async def _uncount(self, review: Review) -> None:
        await self._drop_opinions(review)
        await self._count_stars(review, -1)

    async def _drop_opinions(self, review: Review) -> None:
        mine = review_opinions.c.review_id == review.id
        await self._count_views(_stances(mine), -1)
        await self._session.execute(delete(review_opinions).where(mine))
        unspoken = [aspect_stats.c[polarity] == 0 for polarity in Polarity]
        await self._session.execute(
            delete(aspect_stats).where(aspect_stats.c.book_id == review.book_id, *unspoken)
        )

    async def _count_stars(self, review: Review, sign: int) -> None:
        change = {"count": sign, "total": sign * review.rating, **dict.fromkeys(_STARS, 0)}
        change[f"stars_{review.rating}"] = sign
        added = insert(rating_stats).values(book_id=review.book_id, **change)
        sums = {name: rating_stats.c[name] + added.excluded[name] for name in change}
        await self._session.execute(
            added.on_conflict_do_update(index_elements=["book_id"], set_=sums)
        )
        empty = and_(rating_stats.c.book_id == review.book_id, rating_stats.c["count"] == 0)
        await self._session.execute(delete(rating_stats).where(empty))

    async def _count_views(self, stances: Subquery, sign: int) -> None:
        numbers = [sign * func.count().filter(stances.c.stance == p.value) for p in Polarity]
        views = select(stances.c.book_id, stances.c.aspect, *numbers).group_by(
            stances.c.book_id, stances.c.aspect
        )
        polarities = [p.value for p in Polarity]
        added = insert(aspect_stats).from_select(["book_id", "aspect", *polarities], views)
        sums = {name: aspect_stats.c[name] + added.excluded[name] for name in polarities}
        await self._session.execute(
            added.on_conflict_do_update(index_elements=["book_id", "aspect"], set_=sums)
        )


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


def _stances(condition: ColumnElement[bool]) -> Subquery:
    """What each reader thinks of each aspect, all their sentences together."""
    opinion = review_opinions.c
    stance = case(
        (func.bool_and(opinion.polarity == Polarity.POSITIVE.value), Polarity.POSITIVE.value),
        (func.bool_and(opinion.polarity == Polarity.NEGATIVE.value), Polarity.NEGATIVE.value),
        else_=Polarity.MIXED.value,
    )
    return (
        select(opinion.book_id, opinion.aspect, stance.label("stance"))
        .where(condition)
        .group_by(opinion.book_id, opinion.review_id, opinion.aspect)
        .subquery()
    )


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
        "aspect": opinion.aspect.value,
        "polarity": opinion.polarity.value,
        "quote": opinion.quote,
    }


def _ratings(row: Row[Any]) -> Ratings:
    stars = (row.stars_1, row.stars_2, row.stars_3, row.stars_4, row.stars_5)
    return Ratings(row._mapping["count"], row.total, stars)


def _exemplar(row: Row[Any]) -> Exemplar:
    return Exemplar(row.review_id, Aspect(row.aspect), Polarity(row.polarity), row.quote)
