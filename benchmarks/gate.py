"""What the gate costs: reads with it and with sessions, against the same routes bare.

Bare is the same application in a process of its own under the same server: the same routes,
SQL, validation and JSON, but no gate, no token, no session read, no request id and no
measures. Both take turns, so that what the machine does besides hits both. The goal is 0.8 of
the bare route's requests a second, and no more than 1.25 of its p50.
"""

import argparse
import asyncio
import json
import math
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

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

AT_ONCE = (1, 8, 32)
BOOKS = 30
GOAL = 0.8
FORM = "multipart/form-data; boundary=b"


@dataclass(slots=True)
class Side:
    port: int
    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    worked: float = 0.0

    @property
    def p50(self) -> float:
        return percentile(self.seconds, 0.5)

    @property
    def work(self) -> float:
        """Milliseconds of a core that the server's process spends on a request."""
        return self.worked / len(self.seconds) * 1000

    @property
    def rate(self) -> float:
        return sorted(self.rates)[len(self.rates) // 2]


@dataclass(frozen=True, slots=True)
class Row:
    route: str
    at_once: int
    gated: Side
    bare: Side

    @property
    def throughput(self) -> float:
        return self.gated.rate / self.bare.rate

    def line(self) -> str:
        return (
            f"| {self.route} | {self.at_once} | {self.gated.p50:.2f} | {self.bare.p50:.2f} "
            f"| {self.bare.p50 / self.gated.p50:.2f} | {self.gated.rate:,.0f} "
            f"| {self.bare.rate:,.0f} | {self.throughput:.2f} | {self.gated.work:.2f} "
            f"| {self.bare.work:.2f} | {self.bare.work / self.gated.work:.2f} |"
        )


async def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    with temporary_home() as home:
        async with (
            library_served(home, JOBS_EMBEDDED="false") as library,
            _told(library) as (bare, headers, routes),
        ):
            about = await facts(library.database_url)
            rows = [
                await _compared(library.port, bare, route, at_once, headers, options)
                for route in routes.items()
                for at_once in AT_ONCE
            ]
    report = _report(rows, about)
    sys.stdout.write(report + "\n")
    if options.record:
        record("gate", arguments, report)
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py bench gate", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of one round of one side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    return parser.parse_args(arguments)


@asynccontextmanager
async def _told(
    library: Served,
) -> AsyncIterator[tuple[int, Mapping[str, str], Mapping[str, str]]]:
    headers = await library.sign_in()
    async with connected(library.port, 1) as (connection,):
        books = [await _shelved(connection, headers, number) for number in range(BOOKS)]
    plan = {
        "database_url": library.database_url,
        "home": str(library.home),
        "token": headers["Authorization"].removeprefix("Bearer "),
    }
    routes = {"one book": f"/books/{books[0]}", "a page of 20": "/books"}
    async with bare_served("ungated", library.home, plan, module="_ungated") as port:
        yield port, headers, routes


async def _shelved(connection: Connection, headers: Mapping[str, str], number: int) -> str:
    head = 'Content-Disposition: form-data; name="file"; filename="a.txt"'
    text = f"The keeper of lighthouse {number} reads every night. " * 20
    body = f"--b\r\n{head}\r\n\r\n{text}\r\n--b--\r\n".encode()
    spoken = {**headers, "Content-Type": FORM}
    answer = await connection.ask("POST", "/books", spoken, body)
    return str(json.loads(answer.body)["id"])


async def _compared(
    gated: int,
    bare: int,
    route: tuple[str, str],
    at_once: int,
    headers: Mapping[str, str],
    options: argparse.Namespace,
) -> Row:
    name, path = route
    sides = Side(gated), Side(bare)

    async def ask(connection: Connection) -> None:
        answer = await connection.ask("GET", path, headers)
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {answer.body[:200]!r}")

    for side in sides:
        await loaded(side.port, at_once, 0.5, ask)
    for number in range(options.rounds):
        for side in sides if number % 2 else sides[::-1]:
            began = await _worked(side.port)
            seconds = await loaded(side.port, at_once, options.seconds, ask)
            side.worked += await _worked(side.port) - began
            side.seconds += seconds
            side.rates.append(len(seconds) / options.seconds)
    return Row(name, at_once, *sides)


async def _worked(port: int) -> float:
    """Seconds of a core the server's process has had."""
    async with connected(port, 1) as (connection,):
        shown = (await connection.ask("GET", "/metrics")).body.decode()
    found = re.search(r"^process_cpu_seconds_total (.+)$", shown, re.MULTILINE)
    return float(found[1]) if found else math.nan


def _report(rows: Sequence[Row], about: str) -> str:
    short = [f"{row.route} at {row.at_once}" for row in rows if row.throughput < GOAL]
    verdict = f"below {GOAL}: {', '.join(short)}" if short else f"all at or above {GOAL}"
    lines = [
        f"{about}.\n",
        "Milliseconds at p50, requests a second, and milliseconds of a core that the server's",
        "process spends on one (Postgres and the client not counted; the figure that the",
        "machine's other work touches least); ratios are what is left of the bare route,",
        f"the goal is {GOAL}: {verdict}.\n",
        "| route | at once | gated p50 | bare p50 | p50 ratio | gated/s | bare/s | ratio "
        "| gated CPU | bare CPU | CPU ratio |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(row.line() for row in rows),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
