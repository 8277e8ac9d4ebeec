"""A library of invented books, put into the database as fast as it takes them."""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from app.domains.catalog.model import Book, Content, Ingestion
from app.shared.ids import new_id

GENRES = (
    "Fantasy Mystery Romance History Poetry Travel Horror Biography Philosophy Cookery Drama Essays"
).split()
NOUNS = (
    "lantern harbour orchard mirror glacier sparrow cathedral tide ember labyrinth meadow violin "
    "compass winter archive river"
).split()
ADJECTIVES = (
    "silent crooked golden forgotten hollow restless scarlet northern paper broken distant patient"
).split()
# As many different beginnings, middles and ends as a language has, or all words look alike to
# a search that forgives typos.
ONSETS = "b br c ch d dr f fl g gr h j k l m n p pl qu r s sh st t th tr v w z".split()
VOWELS = "a e i o u ai ea ou".split()
CODAS = "b d g l ld m n nd ng r rk s st t x".split() + [""] * 5
LANGUAGES = ("en", "en", "en", "de", "fr", "es")
_READERS = 500
_BATCH = 5_000


async def fill(
    database_url: str, *, books: int, passages: int, seed: int, texts: int | None = None
) -> None:
    """Books with copies, numbers of ratings, summaries and, `texts` of them, text; some copies
    are on loan."""
    say = random.Random(seed)
    vocabulary = [_name(say).lower() for _ in range(4000)]
    connection = await asyncpg.connect(database_url)
    try:
        readers = [new_id() for _ in range(_READERS)]
        await _copy(connection, "users", [_reader(reader) for reader in readers])
        made_later = await _without_word_indexes(connection)
        for first in range(0, books, _BATCH):
            shelved = [new_id() for _ in range(min(_BATCH, books - first))]
            await _shelve(connection, say, shelved, readers, vocabulary)
            told = shelved[: max((books if texts is None else texts) - first, 0)]
            await _copy(connection, "passages", list(_texts(say, told, passages, vocabulary)))
        for index in made_later:
            await connection.execute(index)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _without_word_indexes(connection: Any) -> list[str]:
    """Drop the indexes of words, which are made much faster when all is there; how."""
    rows = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes"
        " WHERE tablename IN ('books', 'passages') AND indexdef LIKE '%USING gin%'"
    )
    for row in rows:
        await connection.execute(f"DROP INDEX {row['indexname']}")
    return [row["indexdef"] for row in rows]


async def _shelve(
    connection: Any,
    say: random.Random,
    shelved: Sequence[UUID],
    readers: Sequence[UUID],
    vocabulary: Sequence[str],
) -> None:
    await _copy(connection, "books", [_book(say, book, vocabulary) for book in shelved])
    copies = [{"book_id": book, "number": n} for book in shelved for n in (1, 2)]
    await _copy(connection, "copies", copies)
    await _copy(connection, "rating_stats", [_ratings(say, book) for book in shelved[::2]])
    await _copy(connection, "summaries", [_summary(say, book) for book in shelved])
    await _copy(connection, "loans", list(_loans(say, shelved, readers)))


