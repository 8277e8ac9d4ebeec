"""The text of the books by its meaning, in Postgres with pgvector.

All models share a table and each has an index of its own over its rows, on the vectors cast to
its length: models are built side by side, and one is dropped without a look at the others.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    Text,
    cast,
    literal_column,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.candidates import few_books
from app.adapters.postgres.known_books import of_kind
from app.adapters.postgres.planning import PLAN_EACH, timed
from app.adapters.postgres.tables.catalog import books
from app.adapters.postgres.tables.vectors import HalfVector, passage_vectors
from app.domains.discovery.model import Place, Ranked, Space, Unembedded
from app.domains.discovery.ports import PassageVectors, Within

# pgvector indexes half vectors up to this length; longer ones are compared one by one.
_MOST_DIMENSIONS = 4000
_CONTENT_BYTES = 16
# Vectors an index looks at from each side; more find nearer ones, and take longer.
_EFFORT = 200

_OPEN = text("SELECT lumina_open_vectors()")
_SPACE = text("SELECT id, dimensions FROM embedding_models WHERE reference = :reference")
_NEW = text(
    "INSERT INTO embedding_models (reference, dimensions) VALUES (:reference, :dimensions)"
    " ON CONFLICT DO NOTHING"
)
_IN_USE = text(
    "UPDATE embedding_models SET used_at = now()"
    " WHERE id = :number AND used_at < now() - interval '1 hour'"
)
_UNUSED = text(
    "SELECT id FROM embedding_models WHERE id <> :number AND used_at < now() - interval '1 day'"
)
_INDEX = """
    CREATE INDEX {index} ON passage_vectors
    USING hnsw ((vector::halfvec({dimensions})) halfvec_ip_ops) WHERE model = {number}
    """
# Nobody waits for an index as one does for an answer.
_AT_LEISURE = text("SELECT set_config('statement_timeout', '0', true)")
_CONTENT = f"substr(sha256(convert_to(passages.text, 'UTF8')), 1, {_CONTENT_BYTES})"
_WITHOUT = """
    FROM passages WHERE book_id = :book_id AND NOT EXISTS (
      SELECT FROM passage_vectors AS mine WHERE mine.book_id = passages.book_id
      AND mine.ordinal = passages.ordinal AND mine.model = :number)
    """
_MISSING = text(
    f"""
    SELECT ordinal, text, EXISTS (
      SELECT FROM passage_vectors AS other
      WHERE other.model = :number AND other.content = last.content) AS known
    FROM (SELECT ordinal, text, {_CONTENT} AS content {_WITHOUT}
          ORDER BY ordinal DESC LIMIT :at_most) AS last
    ORDER BY ordinal
    """  # noqa: S608
)
_LEFT = text(f"SELECT count(*) {_WITHOUT}")
# The passage must be the one that was embedded, and stay until this is through.
_WRITE = text(
    f"""
    INSERT INTO passage_vectors (book_id, ordinal, model, content, vector)
    SELECT passages.book_id, passages.ordinal, :number, given.content, made.vector
    FROM unnest(CAST(:ordinals AS integer[]), CAST(:contents AS bytea[]),
                CAST(:vectors AS text[])) AS given (ordinal, content, vector)
    JOIN passages ON passages.book_id = :book_id AND passages.ordinal = given.ordinal
      AND {_CONTENT} = given.content
    CROSS JOIN LATERAL (
      SELECT coalesce(CAST(given.vector AS halfvec), (
        SELECT vector FROM passage_vectors AS other
        WHERE other.model = :number AND other.content = given.content LIMIT 1)) AS vector
    ) AS made
    WHERE made.vector IS NOT NULL
    FOR KEY SHARE OF passages
    ON CONFLICT DO NOTHING
    RETURNING ordinal
    """  # noqa: S608
)
_UNFINISHED = text(
    """
    SELECT books.id FROM books JOIN passages ON book_id = books.id AND ordinal = 0
    WHERE (CAST(:after AS uuid) IS NULL OR books.id > :after) AND NOT EXISTS (
      SELECT FROM passage_vectors AS mine
      WHERE mine.book_id = books.id AND mine.ordinal = 0 AND mine.model = :number)
    ORDER BY books.id LIMIT :at_most
    """
)
# Waiting for the table's lock, this would keep everybody else waiting.
_HURRY = text("SELECT set_config('lock_timeout', '2s', true)")
_DROP = text(
    """
    DELETE FROM passage_vectors WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM passage_vectors WHERE model = :number LIMIT :at_most))
    RETURNING ordinal
    """
)
_FORGET = text("DELETE FROM embedding_models WHERE id = :number")
_SEARCHING = text(
    "SELECT set_config('hnsw.ef_search', :effort, true),"
    " set_config('hnsw.iterative_scan', 'relaxed_order', true)"
)


class SqlPassageVectors(PassageVectors):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def space_of(self, reference: str) -> Space | None:
        row = (await self._session.execute(_SPACE, {"reference": reference})).one_or_none()
        return Space(row.id, row.dimensions) if row else None

    @override
    async def open(self, reference: str, dimensions: int) -> Space | None:
        if not await self._session.scalar(_OPEN):
            return None
        space = await self.space_of(reference)
        if space is None:
            await self._session.execute(_NEW, {"reference": reference, "dimensions": dimensions})
            space = await self.space_of(reference)
        assert space
        await self._session.execute(_IN_USE, {"number": space.number})
        await self._index(space)
        return space

    @override
    async def missing(self, space: Space, book_id: UUID, at_most: int) -> Sequence[Unembedded]:
        values = {"number": space.number, "book_id": book_id, "at_most": at_most}
        rows = await self._session.execute(_MISSING, values)
        return [Unembedded(row.ordinal, row.text, row.known) for row in rows]

    @override
    async def left(self, space: Space, book_id: UUID) -> int:
        values = {"number": space.number, "book_id": book_id}
        return (await self._session.scalar(_LEFT, values)) or 0

    @override
    async def write(
        self, space: Space, book_id: UUID, vectors: Mapping[Unembedded, Sequence[float] | None]
    ) -> int:
        values = {
            "number": space.number,
            "book_id": book_id,
            "ordinals": [passage.ordinal for passage in vectors],
            "contents": [_content(passage.text) for passage in vectors],
            "vectors": [_said(vector) if vector else None for vector in vectors.values()],
        }
        return len((await self._session.execute(_WRITE, values)).all())

    @override
    async def unfinished(self, space: Space, after: UUID | None, at_most: int) -> Sequence[UUID]:
        values = {"number": space.number, "after": after, "at_most": at_most}
        return list(await self._session.scalars(_UNFINISHED, values))

    @override
    async def nearest(
        self, space: Space, vector: Sequence[float], k: int, within: Within
    ) -> Sequence[Ranked]:
        await self._session.execute(PLAN_EACH)
        await self._session.execute(_SEARCHING, {"effort": str(max(k, _EFFORT))})
        with timed():
            rows = await self._session.execute(await self._near(space, vector, k, within))
        found = [Ranked(Place(row.book_id, row.ordinal), -row.apart) for row in rows]
        return sorted(found, key=lambda hit: (-hit.score, hit.place))

    @override
    async def forget_others(self, space: Space, at_most: int) -> int:
        unused = (await self._session.scalars(_UNUSED, {"number": space.number})).first()
        if unused is None:
            return 0
        await self._session.execute(_HURRY)
        await self._session.execute(text(f"DROP INDEX IF EXISTS {_index_of(unused)}"))
        values = {"number": unused, "at_most": at_most}
        gone = len((await self._session.execute(_DROP, values)).all())
        if not gone:
            await self._session.execute(_FORGET, {"number": unused})
        return gone

    async def _index(self, space: Space) -> None:
        index = _index_of(space.number)
        there = await self._session.scalar(text("SELECT to_regclass(:index)"), {"index": index})
        if there is None and space.dimensions <= _MOST_DIMENSIONS:
            made = _INDEX.format(index=index, dimensions=space.dimensions, number=space.number)
            await self._session.execute(_AT_LEISURE)
            await self._session.execute(text(made))

    async def _near(
        self, space: Space, vector: Sequence[float], k: int, within: Within
    ) -> Select[Any]:
        filters = of_kind(within.books)
        here = [within.book_id] if within.book_id else await few_books(self._session, filters)
        columns = [passage_vectors.c[name] for name in ("book_id", "ordinal", "vector")]
        # Said and not bound, as it is said of the index.
        of_model = passage_vectors.c.model == literal_column(str(space.number))
        if here is not None:
            # A barrier, else the index of all books would be looked through.
            of_books = passage_vectors.c.book_id.in_(here)
            few = select(*columns).where(of_model, of_books).offset(0).subquery()
            return _by_distance(few, space, vector, k)
        found = _by_distance(passage_vectors, space, vector, k).where(of_model)
        if filters:
            found = found.join(books, books.c.id == passage_vectors.c.book_id).where(*filters)
        return found


def _by_distance(found: Any, space: Space, vector: Sequence[float], k: int) -> Select[Any]:
    """The nearest first: of vectors of length 1 the inner product is the cosine."""
    length = HalfVector(space.dimensions)
    apart: ColumnElement[float] = cast(found.c.vector, length).op("<#>", return_type=Float())(
        cast(cast(_said(vector), Text), length)
    )
    return select(found.c.book_id, found.c.ordinal, apart.label("apart")).order_by(apart).limit(k)


def _index_of(number: int) -> str:
    return f"ix_passage_vectors_nearest_{number:d}"


def _content(said: str) -> bytes:
    return sha256(said.encode()).digest()[:_CONTENT_BYTES]


def _said(vector: Sequence[float]) -> str:
    """As pgvector reads it."""
    return f"[{','.join(f'{number:.5g}' for number in vector)}]"
