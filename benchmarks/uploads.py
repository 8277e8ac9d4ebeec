"""How fast books come in: acknowledged (202) and fully ready (read and summarised), per minute.

Real EPUBs and invented texts of 1 MB go to a real server process with a Postgres of its own
and the extractive model. First the door alone (JOBS_EMBEDDED=false), taking turns with a bare
ASGI route that stores the body as a synced file and inserts one row. Then the library as it
is started, which reads and summarises meanwhile, with every book once.
"""

import argparse
import asyncio
import io
import random
import sys
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from app.shared.calling import as_called
from benchmarks._machine import ROOT, facts, record
from benchmarks._serving import (
    Connection,
    Served,
    bare_served,
    connected,
    library_served,
    temporary_home,
)
from benchmarks._shelves import invented_text

DATA = ROOT.parent / "shared" / "data" / "epub"
AT_ONCE = 4
ROUNDS = 4
MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class Kind:
    """`books` are different ones; `copy` makes the same book of other bytes."""

    name: str
    books: Sequence[bytes]
    filename: str
    copy: Callable[[bytes], bytes]

    def copies(self, number: int) -> Iterator[bytes]:
        return (self.copy(data) for data in islice(cycle(self.books), number))

    @property
    def megabytes(self) -> float:
        return sum(map(len, self.books)) / len(self.books) / MEGABYTE


@dataclass(frozen=True, slots=True)
class Row:
    """All but the number of books that were not ready in time is per minute."""

    kind: Kind
    door: float
    floor: float
    acknowledged: float
    ready: float
    unready: int

    def line(self) -> str:
        missing = f" ({self.unready} not in time)" if self.unready else ""
        return (
            f"| {self.kind.name} | {len(self.kind.books)} | {self.kind.megabytes:.2f} "
            f"| {self.door:,.0f} | {self.floor:,.0f} | {self.door / self.floor:.2f} "
            f"| {self.acknowledged:,.0f} | {self.ready:,.1f}{missing} |"
        )


def main(argv: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="bench uploads", description=__doc__)
    parser.add_argument("--data", type=as_called, default=DATA, help="a folder with EPUBs in it")
    parser.add_argument("--books", type=int, default=20, help="of each kind, at most")
    parser.add_argument("--copies", type=int, default=100, help="of each kind, for the door")
    parser.add_argument("--patience", type=float, default=240, help="seconds until all are ready")
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    options = parser.parse_args(arguments)
    kinds = [*_epubs(options.data, options.books), _texts(options.books)]
    report = asyncio.run(_measured(kinds, options))
    print(report)
    if options.record:
        record("uploads", [word for word in arguments if word != "--record"], report)
    return 0


def _epubs(folder: Path, most: int) -> Iterator[Kind]:
    """Real books only: what has the size of one."""
    large = [path for path in sorted(folder.rglob("*.epub")) if path.stat().st_size > 100_000]
    if large:
        books = [path.read_bytes() for path in large[:most]]
        yield Kind("EPUB", books, "book.epub", _commented)


def _commented(book: bytes) -> bytes:
    copied = io.BytesIO(book)
    with zipfile.ZipFile(copied, "a") as archive:
        archive.comment = uuid4().bytes
    return copied.getvalue()


def _texts(number: int) -> Kind:
    texts = [invented_text(random.Random(seed), MEGABYTE) for seed in range(number)]
    return Kind("text", texts, "book.txt", lambda text: f"{uuid4()}\n\n".encode() + text)


async def _measured(kinds: Sequence[Kind], options: argparse.Namespace) -> str:
    rows = []
    for kind in kinds:
        door, floor = await _door_and_floor(kind, options.copies)
        with temporary_home() as home:
            async with library_served(home) as served:
                acknowledged, ready, unready = await _until_ready(served, kind, options.patience)
                rows.append(Row(kind, door, floor, acknowledged, ready, unready))
                machine = await facts(served.database_url)
    head = (
        f"{AT_ONCE} uploads at once; {machine}. All but the first two columns are per minute.\n\n"
        "| kind | books | MB each | acknowledged, the door alone | floor | ratio "
        "| acknowledged while reading | ready |\n|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *(row.line() for row in rows)])


async def _door_and_floor(kind: Kind, copies: int) -> tuple[float, float]:
    """Uploads per minute of the library and of the floor, which take turns."""
    took = [0.0, 0.0]
    with temporary_home() as home:
        async with library_served(home, JOBS_EMBEDDED="false") as served:
            headers = await served.sign_in()
            async with _floor(served) as floor:
                for _ in range(ROUNDS):
                    bodies = list(kind.copies(copies // ROUNDS))
                    took[0] += await _sent(served.port, bodies, _upload(kind, headers))
                    took[1] += await _sent(floor, bodies, _store)
    done = copies // ROUNDS * ROUNDS * 60
    return done / took[0], done / took[1]


@asynccontextmanager
async def _floor(served: Served) -> AsyncIterator[int]:
    connection = await asyncpg.connect(served.database_url)
    await connection.execute("CREATE TABLE bench_floor (name text PRIMARY KEY, size bigint)")
    await connection.close()
    plan = {"database_url": served.database_url, "folder": str(served.home / "floor")}
    async with bare_served("storing", served.home, plan) as port:
        yield port


async def _until_ready(served: Served, kind: Kind, patience: float) -> tuple[float, float, int]:
    """Acknowledged and ready per minute, and how many were not ready in time."""
    headers = await served.sign_in()
    began = time.perf_counter()
    acknowledged = await _sent(served.port, kind.books, _upload(kind, headers))
    async with connected(served.port, 1) as (connection,):
        ready = 0
        while ready < len(kind.books) and time.perf_counter() - began < patience:
            await asyncio.sleep(1)
            ready = await _count_ready(connection, headers)
    minutes = (time.perf_counter() - began) / 60
    return len(kind.books) * 60 / acknowledged, ready / minutes, len(kind.books) - ready


async def _count_ready(connection: Connection, headers: Mapping[str, str]) -> int:
    answer = await connection.ask("GET", "/books?limit=100&sort=created_at", headers)
    states = [(b["ingestion"]["status"], b["summary"]["status"]) for b in answer.json()["items"]]
    assert not any("failed" in state for state in states), states
    return states.count(("ready", "ready"))


async def _sent(
    port: int, bodies: Sequence[bytes], send: Callable[[Connection, bytes], Any]
) -> float:
    """The seconds it takes to send all, so many at once."""
    waiting = list(bodies)

    async def go_on(connection: Connection) -> None:
        while waiting:
            answer = await send(connection, waiting.pop())
            assert answer.status == 202, answer

    async with connected(port, AT_ONCE) as connections:
        began = time.perf_counter()
        await asyncio.gather(*map(go_on, connections))
        return time.perf_counter() - began


def _upload(kind: Kind, headers: Mapping[str, str]) -> Callable[[Connection, bytes], Any]:
    boundary = uuid4().hex
    sent = {**headers, "Content-Type": f"multipart/form-data; boundary={boundary}"}
    disposition = f'form-data; name="file"; filename="{kind.filename}"'
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    async def upload(connection: Connection, body: bytes) -> Any:
        return await connection.ask("POST", "/books", sent, head + body + tail)

    return upload


async def _store(connection: Connection, body: bytes) -> Any:
    return await connection.ask("POST", f"/{uuid4().hex}", body=body)


if __name__ == "__main__":
    raise SystemExit(main())
