"""Vectors by the hundred thousand: invented ones, in clusters as near copies of real passages
make them, since a model would take days."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from app.bootstrap.library import Library
from app.domains.catalog.model import BookQuery
from app.domains.discovery.model import Space
from app.domains.discovery.ports import Within
from app.domains.discovery.service import Meanings, SearchService, Snippets
from app.ports.embeddings import EmbeddingCard, EmbeddingProvider, Kind
from benchmarks._machine import percentile

_DIMENSIONS = 384
_CLUSTERS = 10_000
_NEAR = 100
_QUESTIONS = 200
_CHECKED = 50
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_EXACTLY = "SET enable_indexscan = off; SET enable_bitmapscan = on"


class InventedMeanings(EmbeddingProvider):
    """Knows nothing and answers at once: a text lies by one of the clusters, by its hash."""

    def __init__(self) -> None:
        self._centres = np.random.default_rng(0).normal(size=(_CLUSTERS, _DIMENSIONS))

    @override
    async def card(self) -> EmbeddingCard:
        return EmbeddingCard("bench", "clusters", _DIMENSIONS)

    @override
    async def embed(self, texts: Sequence[str], *, kind: Kind) -> Sequence[Sequence[float]]:
        seeds = [int.from_bytes(blake2b(text.encode(), digest_size=4).digest()) for text in texts]
        return [self.near(np.random.default_rng(seed), 1)[0].tolist() for seed in seeds]

    @override
    async def close(self) -> None:
        """Nothing is held."""

    def near(self, say: np.random.Generator, number: int) -> NDArray[np.float64]:
        """So many vectors of length 1, each by a centre of its own choice."""
        chosen = self._centres[say.integers(_CLUSTERS, size=number)]
        found = chosen + 0.7 * say.normal(size=(number, _DIMENSIONS))
        lengths: NDArray[np.float64] = np.linalg.norm(found, axis=1, keepdims=True)
        return found / lengths


def meaning(library: Library) -> Library:
    """The same library, searched by meaning too."""
    services = library.services
    both = SearchService(
        begin=library.adapters.discovery_work,
        shelving=services.shelving,
        snippets=Snippets(),
        meanings=Meanings(InventedMeanings()),
    )
    return replace(library, services=replace(services, search=both))


async def measured(library: Library, connection: Any) -> str:
    """Fill in what vectors are missing, and see how fast and how truly the nearest are found."""
    model = InventedMeanings()
    card = await model.card()
    number = await connection.fetchval("SELECT count(*) FROM passage_vectors")
    built = "Built before."
    if not number:
        built = await _built(connection, model, card)
    async with library.adapters.discovery_work() as work:
        space = await work.vectors.open(card.reference, card.dimensions)
    assert space
    asked = model.near(np.random.default_rng(1), _QUESTIONS).tolist()
    lines = ["| the nearest 100 | p50 ms | p95 ms | slowest |", "|---|---|---|---|"]
    kinds = {
        "of all": Within(),
        "of a language all books have": Within(BookQuery(language="en")),
        "of one book": Within(book_id=await connection.fetchval("SELECT id FROM books LIMIT 1")),
    }
    for name, within in kinds.items():
        times = [await _timed(library, space, vector, within) for vector in asked]
        p50, p95 = percentile(times, 0.5), percentile(times, 0.95)
        lines.append(f"| {name} | {p50:.0f} | {p95:.0f} | {max(times) * 1000:.0f} |")
    truth = await _truth(library, connection, space, asked[:_CHECKED])
    return "\n\n".join([f"{built} {await _sizes(connection)} {truth}", "\n".join(lines)])


async def _built(connection: Any, model: InventedMeanings, card: EmbeddingCard) -> str:
    """The index is made when all is there, as for a restored library."""
    number = await connection.fetchval(
        "INSERT INTO embedding_models (reference, dimensions) VALUES ($1, $2) RETURNING id",
        card.reference,
        card.dimensions,
    )
    places = await connection.fetch("SELECT book_id, ordinal FROM passages ORDER BY 1, 2")
    began = time.perf_counter()
    columns = ["book_id", "ordinal", "model", "content", "vector"]
    await connection.copy_to_table(
        "passage_vectors", source=_rows(model, places, number), columns=columns, format="binary"
    )
    copied = time.perf_counter() - began
    await connection.execute("SET maintenance_work_mem = '1GB'")
    began = time.perf_counter()
    await connection.execute(
        f"CREATE INDEX ix_passage_vectors_nearest_{number} ON passage_vectors USING hnsw"
        f" ((vector::halfvec({_DIMENSIONS})) halfvec_ip_ops) WHERE model = {number}"
    )
    indexed = time.perf_counter() - began
    await connection.execute("VACUUM ANALYZE passage_vectors")
    rate = len(places) / indexed
    return f"Copied in {copied:.0f} s, index built in {indexed:.0f} s ({rate:,.0f} a second)."


async def _rows(model: InventedMeanings, places: Sequence[asyncpg.Record], number: int) -> Any:
    """PostgreSQL's binary COPY format."""
    say = np.random.default_rng(2)
    yield _HEADER
    for first in range(0, len(places), 1000):
        some = places[first : first + 1000]
        yield b"".join(_encoded(some, model.near(say, len(some)), number))
    yield (-1).to_bytes(2, signed=True)


