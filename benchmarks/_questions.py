"""Questions whose right answer is known, as readers spell them and misspell them."""

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import ascii_lowercase
from typing import Any
from uuid import UUID

import asyncpg

from app.shared.ids import new_id

ODD = (
    "the", "the of", "lantern", "a", "of", "of the", "zz", "%", "_%_", "%%%", '"', "''", "\\",
    "a & !b | (c", "<->", "OR", "-lantern", "книга о войне", "مرحبا بالعالم", "図書館", "書", "😀",
    "\u202etfel ot thgir", "x" * 500, "the " * 125, "ﷺ" * 500, "ß", "İ", "0%", "12", "978",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What is asked, and which titles or authors answer it."""

    asked: str
    field: str
    answer: str


async def asked_of(connection: asyncpg.Connection, number: int, seed: int) -> list[list[Any]]:
    """So many books of the library: title, author, isbn, tags."""
    rows = await connection.fetch(
        "SELECT title, author, isbn, tags FROM books WHERE isbn IS NOT NULL"
        " ORDER BY md5(id::text || $1) LIMIT $2",
        str(seed),
        number,
    )
    return [list(row) for row in rows]


def exactly(rows: Sequence[Sequence[Any]]) -> list[Known]:
    fields = ("title", "author", "isbn")
    return [Known(row[n], field, row[n]) for row in rows for n, field in enumerate(fields)]


def misspelt(rows: Sequence[Sequence[Any]], say: random.Random) -> list[Known]:
    """One edit in a word of the title or of the author."""
    fields = ("title", "author")
    return [
        Known(with_typo(row[n], say), field, row[n])
        for row in rows
        for n, field in enumerate(fields)
    ]


def with_typo(text: str, say: random.Random) -> str:
    """One letter more, less, another, or two swapped, in a word of four letters or more where
    there is one."""
    words = text.split()
    long = [n for n, word in enumerate(words) if len(word) >= 4] or range(len(words))
    at = say.choice(list(long))
    words[at] = _edited(words[at], say)
    return " ".join(words)


def _edited(word: str, say: random.Random) -> str:
    n, letter = say.randrange(len(word)), say.choice(ascii_lowercase)
    swapped = word[:n] + word[n + 1 : n + 2] + word[n] + word[n + 2 :]
    edits = [
        word[:n] + word[n + 1 :],
        word[:n] + letter + word[n:],
        word[:n] + letter + word[n + 1 :],
    ]
    return say.choice(
        [edit for edit in (*edits, swapped) if edit != word and edit] or [word + letter]
    )


async def shelve_titles(connection: asyncpg.Connection, listed: Path) -> list[list[Any]]:
    """Put the books of a file in the form of goodbooks-10k on the shelf; what they are."""
    with listed.open(encoding="utf-8", newline="") as file:
        rows = [_listed(row) for row in csv.DictReader(file)]
    books = [dict(_plain(new_id()), title=t, author=a, isbn=i) for t, a, i, _ in rows]
    await connection.copy_records_to_table(
        "books", records=[tuple(book.values()) for book in books], columns=list(books[0])
    )
    await connection.execute("ANALYZE books")
    return rows


def _listed(row: dict[str, str]) -> list[Any]:
    title = row["original_title"].strip() or row["title"]
    return [title[:500], row["authors"].split(",")[0], row["isbn"] or None, []]


def _plain(book: UUID) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "id": book, "title": "", "author": "", "isbn": None, "genres": [], "tags": [], "copies": 1,
        "created_at": now, "updated_at": now, "version": 1, "storage_key": f"books/{book}",
        "media_type": "text/plain", "size": 1, "sha256": f"{book.int:064x}", "filename": "b.txt",
        "ingestion_status": "ready", "ingestion_done": 1, "ingestion_planned": 1, "notes": [],
        "unsaid": [],
    }  # fmt: skip
