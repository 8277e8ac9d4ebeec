"""Connections of those who never finish a sentence, on a real server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.api.connections import ImpatientProtocol
from app.bootstrap.settings import Server as ServerSettings
from app.main import bound


class Quick(ImpatientProtocol):
    patience = 0.3


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"read"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(
        read_all, port=0, http=Quick, lifespan="off", log_level="critical", timeout_keep_alive=5
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def said(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """What the server says until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
    answer = b""
    async with asyncio.timeout(20):
        with suppress(ConnectionError):
            while piece := await reader.read(4096):
                answer += piece
    writer.close()
    return answer


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX-"])
async def test_who_never_says_what_they_want_is_hung_up_on(port: int, beginning: bytes) -> None:
    assert await said(port, beginning) == b""


async def test_a_head_that_trickles_in_for_ever_is_hung_up_on(port: int) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Slow: 1\r\n" * 40
    assert await said(port, *(head[i : i + 8] for i in range(0, len(head), 8)), pause=0.05) == b""


async def test_who_falls_silent_in_a_body_is_hung_up_on(port: int) -> None:
    assert b"200" not in await said(
        port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"
    )


async def test_a_slow_body_that_keeps_coming_is_read_to_its_end(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"
    assert b"200 OK" in await said(port, head, b"abc", b"def", b"ghi", pause=0.2)


def test_answers_do_not_wait_for_an_acknowledgement() -> None:
    # asyncio sets TCP_NODELAY on what says that it speaks TCP, and on nothing else.
    with bound(ServerSettings(port=0)) as listening:
        assert listening.proto == socket.IPPROTO_TCP
