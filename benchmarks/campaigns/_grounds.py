"""Where a campaign takes place: a database, the library's servers on it, and its readers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.types import ASGIApp, Message, Scope
from typing_extensions import override

from app.adapters.postgres.embedded import EmbeddedPostgres
from benchmarks._serving import Answer, Connection, connected
from tests.database import cloned, create_template, scratch_folder
from tests.integration.server import LibraryServer, home_of_a_library

PASSWORD = "a quiet place to read"
ADMIN = "governor@library.test"
_FRESH = 8 * 60
Headers = Mapping[str, str]


class Asking(Protocol):
    """A way to send the library a request: a connection to a server, or the application."""

    async def ask(
        self, method: str, path: str, headers: Headers | None = None, body: bytes = b""
    ) -> Answer: ...


class DirectDoor(Asking):
    """The whole application, gate and all, called in this process without a socket."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    @override
    async def ask(
        self, method: str, path: str, headers: Headers | None = None, body: bytes = b""
    ) -> Answer:
        bare, _, query = path.partition("?")
        given = {"host": "library", "content-length": str(len(body)), **(headers or {})}
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": bare,
            "raw_path": bare.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(n.lower().encode(), v.encode("latin-1")) for n, v in given.items()],
            "client": ("127.0.0.1", 1),
            "server": ("library", 80),
        }
        status, taken = 500, bytearray()

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            taken.extend(message.get("body", b""))

        await self._app(scope, receive, send)
        return Answer(status, bytes(taken))


@contextmanager
def postgres(server_url: str | None = None) -> Iterator[str]:
    """The given server with the migrated template, or one of its own. Nothing of it is synced
    to a disk: what is attacked here is order, not power cuts."""
    if server_url is not None:
        yield server_url
        return
    with scratch_folder() as folder:
        server = EmbeddedPostgres(folder / "data", durable=False)
        server.start()
        try:
            create_template(server.url)
            yield server.url
        finally:
            server.stop()


@contextmanager
def database(server_url: str | None = None) -> Iterator[str]:
    """A migrated, empty database on the given server or on one of its own."""
    with postgres(server_url) as url, cloned(url) as database_url:
        yield database_url


@dataclass
class Grounds:
    """Server processes that share one database and one home."""

    database: str
    ports: Sequence[int]
    home: Path
    _stack: AsyncExitStack
    pids: Sequence[int] = ()

    async def connections(self, number: int) -> list[Connection]:
        """So many connections, spread over the servers."""
        opened: list[Connection] = []
        for turn, port in enumerate(self.ports):
            share = len(range(turn, number, len(self.ports)))
            opened += await self._stack.enter_async_context(connected(port, share))
        # A server hangs up on who says nothing at first.
        await asyncio.gather(*(each.ask("GET", "/healthz") for each in opened))
        return opened


@asynccontextmanager
async def served(
    url: str, settings: Mapping[str, str], apart: Sequence[Mapping[str, str]] = ({}, {})
) -> AsyncIterator[Grounds]:
    """Server processes on the database, one for each mapping of settings; no jobs run."""
    common = {
        "DATABASE_URL": url,
        "JOBS_EMBEDDED": "false",
        "SERVER_KEEP_ALIVE": "3600",
        "ACCOUNTS_ADMIN_EMAIL": ADMIN,
        "ACCOUNTS_ADMIN_PASSWORD": PASSWORD,
        **settings,
    }
    async with AsyncExitStack() as stack:
        home = stack.enter_context(home_of_a_library())
        servers = []
        for own in apart:
            starting = asyncio.to_thread(LibraryServer, home, settings={**common, **own})
            server = await starting
            stack.callback(server.kill)
            servers.append(server)
        ports = [urlsplit(server.url).port or 0 for server in servers]
        yield Grounds(url, ports, home / "var", stack, [server.pid for server in servers])


class Reader:
    """Somebody with an account, signed in again before the access token runs out."""

    def __init__(self, door: Asking, email: str) -> None:
        self.door = door
        self.email = email
        self.id = ""
        self.refresh_token = ""
        self._bearer: dict[str, str] = {}
        self._since = float("-inf")

    @property
    def token(self) -> str:
        return self._bearer["Authorization"].removeprefix("Bearer ")

    async def sign_up(self) -> None:
        made = await asked(self.door, "POST", "/auth/signup", self._words)
        self.id = expected(made, 201)["id"]

    async def sign_in(self) -> None:
        tokens = expected(await asked(self.door, "POST", "/auth/login", self._words), 200)
        self._bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        self.refresh_token = tokens["refresh_token"]
        self._since = time.monotonic()

    async def bearer(self) -> dict[str, str]:
        if time.monotonic() > self._since + _FRESH:
            await self.sign_in()
        return self._bearer

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        return await asked(self.door, method, path, body, {**await self.bearer(), **headers})

    async def shelve(self, text: str, **said: object) -> dict[str, Any]:
        """Add a small book; the Book."""
        added = await self.door.ask("POST", "/books", *await self.upload(text, **said))
        return dict(expected(added, 202))

    async def upload(self, text: str, **said: object) -> tuple[dict[str, str], bytes]:
        kind, body = form(text, **said)
        return {**await self.bearer(), "Content-Type": kind}, body

    @property
    def _words(self) -> dict[str, str]:
        return {"email": self.email, "password": PASSWORD}


async def newcomers(doors: Sequence[Asking], prefix: str = "reader") -> list[Reader]:
    """A new reader at each door."""
    run = uuid4().hex[:8]
    readers = [Reader(door, f"{prefix}{n}-{run}@library.test") for n, door in enumerate(doors)]
    for reader in readers:
        await reader.sign_up()
        await reader.sign_in()
    return readers


async def admin_at(door: Asking) -> Reader:
    reader = Reader(door, ADMIN)
    await reader.sign_in()
    return reader


async def asked(
    door: Asking, method: str, path: str, body: object = None, headers: Headers | None = None
) -> Answer:
    if body is None:
        return await door.ask(method, path, headers)
    spoken = {**(headers or {}), "Content-Type": "application/json"}
    return await door.ask(method, path, spoken, json.dumps(body).encode())


def expected(answer: Answer, status: int) -> Any:
    """The document of an answer without which the campaign cannot go on."""
    if answer.status != status:
        raise RuntimeError(f"Not {status} but {answer.status}: {answer.body[:300]!r}")
    return answer.json() if answer.body else None


def code_of(answer: Answer) -> str:
    """The code of a problem, else the status."""
    return str(answer.json()["code"]) if answer.status >= 400 else str(answer.status)


def form(text: str, **said: object) -> tuple[str, bytes]:
    """A multipart upload with these fields: its content type and its bytes."""
    parts = [f'name="{name}"\r\n\r\n{value}' for name, value in said.items()]
    parts.append(f'name="file"; filename="book.txt"\r\n\r\n{text}')
    body = "".join(f"--b\r\nContent-Disposition: form-data; {part}\r\n" for part in parts)
    return "multipart/form-data; boundary=b", f"{body}--b--\r\n".encode()
