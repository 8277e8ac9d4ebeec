"""The sums of reviews in Postgres: stars and views, changed by what one review adds or takes."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Subquery,
    and_,
    bindparam,
    case,
    delete,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.adapters.postgres.tables.reviews import (
    aspect_stats,
    rating_stats,
    review_opinions,
    reviews,
)
from app.domains.reviews.model import (
    AspectCount,
    Exemplar,
    Polarity,
    Ratings,
    Review,
    Standing,
    ranked_counts,
)
from app.domains.reviews.model.topics import FREE, MOST_TAGS, PROMOTED_AT, topics_of

_STARS = [f"stars_{n}" for n in range(1, 6)]
_READERS_AN_EXEMPLAR = 2

_FREE = aspect_stats.c.aspect.startswith(FREE, autoescape=True)
_OF_BOOK = select(aspect_stats).where(aspect_stats.c.book_id == bindparam("book_id"))
_READERS = aspect_stats.c.positive + aspect_stats.c.negative + aspect_stats.c.mixed
_COUNTS = (
    _OF_BOOK.where(~_FREE),
    _OF_BOOK.where(_FREE)
    .order_by(_READERS.desc(), aspect_stats.c.aspect.collate("C"))
    .limit(MOST_TAGS),
)

# A reader appears twice at most (with a sentence of handy length, and with another), so four
# rows hold two readers.
_EXEMPLARS = text(
    """
    SELECT s.aspect, p.polarity, e.telling, e.review_id, e.sentence, e.quote
    FROM aspect_stats s
    CROSS JOIN (VALUES ('positive'), ('negative'), ('mixed')) AS p (polarity)
    CROSS JOIN LATERAL (
      SELECT DISTINCT ON (o.telling, o.review_id) o.telling, o.review_id, o.sentence, o.quote
      FROM review_opinions o
      WHERE o.book_id = s.book_id AND o.aspect = s.aspect AND o.polarity = p.polarity
      ORDER BY o.telling DESC, o.review_id DESC, o.sentence DESC
      LIMIT 4) AS e
    WHERE s.book_id = :book_id
      AND (s.aspect NOT LIKE 'other:%' OR s.aspect = ANY (CAST(:tags AS text[])))
    """
)
_READ = text(
    """
    SELECT count(*) FILTER (WHERE read_revision = revision) AS readers,
           coalesce(bool_or(read_degraded), false) AS degraded,
           mode() WITHIN GROUP (ORDER BY language COLLATE "C") AS language
    FROM reviews WHERE book_id = :book_id
    """
)
# A reader counts once for a topic, by whatever words.
_TOPICS = text(
    """
    SELECT topic,
           count(*) FILTER (WHERE praises AND NOT blames) AS positive,
           count(*) FILTER (WHERE blames AND NOT praises) AS negative,
           count(*) FILTER (WHERE praises = blames) AS mixed
    FROM (SELECT t.topic,
                 bool_or(o.polarity <> 'negative') AS praises,
                 bool_or(o.polarity <> 'positive') AS blames
          FROM unnest(CAST(:tags AS text[]), CAST(:topics AS text[])) AS t (tag, topic)
          JOIN review_opinions o ON o.book_id = :book_id AND o.aspect = t.tag
          GROUP BY t.topic, o.review_id) AS views
    GROUP BY topic
    HAVING count(*) >= :readers
    """
)


class ReviewSums:
    """What is counted of the reviews of a book, in the transaction of a session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def ratings(self, book_id: UUID) -> Ratings:
        query = select(rating_stats).where(rating_stats.c.book_id == book_id)
        row = (await self._session.execute(query)).one_or_none()
        return _ratings(row) if row else Ratings()

    async def standing(self, book_id: UUID) -> Standing:
        counts, tags = await self._counts(book_id)
        ranked = ranked_counts([*counts, *await self._topic_counts(book_id, topics_of(tags))])
        row = (await self._session.execute(_READ, {"book_id": book_id})).one()
        ratings = await self.ratings(book_id)
        return Standing(ratings, ranked, row.readers, row.degraded, row.language)

    async def exemplars(self, book_id: UUID) -> Sequence[Exemplar]:
        topics = topics_of((await self._counts(book_id))[1])
        found = await self._session.execute(_EXEMPLARS, {"book_id": book_id, "tags": list(topics)})
        views: dict[tuple[str, str], dict[UUID, Exemplar]] = {}
        for row in sorted(found, key=_newest_first, reverse=True):
            aspect = topics.get(row.aspect, row.aspect)
            readers = views.setdefault((aspect, row.polarity), {})
            if row.review_id not in readers and len(readers) < _READERS_AN_EXEMPLAR:
                readers[row.review_id] = _exemplar(row, aspect)
        return [views[view][reader] for view in sorted(views) for reader in views[view]]

    async def rebuild(self, book_id: UUID) -> bool:
        before = await self._all(book_id)
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
        return await self._all(book_id) != before

    async def uncount(self, review: Review) -> None:
        await self.drop_opinions(review)
        await self.count_stars(review, -1)

    async def drop_opinions(self, review: Review) -> None:
        mine = review_opinions.c.review_id == review.id
        await self._count_views(_stances(mine), -1)
        await self._session.execute(delete(review_opinions).where(mine))
        unspoken = [aspect_stats.c[polarity] == 0 for polarity in Polarity]
        await self._session.execute(
            delete(aspect_stats).where(aspect_stats.c.book_id == review.book_id, *unspoken)
        )

    async def count_stars(self, review: Review, sign: int) -> None:
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

    async def count_views_of(self, review: Review) -> None:
        await self._count_views(_stances(review_opinions.c.review_id == review.id), 1)

    async def _all(self, book_id: UUID) -> list[tuple[Any, ...]]:
        found = [
            await self._session.execute(select(stats).where(stats.c.book_id == book_id))
            for stats in (rating_stats, aspect_stats)
        ]
        return sorted((tuple(row) for rows in found for row in rows), key=str)

    async def _counts(self, book_id: UUID) -> tuple[list[AspectCount], dict[str, int]]:
        """The counts of the aspects of our list, and how many readers use which free tag: of
        the most used ones."""
        ours, free = [await self._session.execute(query, {"book_id": book_id}) for query in _COUNTS]
        tags = {row.aspect: row.positive + row.negative + row.mixed for row in free}
        return [AspectCount(r.aspect, r.positive, r.negative, r.mixed) for r in ours], tags

    async def _topic_counts(self, book_id: UUID, topics: Mapping[str, str]) -> list[AspectCount]:
        if not topics:
            return []
        values = {
            "book_id": book_id,
            "tags": list(topics),
            "topics": list(topics.values()),
            "readers": PROMOTED_AT,
        }
        rows = await self._session.execute(_TOPICS, values)
        return [AspectCount(r.topic, r.positive, r.negative, r.mixed) for r in rows]


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


def _ratings(row: Row[Any]) -> Ratings:
    stars = (row.stars_1, row.stars_2, row.stars_3, row.stars_4, row.stars_5)
    return Ratings(row._mapping["count"], row.total, stars)


def _newest_first(row: Row[Any]) -> tuple[Any, ...]:
    return row.telling, row.review_id, row.sentence, row.aspect


def _exemplar(row: Row[Any], aspect: str) -> Exemplar:
    return Exemplar(row.review_id, aspect, Polarity(row.polarity), row.quote, row.sentence)
