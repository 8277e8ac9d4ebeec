"""Books asked for by what they are called, exactly and with a typo."""

import random
import time
from collections.abc import Sequence
from typing import Any

from app.bootstrap.library import Library
from app.domains.accounts.model import User
from app.domains.catalog.model import BookQuery
from app.domains.discovery.model import BookHit
from benchmarks._machine import percentile

_NAMES = 200


async def asked_by_name(library: Library, connection: Any, reader: User, say: random.Random) -> str:
    """Exact names and names with one edit: how often the book is first."""
    rows = await connection.fetch("SELECT id, title, author FROM books ORDER BY id")
    chosen = say.sample(rows, min(_NAMES, len(rows)))
    for number, row in enumerate(chosen):
        isbn = f"978{number:09d}"
        check = str(-sum(int(d) * (1, 3)[i % 2] for i, d in enumerate(isbn)) % 10)
        say_isbn = "UPDATE books SET isbn = $1 WHERE id = $2"
        await connection.execute(say_isbn, isbn + check, row["id"])
    chosen = [await connection.fetchrow(_NAMED, row["id"]) for row in chosen]
    lines = ["| asked by | first | asked | p95 ms |", "|---|---|---|---|"]
    for name, asks in (
        ("title", lambda row: row["title"]),
        ("author", lambda row: row["author"]),
        ("ISBN", lambda row: row["isbn"]),
        ("title, one edit", lambda row: _edited(say, row["title"])),
    ):
        lines.append(await _first(library, reader, name, [(row, asks(row)) for row in chosen]))
    return "\n".join(lines)


_NAMED = "SELECT id, title, author, isbn FROM books WHERE id = $1"


async def _first(
    library: Library, reader: User, name: str, asked: Sequence[tuple[Any, str]]
) -> str:
    times, first = [], 0
    for row, question in asked:
        began = time.perf_counter()
        answer = await library.services.search.search(reader, question, "all", BookQuery(), 10)
        times.append(time.perf_counter() - began)
        best = answer.hits[0] if answer.hits else None
        first += isinstance(best, BookHit) and str(best.view.book.id) == str(row["id"])
    return f"| {name} | {first} | {len(asked)} | {percentile(times, 0.95):.0f} |"


def _edited(say: random.Random, name: str) -> str:
    """One letter left out, doubled, another, or two in the wrong order."""
    place = say.randrange(len(name) - 1)
    before, one, two, behind = name[:place], name[place], name[place + 1], name[place + 2 :]
    return say.choice(
        [before + two + behind, before + one + one + two + behind,
         before + "x" + two + behind, before + two + one + behind]
    )  # fmt: skip