def _texts(
    say: random.Random, shelved: Sequence[UUID], passages: int, vocabulary: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for book in shelved:
        for n in range(passages):
            text = _sentences(say, vocabulary)
            yield {"book_id": book, "ordinal": n, "chapter": 0, "start": n * 1000, "text": text}


async def _copy(connection: Any, table: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        records = [tuple(row.values()) for row in rows]
        await connection.copy_records_to_table(table, records=records, columns=list(rows[0]))


def _reader(reader: UUID) -> dict[str, Any]:
    return {
        "id": reader,
        "email": f"{reader}@bench.test",
        "display_name": "Reader",
        "role": "member",
        "password_hash": "none",
        "created_at": datetime.now(UTC),
    }


def _book(say: random.Random, book: UUID, vocabulary: Sequence[str]) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(seconds=say.uniform(0, 1e8))
    return {
        "id": book,
        "title": f"The {say.choice(ADJECTIVES)} {say.choice(NOUNS)} of {_name(say)}".title(),
        "author": f"{_name(say)} {_name(say)}",
        "genres": say.sample(GENRES, say.randint(1, 3)),
        "year_published": say.randint(1800, 2026),
        "isbn": f"978{book.int % 10**10:010d}",
        "language": say.choice(LANGUAGES),
        "tags": say.sample(NOUNS, 3),
        "description": _sentences(say, vocabulary),
        "copies": 2,
        "created_at": at,
        "updated_at": at,
        "version": 1,
        "storage_key": f"books/{book}",
        "media_type": "application/epub+zip",
        "size": say.randint(10**5, 10**6),
        "sha256": f"{book.int:064x}",
        "filename": "book.epub",
        "ingestion_status": "ready",
        "ingestion_done": 1,
        "ingestion_planned": 1,
        "words": say.randint(20_000, 200_000),
        "notes": [],
        "unsaid": [],
    }


def invented_book(number: int) -> Book:
    """One more, as it would be shelved."""
    say, book = random.Random(number), new_id()
    vocabulary = [_name(say).lower() for _ in range(200)]
    given = _book(say, book, vocabulary)
    content = Content(*(given[c] for c in "storage_key media_type size sha256 filename".split()))
    plain = {name: given[name] for name in given if name in Book.__dataclass_fields__}
    return Book(**plain, added_by=None, content=content, ingestion=Ingestion("ready", 1, 1))


def _ratings(say: random.Random, book: UUID) -> dict[str, Any]:
    stars = [say.randint(0, 9) for _ in range(5)]
    total = sum(number * count for number, count in enumerate(stars, start=1))
    counts = {f"stars_{number}": count for number, count in enumerate(stars, start=1)}
    return {"book_id": book, "count": sum(stars), "total": total, **counts}


def _summary(say: random.Random, book: UUID) -> dict[str, Any]:
    told = {"summary": f"A {say.choice(ADJECTIVES)} story of a {say.choice(NOUNS)}."}
    return {
        "book_id": book,
        "run": new_id(),
        "status": "ready",
        "done": 1,
        "planned": 1,
        "presentation": json.dumps(told),
        "updated_at": datetime.now(UTC),
    }


def _loans(
    say: random.Random, shelved: Sequence[UUID], readers: Sequence[UUID]
) -> Iterator[dict[str, Any]]:
    """A tenth of the books have both copies out, and each book was lent twice before."""
    now = datetime.now(UTC)
    for number, book in enumerate(shelved):
        lent = say.sample(readers, 4)
        for copy, reader in enumerate(lent, start=-1):
            still_out = copy > 0
            if still_out and number % 10:
                continue
            yield {
                "id": new_id(),
                "book_id": book,
                "user_id": reader,
                "copy_number": copy if still_out else 1,
                "borrowed_at": now - timedelta(days=30),
                "due_at": now,
                "returned_at": None if still_out else now,
                "renewals": 0,
            }


def _name(say: random.Random) -> str:
    parts = (ONSETS, VOWELS, CODAS) * say.randint(1, 3)
    return "".join(map(say.choice, parts)).title()


def _sentences(say: random.Random, vocabulary: Sequence[str], words: int = 120) -> str:
    return " ".join(say.choices(vocabulary, k=words)).capitalize() + "."


def invented_text(say: random.Random, size: int) -> bytes:
    """A book of about so many bytes, with chapters and paragraphs of sentences."""
    vocabulary = [_name(say).lower() for _ in range(8000)]
    parts: list[str] = []
    written = 0
    while written < size:
        if len(parts) % 60 == 0:
            parts.append(f"Chapter {len(parts) // 60 + 1}")
        parts.append(" ".join(_sentences(say, vocabulary, say.randint(6, 24)) for _ in range(5)))
        written += len(parts[-1]) + 2
    return "\n\n".join(parts).encode()
