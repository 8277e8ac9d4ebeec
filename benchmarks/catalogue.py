"""How fast the shelves are browsed: GET /books against the same SQL behind a bare ASGI route.

The library is a real server process with a Postgres of its own, filled with invented books.
Each floor runs the very statements the library runs, on the same engine settings, and sends
as many bytes: one without any sign-in, one that reads the session first, as every request of
the library does. What is left between that and the library is its own Python: the gate, the
token, validation, the mapping of rows and the writing of JSON.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import asyncpg

from benchmarks._machine import facts, percentile, record
from benchmarks._serving import (
    Connection,
    Served,
    bare_served,
    connected,
    library_served,
    loaded,
    temporary_home,
)
from benchmarks._shelves import GENRES, fill

LIMIT = 20
CONCURRENCIES = (1, 8)
ROUNDS = 3
# Seconds; what takes longer is not asked again and again, whatever the floor would be.
_SLOW = 2
LIBRARY, FLOOR, SIGNED_IN = "library", "same SQL", "same SQL, signed in"


@dataclass(frozen=True, slots=True)
class Case:
    """A request for a page, `size` bytes of which come back."""

    name: str
    query: dict[str, Any]
    cursor: str | None
    size: int

    @property
    def path(self) -> str:
        return _path(self.query, self.cursor)


@dataclass(slots=True)
class Row:
    case: str
    concurrency: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    refused: str | None = None

    def line(self) -> str:
        if self.refused:
            return f"| {self.case} | {self.concurrency} | {self.refused} | | | | | |"
        p50 = {rival: percentile(times, 0.5) for rival, times in self.seconds.items()}
        p95 = {rival: percentile(times, 0.95) for rival, times in self.seconds.items()}
        shown = " | ".join(f"{p50[r]:.1f} / {p95[r]:.1f}" for r in (LIBRARY, SIGNED_IN, FLOOR))
        ratios = f"{p50[LIBRARY] / p50[FLOOR]:.2f} | {p95[LIBRARY] / p95[FLOOR]:.2f}"
        own = f"{p50[LIBRARY] / p50[SIGNED_IN]:.2f}"
        return f"| {self.case} | {self.concurrency} | {shown} | {ratios} | {own} |"


def main(argv: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="bench catalogue", description=__doc__)
    parser.add_argument("--books", type=int, default=10_000)
    parser.add_argument("--passages", type=int, default=3, help="of text, for each book")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each of three rounds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    options = parser.parse_args(arguments)
    report = asyncio.run(_measured(options))
    print(report)
    if options.record:
        record("catalogue", [word for word in arguments if word != "--record"], report)
    return 0


async def _measured(options: argparse.Namespace) -> str:
    with temporary_home() as home:
        async with library_served(home) as served:
            headers = await served.sign_in()
            await fill(
                served.database_url,
                books=options.books,
                passages=options.passages,
                seed=options.seed,
            )
            cases = await _cases(served, headers, options.books)
            plan = await _plan(served, cases)
            async with bare_served("replaying", home, plan) as floor:
                rows = [
                    await _compared(served, floor, headers, number, case, at_once, options.seconds)
                    for number, case in enumerate(cases)
                    for at_once in CONCURRENCIES
                ]
            return _report(rows, await facts(served.database_url), options)


async def _cases(served: Served, headers: dict[str, str], books: int) -> list[Case]:
    async with connected(served.port, 1) as (connection,):
        deep = await _cursor_at(connection, headers, books * 9 // 10)
        in_text = await _words_of_a_text(served.database_url)
        wanted: list[tuple[str, dict[str, Any], str | None]] = [
            ("first page", {}, None),
            ("page at 90 %", {}, deep),
            ("genre", {"genre": GENRES[0]}, None),
            ("available, newest", {"available": True, "sort": "-created_at"}, None),
            ("q: a word of a title", {"q": "lantern"}, None),
            ("q: a title with a typo", {"q": "forgoten labirynth"}, None),
            ("q: words of a text", {"q": in_text}, None),
        ]
        return [
            Case(name, query, cursor, await _size(connection, headers, _path(query, cursor)))
            for name, query, cursor in wanted
        ]


async def _words_of_a_text(database_url: str) -> str:
    connection = await asyncpg.connect(database_url)
    text = await connection.fetchval("SELECT text FROM passages LIMIT 1")
    await connection.close()
    return " ".join(text.split()[5:7])


async def _cursor_at(connection: Connection, headers: dict[str, str], depth: int) -> str | None:
    cursor: str | None = None
    for _ in range(max(depth // 100, 1)):
        answer = await connection.ask("GET", _path({}, cursor, limit=100), headers)
        cursor = answer.json()["next_cursor"] or cursor
    return cursor


async def _size(connection: Connection, headers: dict[str, str], path: str) -> int:
    answer = await connection.ask("GET", path, headers)
    return len(answer.body) if answer.status == 200 else 0


async def _plan(served: Served, cases: Sequence[Case]) -> dict[str, Any]:
    connection = await asyncpg.connect(served.database_url)
    session = await connection.fetchrow("SELECT user_id, id FROM sessions")
    await connection.close()
    return {
        "database_url": served.database_url,
        "session": [str(value) for value in session],
        "cases": [
            {
                "query": {"sort": "relevance" if "q" in case.query else "title", **case.query},
                "limit": LIMIT,
                "cursor": case.cursor,
                "size": case.size,
            }
            for case in cases
        ],
    }


async def _compared(
    served: Served,
    floor: int,
    headers: dict[str, str],
    number: int,
    case: Case,
    at_once: int,
    seconds: float,
) -> Row:
    """The rivals take turns, so that what else the machine does falls on all of them."""
    rivals = {
        LIBRARY: (served.port, case.path, headers),
        FLOOR: (floor, f"/{number}", {}),
        SIGNED_IN: (floor, f"/{number}/signed-in", {}),
    }
    row = Row(case.name, at_once)
    for round_ in range(ROUNDS + 1):
        for rival, (port, path, sent) in rivals.items():
            warming = round_ == 0
            lasting = 0.3 if warming else seconds
            try:
                times = await loaded(port, at_once, lasting, _get(path, sent, case))
            except Refused as refused:
                row.refused = str(refused)
                return row
            if warming and min(times) > _SLOW:
                row.refused = f"takes {min(times):.1f} s"
                return row
            row.seconds.setdefault(rival, []).extend([] if warming else times)
    return row


class Refused(Exception):
    """Another answer than the page that was asked for."""


def _get(path: str, headers: dict[str, str], case: Case) -> Any:
    async def ask(connection: Connection) -> None:
        answer = await connection.ask("GET", path, headers)
        if (answer.status, len(answer.body)) != (200, case.size):
            raise Refused(f"answered {answer.status}")

    return ask


def _path(query: dict[str, Any], cursor: str | None, limit: int = LIMIT) -> str:
    said = {name: str(value).lower() for name, value in query.items()}
    return "/books?" + urlencode({**said, "limit": limit, **({"cursor": cursor} if cursor else {})})


def _report(rows: Sequence[Row], machine: str, options: argparse.Namespace) -> str:
    head = (
        f"{options.books:,} books with {options.passages} passages of text each, pages of {LIMIT};"
        f" {machine}.\nMilliseconds, p50 / p95; ratios are library over floor.\n\n"
        "| request | at once | library | same SQL, signed in | same SQL "
        "| ratio p50 | ratio p95 | without the sign-in's read, p50 |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *(row.line() for row in rows)])


if __name__ == "__main__":
    raise SystemExit(main())
