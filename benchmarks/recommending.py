"""How fast the next book is found: GET /recommendations against the same SQL behind a bare
ASGI route, and how soon models and loans change what it says.

Two real server processes share one database, filled with invented books and the loans of a
crowd. The first request asks for a model; it is fitted in a process of its own, published, and
loaded by both. The floor runs the statements the library runs for the same readers, writes the
same row, and sends as many bytes: what is left is the model, and the library's own Python.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks._crowd import crowd
from benchmarks._machine import ROOT, facts, percentile, record
from benchmarks._serving import (
    PASSWORD,
    Answer,
    Connection,
    Served,
    bare_served,
    connected,
    library_served,
    loaded,
    temporary_home,
)
from benchmarks._shelves import fill

PATH = "/recommendations?limit=10"
CONCURRENCIES = (1, 4)
_READERS = 8
_SPOKEN = {"Content-Type": "application/json"}
_PATIENCE = 1800


@dataclass(slots=True)
class Reader:
    id: UUID
    email: str
    headers: dict[str, str]

    async def sign_in(self, connection: Connection) -> None:
        token = (await connection.ask("POST", "/auth/login", _SPOKEN, _named(self.email))).json()
        self.headers = {"Authorization": f"Bearer {token['access_token']}"}


def main(argv: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="bench recommending", description=__doc__)
    parser.add_argument("--books", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--readers", type=int, default=20_000)
    parser.add_argument("--recommender", default="hybrid")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    options = parser.parse_args(arguments)
    report = asyncio.run(_measured(options))
    print(report)
    if options.record:
        record("recommending", [word for word in arguments if word != "--record"], report)
    return 0


async def _measured(options: argparse.Namespace) -> str:
    chosen = {"RECOMMENDER_PROVIDER": options.recommender, "ACCOUNTS_BCRYPT_ROUNDS": "4"}
    with temporary_home() as home:
        async with library_served(home, **chosen) as one, library_served(home, **chosen) as two:
            readers = [await _signed_up(one, number) for number in range(_READERS)]
            known = [reader.id for reader in readers]
            await fill(one.database_url, books=options.books, passages=0, seed=options.seed)
            await crowd(
                one.database_url,
                readers=options.readers,
                events=options.events,
                known=known,
                seed=options.seed,
            )
            lines = [await _first_model((one, two), readers)]
            lines.append(await _compared(home, one, readers, options.seconds))
            lines.append(await _after_loans(one, readers))
            lines.append(await _published_again((one, two), readers, home, chosen))
            lines.append(f"memory of a server: {_memory(home):,.0f} MB")
            head = (
                f"{options.books:,} books, {options.events:,} loans, {options.recommender}; "
                f"{await facts(one.database_url)}."
            )
            return "\n\n".join([head, *lines])


async def _signed_up(served: Served, number: int) -> Reader:
    email = f"reader{number}@bench.test"
    async with connected(served.port, 1) as (connection,):
        user = await connection.ask("POST", "/auth/signup", _SPOKEN, _named(email))
        reader = Reader(UUID(user.json()["id"]), email, {})
        await reader.sign_in(connection)
    return reader


def _named(email: str) -> bytes:
    return json.dumps({"email": email, "password": PASSWORD}).encode()


async def _first_model(processes: Sequence[Served], readers: Sequence[Reader]) -> str:
    """From the first request of a library without a model to answers of one."""
    began, popular = time.perf_counter(), []
    async with connected(processes[0].port, 1) as (connection,):
        while True:
            asked = time.perf_counter()
            answer = await _answered(connection, readers[0])
            if answer["model"]["name"] != "popular":
                break
            popular.append(time.perf_counter() - asked)
            await asyncio.sleep(0.2)
            assert time.perf_counter() - began < _PATIENCE
    took = time.perf_counter() - began
    rows = await _rows(processes[0], "SELECT seconds, size FROM models ORDER BY published_at DESC")
    meanwhile = (
        f"{len(popular)} answers by popularity meanwhile "
        f"(p50 {percentile(popular, 0.5):.0f} ms, p95 {percentile(popular, 0.95):.0f} ms)"
        if popular
        else "no answer by popularity"
    )
    return (
        f"First model after {took:.1f} s, {rows[0]['seconds']:.1f} s of them read, fitted and "
        f"stored; its file {rows[0]['size'] / 1e6:.1f} MB; {meanwhile}."
    )


async def _compared(home: Path, served: Served, readers: Sequence[Reader], seconds: float) -> str:
    cases = [await _case(served, reader) for reader in readers]
    plan = {"database_url": served.database_url, "cases": cases}
    async with bare_served("advising", home, plan) as floor:
        lines = []
        for at_once in CONCURRENCIES:
            ours = await loaded(served.port, at_once, seconds, _Turns(readers).ask)
            bare = await loaded(floor, at_once, seconds, _Turns(readers, bare=True).ask)
            ours = await loaded(served.port, at_once, seconds, _Turns(readers).ask)
            shown = " | ".join(
                f"{percentile(times, 0.5):.1f} / {percentile(times, 0.95):.1f}"
                for times in (ours, bare)
            )
            ratio = percentile(ours, 0.5) / percentile(bare, 0.5)
            lines.append(f"| {at_once} | {shown} | {ratio:.2f} |")
    model = await _model_alone(served)
    head = "| at once | library ms, p50 / p95 | same SQL | ratio p50 |\n|---|---|---|---|"
    return "\n".join([head, *lines, "", model])


class _Turns:
    """Each request is another reader's."""

    def __init__(self, readers: Sequence[Reader], *, bare: bool = False) -> None:
        self._readers = readers
        self._bare = bare
        self._turn = 0

    async def ask(self, connection: Connection) -> None:
        self._turn = (self._turn + 1) % len(self._readers)
        path = f"/{self._turn}" if self._bare else PATH
        await _asked(connection, path, self._readers[self._turn])


