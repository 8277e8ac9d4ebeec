"""Ways to find passages, side by side: what others do in Postgres, BM25 in memory, and ours."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from app.domains.catalog.model import BookQuery
from app.domains.discovery.model import Place
from app.domains.discovery.ports import DiscoveryWork, Within
from app.domains.discovery.service import SearchService
from app.ports.embeddings import EmbeddingProvider

Find = Callable[[str, int], Awaitable[Sequence[Place]]]
_CONFIG = "lumina_en"


def every_word(connection: Any) -> Find:
    """All words of the question in one passage, as web searches ask for it: ts_rank, 32."""
    return _ranked(connection, f"websearch_to_tsquery('{_CONFIG}', $1)", 32)


def any_word(connection: Any) -> Find:
    """Any word of the question: ts_rank divided by the logarithm of the length."""
    query = f"replace(plainto_tsquery('{_CONFIG}', $1)::text, '&', '|')::tsquery"
    return _ranked(connection, query, 1)


def ours(search: SearchService) -> Find:
    async def find(question: str, k: int) -> Sequence[Place]:
        return [p.first for p in await search.passages_for(question, BookQuery(), k)]

    return find


def meant(begin: Callable[[], DiscoveryWork], model: EmbeddingProvider) -> Find:
    """The nearest by meaning alone."""

    async def find(question: str, k: int) -> Sequence[Place]:
        (vector,) = await model.embed([question], kind="query")
        async with begin() as work:
            space = await work.vectors.space_of((await model.card()).reference)
            assert space
            near = await work.vectors.nearest(space, vector, k, Within())
        return [hit.place for hit in near]

    return find


def by_rank(one: Find, other: Find, weight: float) -> Find:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009), constant 60, of 100 each."""

    async def find(question: str, k: int) -> Sequence[Place]:
        scores: dict[Place, float] = defaultdict(float)
        for way, share in ((one, 1.0), (other, weight)):
            for rank, place in enumerate(await way(question, 100), start=1):
                scores[place] += share / (60 + rank)
        return sorted(scores, key=lambda place: (-scores[place], place))[:k]

    return find


async def bm25(connection: Any) -> Find:
    """BM25 (Lucene's, k1 1.5, b 0.75) over the very lexemes Postgres makes, in memory."""
    import bm25s

    rows = await connection.fetch(
        "SELECT book_id, ordinal, ARRAY(SELECT l.lexeme FROM unnest(words) AS l,"
        " unnest(l.positions)) AS said FROM indexed_passages ORDER BY book_id, ordinal"
    )
    places = [Place(UUID(str(row["book_id"])), row["ordinal"]) for row in rows]
    retriever = bm25s.BM25()
    retriever.index([row["said"] for row in rows], show_progress=False)

    async def find(question: str, k: int) -> Sequence[Place]:
        said = await connection.fetchval(
            f"SELECT tsvector_to_array(to_tsvector('{_CONFIG}', $1))", question
        )
        if not said:
            return []
        numbers, scores = retriever.retrieve([said], k=min(k, len(places)), show_progress=False)
        best = zip(numbers[0], scores[0], strict=True)
        return [places[int(number)] for number, score in best if score > 0]

    return find


def _ranked(connection: Any, query: str, norm: int) -> Find:
    statement = (
        "SELECT book_id, ordinal FROM indexed_passages,"
        f" (SELECT {query} AS q OFFSET 0) AS asked WHERE words @@ q"
        f" ORDER BY ts_rank(words, q, {norm}) DESC, book_id, ordinal LIMIT $2"
    )

    async def find(question: str, k: int) -> Sequence[Place]:
        rows: list[asyncpg.Record] = await connection.fetch(statement, question, k)
        return [Place(UUID(str(row["book_id"])), row["ordinal"]) for row in rows]

    return find
