"""A library with the text of many books: real ones, cut up and perturbed."""

import random
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from app.domains.catalog.service.passages import passages_of_text
from app.shared.ids import new_id
from benchmarks._tales import Tale

PASSAGES = 40
# Of the words of a passage, replaced by others from anywhere in the texts.
_CHANGED = 0.05
_AT_ONCE = 250
_WORD = re.compile(r"[A-Za-z]{3,}")


async def fill_with_tales(connection: Any, tales: Sequence[Tale]) -> dict[str, UUID]:
    """The tales as English books; their ids by name."""
    ids = {tale.name: new_id() for tale in tales}
    rows = [_titled(ids[tale.name], tale.title, "Anonymous") for tale in tales]
    await _put(connection, "books", rows)
    texts = [
        _passage(ids[tale.name], number, passage.start, passage.text)
        for tale in tales
        for number, passage in enumerate(tale.passages)
    ]
    await _put(connection, "passages", texts)
    return ids


async def fill_with_copies(
    connection: Any, texts: Sequence[str], *, books: int, seed: int
) -> AsyncIterator[Sequence[UUID]]:
    """So many books of 40 passages each, a stretch of a real text with every twentieth word
    another one; the ids of those that were put in, some at a time."""
    say = random.Random(seed)
    cut = [[p.text for p in passages_of_text(text)] for text in texts]
    words = sorted({word for text in texts for word in _WORD.findall(text)})
    for done in range(0, books, _AT_ONCE):
        ids = [new_id() for _ in range(min(_AT_ONCE, books - done))]
        rows = [_titled(each, _title(say, words), _title(say, words)) for each in ids]
        await _put(connection, "books", rows)
        await _put(connection, "passages", list(_copies(say, ids, cut, words)))
        yield ids


def texts_of(folder: Path) -> list[str]:
    return [path.read_text("utf-8", "replace") for path in sorted(folder.glob("*.txt"))]


def _copies(
    say: random.Random, ids: Sequence[UUID], cut: Sequence[Sequence[str]], words: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for book in ids:
        source = say.choice(cut)
        first = say.randrange(max(1, len(source) - PASSAGES))
        start = 0
        for number in range(PASSAGES):
            text = _perturbed(say, source[(first + number) % len(source)], words)
            yield _passage(book, number, start, text)
            start += len(text)


def _perturbed(say: random.Random, text: str, words: Sequence[str]) -> str:
    parts = text.split(" ")
    for _ in range(int(len(parts) * _CHANGED)):
        parts[int(say.random() * len(parts))] = words[int(say.random() * len(words))]
    return " ".join(parts)


def _passage(book: UUID, number: int, start: int, text: str) -> dict[str, Any]:
    return {"book_id": book, "ordinal": number, "chapter": 0, "start": start, "text": text}


def _titled(book: UUID, title: str, author: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "id": book,
        "title": title,
        "author": author,
        "language": "en",
        **{name: [] for name in ("genres", "tags", "notes", "unsaid")},
        **dict.fromkeys(("copies", "version", "size"), 1),
        **dict.fromkeys(("ingestion_done", "ingestion_planned"), 1),
        **dict.fromkeys(("created_at", "updated_at"), now),
        "storage_key": f"books/{book}",
        "media_type": "text/plain",
        "sha256": str(book),
        "filename": "book.txt",
        "ingestion_status": "ready",
    }


def _title(say: random.Random, words: Sequence[str]) -> str:
    return " ".join(say.choices(words, k=say.randint(2, 4))).title()


async def _put(connection: Any, table: str, rows: Sequence[dict[str, Any]]) -> None:
    records = [tuple(row.values()) for row in rows]
    await connection.copy_records_to_table(table, records=records, columns=list(rows[0]))