async def _case(served: Served, reader: Reader) -> dict[str, Any]:
    async with connected(served.port, 1) as (connection,):
        answer = await _asked(connection, PATH, reader)
    items = answer.json()["items"]
    assert len(items) == 10
    assert all(item["reasons"] for item in items)
    # The books the reasons name are read too, and twice as many are asked for as are shown.
    named = {reason["book_id"] for item in items for reason in item["reasons"]} - {None}
    rows = await _rows(
        served,
        "SELECT id FROM books WHERE id > $1 ORDER BY id LIMIT 20",
        UUID(items[0]["book"]["id"]),
    )
    session = await _rows(served, "SELECT id FROM sessions WHERE user_id = $1", reader.id)
    return {
        "session": [str(reader.id), str(session[0]["id"])],
        "books": [*(item["book"]["id"] for item in items), *named],
        "candidates": [str(row["id"]) for row in rows],
        "size": len(answer.body),
    }


async def _model_alone(served: Served) -> str:
    """What the server itself measured of the model's part."""
    async with connected(served.port, 1) as (connection,):
        text = (await connection.ask("GET", "/metrics")).body.decode()
    wanted = 'lumina_recommender_seconds_bucket{le="'
    found = [
        (line.split('le="')[1].split('"')[0], float(line.rsplit(" ", 1)[1]))
        for line in text.splitlines()
        if line.startswith(wanted) and 'question="recommend"' in line
    ]
    total = max((count for _, count in found), default=0)
    first = next((bound for bound, count in found if count >= 0.95 * total), "?")
    return f"The model alone, as /metrics tells: 95 of 100 of {total:.0f} answers within {first} s."


async def _after_loans(served: Served, readers: Sequence[Reader]) -> str:
    """Borrow the first book of an answer; the next one knows."""
    times = []
    async with connected(served.port, 1) as (connection,):
        for reader in readers:
            before = await _answered(connection, reader)
            book = before["items"][0]["book"]["id"]
            lent = await connection.ask("POST", f"/books/{book}/borrow", reader.headers)
            assert lent.status == 201, lent.body
            began = time.perf_counter()
            after = await _answered(connection, reader)
            times.append(time.perf_counter() - began)
            assert book not in [item["book"]["id"] for item in after["items"]]
            assert after["items"] != before["items"]
    return (
        f"A loan changes the very next answer: {len(times)} of {len(times)}, which took "
        f"p50 {percentile(times, 0.5):.1f} ms, max {max(times) * 1000:.1f} ms."
    )


async def _published_again(
    processes: Sequence[Served], readers: Sequence[Reader], home: Path, chosen: dict[str, str]
) -> str:
    """A fit from the command line, answers meanwhile, and when each process serves it."""
    began = time.time()
    fit = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "admin", "fit"),
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LUMINA_HOME": str(home), **chosen},
        stdout=asyncio.subprocess.DEVNULL,
    )
    ended = asyncio.create_task(fit.wait())
    seen, during = await asyncio.gather(
        asyncio.gather(*(_seen(served, readers[0], began) for served in processes)),
        _meanwhile(processes[0], readers, ended),
    )
    rows = await _rows(processes[0], "SELECT max(published_at) AS at FROM models")
    published = rows[0]["at"].timestamp()
    after = ", ".join(f"{moment - published:.1f}" for moment in seen)
    return (
        f"`admin fit` published after {published - began:.1f} s; each process served the new "
        f"model {after} s later; answers during the fit took p50 "
        f"{percentile(during, 0.5):.1f} ms, p95 {percentile(during, 0.95):.1f} ms."
    )


async def _seen(served: Served, reader: Reader, since: float) -> float:
    """When this process first answered from a model published since then."""
    first: str | None = None
    async with connected(served.port, 1) as (connection,):
        while True:
            trained = (await _answered(connection, reader))["model"]["trained_at"]
            first = first or trained
            if trained != first:
                return time.time()
            assert time.time() - since < _PATIENCE
            await asyncio.sleep(0.1)


async def _meanwhile(
    served: Served, readers: Sequence[Reader], ended: "asyncio.Task[int]"
) -> list[float]:
    times, turns = [], _Turns(readers)
    async with connected(served.port, 1) as (connection,):
        while not ended.done():
            began = time.perf_counter()
            await turns.ask(connection)
            times.append(time.perf_counter() - began)
            await asyncio.sleep(0.05)
    return times


async def _answered(connection: Connection, reader: Reader) -> dict[str, Any]:
    return dict((await _asked(connection, PATH, reader)).json())


async def _asked(connection: Connection, path: str, reader: Reader) -> Answer:
    answer = await connection.ask("GET", path, reader.headers)
    if answer.status == 401:  # a fit may take longer than a token lives
        await reader.sign_in(connection)
        answer = await connection.ask("GET", path, reader.headers)
    assert answer.status == 200, answer.body
    return answer


async def _rows(served: Served, query: str, *values: object) -> list[Any]:
    connection = await asyncpg.connect(served.database_url)
    try:
        return list(await connection.fetch(query, *values))
    finally:
        await connection.close()


def _memory(home: Path) -> float:
    """Of the largest server of this home, in MB."""
    sizes = [0.0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            words = status.with_name("cmdline").read_bytes()
            here = status.with_name("cwd").resolve() == home.resolve()
            if here and b"serve" in words:
                lines = status.read_text("ascii").splitlines()
                sizes += [int(line.split()[1]) / 1000 for line in lines if "VmRSS" in line]
        except OSError:
            continue
    return max(sizes)


if __name__ == "__main__":
    raise SystemExit(main())