def _encoded(
    places: Sequence[asyncpg.Record], vectors: NDArray[np.float64], number: int
) -> Iterator[bytes]:
    for place, vector in zip(places, vectors.astype(">f2"), strict=True):
        said = _DIMENSIONS.to_bytes(2) + bytes(2) + vector.tobytes()
        content = blake2b(vector.tobytes(), digest_size=16).digest()
        book, ordinal = place["book_id"].bytes, place["ordinal"].to_bytes(4)
        fields = [book, ordinal, number.to_bytes(2), content, said]
        yield len(fields).to_bytes(2) + b"".join(len(f).to_bytes(4) + f for f in fields)


async def _timed(library: Library, space: Space, vector: Sequence[float], within: Within) -> float:
    began = time.perf_counter()
    async with library.adapters.discovery_work() as work:
        await work.vectors.nearest(space, vector, _NEAR, within)
    return time.perf_counter() - began


async def _truth(
    library: Library, connection: Any, space: Space, asked: Sequence[Sequence[float]]
) -> str:
    """The share of the truly nearest ten that are among those found."""
    await connection.execute(_EXACTLY)
    found = 0
    for vector in asked:
        async with library.adapters.discovery_work() as work:
            near = await work.vectors.nearest(space, vector, _NEAR, Within())
        mine = {(str(hit.place.book_id), hit.place.ordinal) for hit in near}
        rows = await connection.fetch(
            "SELECT book_id, ordinal FROM passage_vectors WHERE model = $1"
            f" ORDER BY vector::halfvec({_DIMENSIONS}) <#> CAST($2::text AS halfvec) LIMIT 10",
            space.number,
            str(list(vector)),
        )
        found += sum((str(row["book_id"]), row["ordinal"]) in mine for row in rows)
    return f"Of the truly nearest ten {found / len(asked) / 10:.1%} are found."


async def _sizes(connection: Any) -> str:
    row = await connection.fetchrow(
        "SELECT count(*) AS vectors, pg_table_size('passage_vectors') AS rows,"
        " (SELECT sum(pg_relation_size(indexrelid))::float FROM pg_stat_user_indexes"
        "  WHERE indexrelname LIKE 'ix_passage_vectors_nearest%') AS index FROM passage_vectors"
    )
    return (
        f"{row['vectors']:,} vectors of {_DIMENSIONS} numbers: {row['rows'] / 1e6:,.0f} MB, their"
        f" index {row['index'] / 1e6:,.0f} MB."
    )
