"""How fast the shelves are browsed: GET /books against the same SQL behind a bare ASGI route.

The library is a real server process with a Postgres of its own, filled with invented books.
Each floor runs the very statements the library runs, on the same engine settings, and sends
as many bytes: one without any sign-in, one that reads the session first, as every request of
the library does. What is left between that and the library is its own Python: the gate, the
token, validation, the mapping of rows and the writing of JSON.

Then questions whose answers are known, and odd ones; what it costs to add a book to a small
and to the whole library; and the memory of the server's process.
"""

import argparse
import asyncio
import random
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg

from app.adapters.postgres.catalog import SqlCatalogWork
from app.adapters.postgres.engine import open_engine, sessions_of
from app.shared.calling import as_called
from app.shared.pages import cursor_for
from benchmarks._machine import facts, percentile, record
from benchmarks._questions import ODD, Known, asked_of, exactly, misspelt, shelve_titles
from benchmarks._serving import (
    Connection,
    Served,
    bare_served,
    connected,
    library_served,
    loaded,
    temporary_home,
)
from benchmarks._shelves import GENRES, fill, invented_book

LIMIT = 20
CONCURRENCIES = (1, 8)
ROUNDS = 3
# Books the library has when it is small, and that are added then and when it is large.
_SMALL, _ADDED = 1_000, 100
# Questions of each sort.
_ASKED = 200
_LAST = {"title": ("lumina_fold(title)", True), "-created_at": ("created_at", False)}
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
    facets: bool = False

    @property
    def path(self) -> str:
        return _path(self.query, self.cursor, facets=self.facets)


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
        own = f"{p50[LIBRARY] / p50[SIGNED_IN]:.2f} / {p95[LIBRARY] / p95[SIGNED_IN]:.2f}"
        return f"| {self.case} | {self.concurrency} | {shown} | {ratios} | {own} |"


