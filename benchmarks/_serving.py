"""Real server processes, and a client that costs next to nothing."""

import asyncio
import json
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.adapters.postgres.embedded import EmbeddedPostgres
from benchmarks._machine import ROOT

_PATIENCE = 60
_ADDRESS = re.compile(rb"listens on http://127\.0\.0\.1:(\d+)")
PASSWORD = "a quiet place to measure"


@dataclass(frozen=True, slots=True)
class Answer:
    """`head` is the status line and the headers in small letters, where they are known."""

    status: int
    body: bytes
    head: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """HTTP/1.1, kept alive, one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        lines = [f"{method} {path} HTTP/1.1", "Host: library", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        async with asyncio.timeout(_PATIENCE):
            self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            await self._writer.drain()
            return await self._answer()

    async def _answer(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", head)
        body = await self._reader.readexactly(int(length[1])) if length else b""
        return Answer(int(head.split(None, 2)[1]), body, head)

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def connected(port: int, number: int) -> AsyncIterator[list[Connection]]:
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(number)]
    connections = [Connection(*each) for each in opened]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def loaded(
    port: int,
    number: int,
    seconds: float,
    ask: Callable[[Connection], Awaitable[None]],
) -> list[float]:
    """The seconds of every request of so many connections, for so long; one each at least."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def go_on(connection: Connection) -> None:
        began = time.perf_counter()
        while True:
            await ask(connection)
            times.append(time.perf_counter() - began)
            if (began := time.perf_counter()) >= end:
                return

    async with connected(port, number) as connections:
        await asyncio.gather(*map(go_on, connections))
    return times


@dataclass(frozen=True, slots=True)
class Served:
    port: int
    database_url: str
    home: Path
    pid: int

    async def sign_in(self) -> dict[str, str]:
        body = json.dumps({"email": "reader@bench.test", "password": PASSWORD}).encode()
        spoken = {"Content-Type": "application/json"}
        async with connected(self.port, 1) as (connection,):
            await connection.ask("POST", "/auth/signup", spoken, body)
            answer = await connection.ask("POST", "/auth/login", spoken, body)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@contextmanager
def temporary_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lumina-bench-") as folder:
        yield Path(folder)


@asynccontextmanager
async def library_served(home: Path, **settings: str) -> AsyncIterator[Served]:
    """`python -m app serve` with a Postgres of its own and the extractive model."""
    given = {"LUMINA_HOME": str(home), "LLM_PROVIDER": "extractive", **settings}
    async with _running(home, given, "-m", "app", "serve", "--port", "0") as process:
        port = await _announced(process)
        async with EmbeddedPostgres.attach_or_start(home) as database:
            yield Served(port, database.url, home, process.pid)


@asynccontextmanager
async def bare_served(
    application: str, home: Path, plan: Mapping[str, Any], *, module: str = "_bare"
) -> AsyncIterator[int]:
    """The port of a bare ASGI application of a private module, under the library's server."""
    path, port = home / f"{application}.json", _free_port()
    path.write_text(json.dumps(plan), "utf-8")
    words = ["-m", "uvicorn", f"benchmarks.{module}:{application}", "--factory", "--http", "h11"]
    words += ["--port", str(port), "--no-access-log", "--log-level", "warning", "--lifespan", "off"]
    async with _running(home, {"BENCH_PLAN": str(path)}, *words):
        await _listening(port)
        yield port


@asynccontextmanager
async def _running(
    home: Path, settings: Mapping[str, str], *words: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    # Nothing of the caller's environment, and no `.env` but that of the home.
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=home,
        env={**kept, "PYTHONPATH": str(ROOT), **settings},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _announced(process: asyncio.subprocess.Process) -> int:
    assert process.stdout
    async with asyncio.timeout(_PATIENCE):
        async for line in process.stdout:
            if found := _ADDRESS.search(line):
                return int(found[1])
    raise RuntimeError("The library did not start.")


async def _listening(port: int) -> None:
    async with asyncio.timeout(_PATIENCE):
        while True:
            try:
                async with connected(port, 1):
                    return
            except OSError:
                await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
