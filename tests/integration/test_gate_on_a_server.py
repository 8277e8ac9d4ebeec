"""The gate on a real server: what is no HTTP, whom nobody knows and who sends two gigabytes,
and more at once than can be served. Bytes are counted, not times."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp

from app.api.connections import ImpatientProtocol
from app.api.gate import Gate, Limits
from app.api.measures import Measures
from tests.integration.server import LibraryServer, home_of_a_library, serving

GIGABYTE = 2**30
# What the kernels of both ends hold on the way, at most: it is not read by anybody.
IN_FLIGHT = 8 * 2**20
PIECE = b"0" * 65536
FORM = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def server() -> Iterator[LibraryServer]:
    with home_of_a_library() as home, serving(home) as server:
        yield server


def address_of(server: LibraryServer) -> tuple[str, int]:
    found = re.fullmatch(r"http://(.+):(\d+)", server.url)
    assert found
    return found[1], int(found[2])


def answered(
    server: LibraryServer, *pieces: bytes, more: Iterator[bytes] | None = None
) -> tuple[int, dict[str, str], bytes, int]:
    """Status, headers, body, and how many bytes of `more` could be handed to the kernel before
    the server would not have them."""
    with socket.create_connection(address_of(server), timeout=30) as line:
        for piece in pieces:
            line.sendall(piece)
        sent = _poured(line, more or iter(()))
        # Nobody who asks for an answer waits for the next question.
        head, _, body = _all_of(line).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(each.lower().split(": ", 1) for each in lines[1:])
    return int(lines[0].split()[1]), headers, body, sent


def _poured(line: socket.socket, pieces: Iterator[bytes]) -> int:
    sent = 0
    with suppress(ConnectionError):
        for piece in pieces:
            line.sendall(piece)
            sent += len(piece)
    return sent


def _all_of(line: socket.socket) -> bytes:
    said = b""
    with suppress(ConnectionError):
        while piece := line.recv(65536):
            said += piece
            length = re.search(rb"content-length: (\d+)", said.lower())
            end = said.find(b"\r\n\r\n") + 4
            if length and end > 3 and len(said) >= end + int(length[1]):
                break
    return said


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"\x00\x01\x02\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 307),
        (b"POST /books HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /books HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", 400),
        (b"POST /books HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
        (
            b"POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST /auth/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET http://elsewhere/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /healthz?q=%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n", 400),
        (b"GET /healthz?" + b"q" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000, 431),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (b"GET /users/me HTTP/1.0\r\n\r\n", 401),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", 200),
    ],
)  # fmt: skip
def test_what_is_no_request_gets_a_problem_document(
    server: LibraryServer, said: bytes, status: int
) -> None:
    answer, headers, body, _ = answered(server, said)
    assert answer == status
    if status >= 400:
        document = json.loads(body)
        assert headers["content-type"] == "application/problem+json"
        assert (document["status"], document["request_id"]) == (status, headers["x-request-id"])
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def of_length(path: str, kind: str, length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def in_chunks(path: str, kind: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    ).encode()


def plain(total: int) -> Iterator[bytes]:
    return (PIECE for _ in range(total // len(PIECE)))


def chunked(total: int) -> Iterator[bytes]:
    return (b"%x\r\n%b\r\n" % (len(PIECE), PIECE) for _ in range(total // len(PIECE)))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (of_length("/books", FORM, 2 * GIGABYTE), plain, 413),
        (of_length("/books", FORM, 100 * 2**20), plain, 401),
        (in_chunks("/books", FORM), chunked, 401),
        (in_chunks("/books", "application/json"), chunked, 401),
        (of_length("/generate-summary", "application/json", 2 * GIGABYTE), plain, 413),
        (of_length("/auth/login", "application/x-www-form-urlencoded", 2 * GIGABYTE), plain, 413),
        (in_chunks("/auth/login", "application/x-www-form-urlencoded"), chunked, 413),
        (in_chunks("/auth/signup", "application/json"), chunked, 413),
        (in_chunks("/nowhere", "text/plain"), chunked, 401),
    ],
    ids=lambda value: value.split()[1].decode() if isinstance(value, bytes) else None,
)
def test_two_gigabytes_of_a_stranger_are_refused_unread(
    server: LibraryServer, head: bytes, body: object, status: int
) -> None:
    assert callable(body)
    before = memory_of(server)
    answer, headers, said, sent = answered(server, head, more=body(2 * GIGABYTE))
    assert answer == status
    assert json.loads(said)["request_id"] == headers["x-request-id"]
    # The limit of a body that may be one, what had come before the answer was heard, and what
    # the kernels hold.
    assert sent < 2**20 + 2**20 + IN_FLIGHT
    assert memory_of(server) - before <= 8 * 2**20


def memory_of(server: LibraryServer) -> int:
    """Bytes of the server's process that are in memory."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def test_a_connection_serves_on_after_a_small_refused_body(server: LibraryServer) -> None:
    with socket.create_connection(address_of(server), timeout=30) as line:
        for _ in range(3):
            line.sendall(of_length("/books", FORM, 1000) + b"x" * 1000)
            assert b" 401 " in _all_of(line)
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"alive" in _all_of(line)


# More than can be served


class Crowd:
    def __init__(self) -> None:
        self.full, self.leave = asyncio.Event(), asyncio.Event()
        self.inside = 0

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        self.inside += 1
        if self.inside == 3:
            self.full.set()
        await self.leave.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


@pytest.fixture
async def crowd() -> AsyncIterator[tuple[int, Crowd]]:
    async def nobody(token: str) -> object:
        raise AssertionError

    inside = Crowd()
    app: ASGIApp = Measures(
        Gate(inside, authenticate=nobody, limits=Limits(upload=1), public={"/", "/healthz"})  # type: ignore[arg-type]
    )
    config = uvicorn.Config(
        app,
        port=0,
        http=ImpatientProtocol,
        lifespan="off",
        limit_concurrency=3,
        log_level="critical",
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1], inside
    inside.leave.set()
    server.should_exit = True
    await serving


async def test_who_comes_too_late_is_told_so_in_a_problem_document(
    crowd: tuple[int, Crowd],
) -> None:
    port, inside = crowd
    question = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    for _, writer in lines:
        writer.write(question)
    async with asyncio.timeout(20):
        await inside.full.wait()
        late, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(question)
        head = await late.readuntil(b"\r\n\r\n")
    lines.append((late, writer))
    assert b"503" in head.split(b"\r\n")[0]
    assert b"retry-after: 1" in head.lower()
    assert b"application/problem+json" in head
    for _, each in lines:
        each.close()