def main(argv: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="bench catalogue", description=__doc__)
    parser.add_argument("--books", type=int, default=10_000)
    parser.add_argument("--passages", type=int, default=3, help="of text, for each book")
    parser.add_argument("--texts", type=int, default=10_000, help="books that have text")
    parser.add_argument("--titles", type=as_called, help="a books.csv of goodbooks-10k to add")
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
            small = await _grown(served, options, 0, min(_SMALL, options.books // 2))
            large = await _grown(served, options, min(_SMALL, options.books // 2), options.books)
            cases = await _cases(served, headers)
            plan = await _plan(served, cases)
            async with bare_served("replaying", home, plan) as floor:
                rows = [
                    await _compared(served, floor, headers, number, case, at_once, options.seconds)
                    for number, case in enumerate(cases)
                    for at_once in CONCURRENCIES
                ]
            findings = [
                *await _answers(served, headers, options),
                _Finding("adding a book, p50", _growth(small, large), "≤ 1.2 ×"),
                _Finding("memory of the API process", _memory(served.pid), "≤ 512 MB"),
            ]
            return _report(rows, findings, await facts(served.database_url), options)


@dataclass(frozen=True, slots=True)
class _Finding:
    what: str
    found: str
    goal: str

    def line(self) -> str:
        return f"| {self.what} | {self.found} | {self.goal} |"


async def _grown(
    served: Served, options: argparse.Namespace, before: int, after: int
) -> list[float]:
    """Fill the library up to so many books; the seconds it then takes to add each of some."""
    texts = max(min(options.texts, after) - before, 0)
    await fill(
        served.database_url,
        books=after - before,
        passages=options.passages,
        seed=options.seed + before,
        texts=texts,
    )
    engine = open_engine(served.database_url)
    times = [await _added(sessions_of(engine), number) for number in range(_ADDED)]
    await engine.dispose()
    return times


async def _added(sessions: Any, number: int) -> float:
    book = invented_book(number)
    began = time.perf_counter()
    async with SqlCatalogWork(sessions) as work:
        await work.books.add(book)
        await work.books.stock(book.id, book.copies)
    return time.perf_counter() - began


def _growth(small: Sequence[float], large: Sequence[float]) -> str:
    few, many = percentile(small, 0.5), percentile(large, 0.5)
    return f"{few:.1f} ms, then {many:.1f} ms: {many / few:.2f} ×"


def _memory(pid: int) -> str:
    """The most it ever had, where the system says so."""
    status = Path(f"/proc/{pid}/status")
    peak = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return f"{int(peak[1]) / 1024:.0f} MB" if peak else "unknown"


async def _answers(
    served: Served, headers: dict[str, str], options: argparse.Namespace
) -> list[_Finding]:
    """How fast and how well questions are answered."""
    say = random.Random(options.seed)
    database = await asyncpg.connect(served.database_url)
    known = await asked_of(database, _ASKED, options.seed)
    findings = [
        await _best(served, headers, "exact title, author, ISBN: first", exactly(known), 1),
        await _best(served, headers, "one edit: among five", misspelt(known, say), 5),
    ]
    if options.titles:
        real = say.sample(await shelve_titles(database, options.titles), _ASKED)
        true = [row for row in real if row[2]]
        findings += [
            await _best(served, headers, "real titles, exact: first", exactly(true), 1),
            await _best(
                served, headers, "real titles, one edit: among five", misspelt(real, say), 5
            ),
        ]
    await database.close()
    odd = await _timed(served, headers, ODD)
    findings.append(_Finding(f"{len(ODD)} odd questions", odd, "≤ 150 ms, no 500"))
    return findings


async def _best(
    served: Served, headers: dict[str, str], what: str, asked: Sequence[Known], place: int
) -> _Finding:
    times, right = [], 0
    async with connected(served.port, 1) as (connection,):
        for one in asked:
            began = time.perf_counter()
            answer = await connection.ask("GET", _path({"q": one.asked}, None), headers)
            times.append(time.perf_counter() - began)
            found = answer.json()["items"][:place]
            right += any(book[one.field] == one.answer for book in found)
    goal = "all" if place == 1 else "≥ 95 %"
    share = f"{right} of {len(asked)} ({right / len(asked):.1%})"
    spent = f"{percentile(times, 0.5):.0f} / {percentile(times, 0.95):.0f} ms"
    return _Finding(f"{what}; p50 / p95", f"{share}; {spent}", f"{goal}; p95 ≤ 150 ms")


async def _timed(served: Served, headers: dict[str, str], asked: Sequence[str]) -> str:
    times, statuses = [], set()
    async with connected(served.port, 1) as (connection,):
        for q in [*asked] * 3:
            began = time.perf_counter()
            answer = await connection.ask("GET", _path({"q": q}, None), headers)
            times.append(time.perf_counter() - began)
            statuses.add(answer.status)
    slowest = max(zip(times, [*asked] * 3, strict=True))
    return (
        f"p50 / p95 / most {percentile(times, 0.5):.0f} / {percentile(times, 0.95):.0f} /"
        f" {slowest[0] * 1000:.0f} ms (`{slowest[1][:12]}`); answered {sorted(statuses)}"
    )


async def _cases(served: Served, headers: dict[str, str]) -> list[Case]:
    last = {sort: await _last_page(served.database_url, sort) for sort in _LAST}
    in_text = await _words_of_a_text(served.database_url)
    wanted: list[tuple[str, dict[str, Any], str | None, bool]] = [
        ("first page", {}, None, False),
        ("last page", {}, last["title"], False),
        ("best rated", {"sort": "-rating"}, None, False),
        ("newest, last page", {"sort": "-created_at"}, last["-created_at"], False),
        ("genre", {"genre": GENRES[0]}, None, False),
        ("genre and language", {"genre": GENRES[0], "language": "de"}, None, False),
        ("available, newest", {"available": True, "sort": "-created_at"}, None, False),
        ("facets of all", {}, None, True),
        ("facets of a genre", {"genre": GENRES[0]}, None, True),
        ("q: a word of many titles", {"q": "lantern"}, None, False),
        ("q: a title with a typo", {"q": "forgoten labirynth"}, None, False),
        ("q: words of a text", {"q": in_text}, None, False),
    ]
    async with connected(served.port, 1) as (connection,):
        return [
            Case(name, query, cursor, await _size(connection, headers, path), facets)
            for name, query, cursor, facets in wanted
            for path in [_path(query, cursor, facets=facets)]
        ]


async def _last_page(database_url: str, sort: str) -> str:
    """The cursor before the last books in that order."""
    key, up = _LAST[sort]
    back = "DESC" if up else "ASC"
    connection = await asyncpg.connect(database_url)
    row = await connection.fetchrow(
        f"SELECT {key} AS key, id FROM books ORDER BY {key} {back}, id {back}"
        f" OFFSET {LIMIT} LIMIT 1"
    )
    await connection.close()
    return cursor_for(sort, row["key"], row["id"])


async def _words_of_a_text(database_url: str) -> str:
    connection = await asyncpg.connect(database_url)
    text = await connection.fetchval("SELECT text FROM passages LIMIT 1")
    await connection.close()
    return " ".join(text.split()[5:7])


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
                "facets": case.facets,
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


def _path(query: dict[str, Any], cursor: str | None, *, facets: bool = False) -> str:
    said = {name: str(value).lower() if value is True else value for name, value in query.items()}
    if facets:
        return "/books/facets?" + urlencode(said)
    return "/books?" + urlencode({**said, "limit": LIMIT, **({"cursor": cursor} if cursor else {})})


def _report(
    rows: Sequence[Row], findings: Sequence[_Finding], machine: str, options: argparse.Namespace
) -> str:
    head = (
        f"{options.books:,} books, {min(options.texts, options.books):,} of them with"
        f" {options.passages} passages of text, pages of {LIMIT}; {machine}.\n"
        "Milliseconds, p50 / p95; ratios are library over floor, the goal is 1.5 at p95.\n\n"
        "| request | at once | library | same SQL, signed in | same SQL "
        "| ratio p50 | ratio p95 | over the floor that reads the session, p50 / p95 |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    found = ["", "| what | found | goal |", "|---|---|---|", *(each.line() for each in findings)]
    return "\n".join([head, *(row.line() for row in rows), *found])


if __name__ == "__main__":
    raise SystemExit(main())
