"""A real HTTP server on the loopback that speaks for a model: what its dialects share.

It runs on a thread of its own (`with OllamaServer() as server:`) or as a script. One request
per connection; a client that hangs up while it waits is noticed and written down.
"""

import argparse
import asyncio
import json
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from app.adapters.llm.extractive import ExtractiveLLM
from app.adapters.llm.structure import AnswerBroken
from app.ports.llm import CompletionRequest, Message, ModelFailure

_QUEUE_FULL = "server busy, please try again.  maximum pending requests exceeded"
_REASONS = {200: "OK", 307: "Temporary Redirect", 400: "Bad Request", 404: "Not Found"}


class Fault(StrEnum):
    """What can go wrong with one answer."""

    TOO_MANY = "429"
    BUSY = "503"
    REFUSED = "401"
    REDIRECT = "307"
    HANG = "hang"
    CUT = "cut"
    BROKEN_JSON = "broken_json"
    ONE_WORD = "one_word"
    LOOP = "loop"
    NONSENSE = "nonsense"
    DRIP = "drip"
    SLOW_HEADERS = "slow_headers"
    UNFINISHED = "unfinished"
    BROKE_OFF = "broke_off"
    QUEUE_FULL = "queue_full"


@dataclass(frozen=True)
class Call:
    """One HTTP request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    id: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class Reply:
    """Status and headers, then pieces of a body; several pieces are sent chunked."""

    status: int
    pieces: Sequence[str]
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    cut: bool = False


class ModelServer(ABC):
    """`url` is where it answers. `calls` holds every request, `hung_up` the ids of those whose
    client went away before the answer was sent; `log` gets a line per answer, after it was
    sent. `delay` is seconds per answer, `piece_delay` seconds per streamed piece, `byte_delay`
    seconds per byte of what drips."""

    chat_path: str

    def __init__(
        self,
        *,
        port: int = 0,
        log: Path | None = None,
        delay: float = 0.0,
        piece_delay: float = 0.0,
        faults: Sequence[Fault] = (),
        characters_per_token: float = 4.2,
    ) -> None:
        self.port = port
        self.log = log
        self.delay = delay
        self.piece_delay = piece_delay
        self.faults = deque(faults)
        self.always: Fault | None = None
        self.byte_delay = 0.1
        self.characters_per_token = characters_per_token
        self.calls: list[Call] = []
        self.hung_up: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def chats(self) -> list[Call]:
        return [call for call in self.calls if call.path == self.chat_path]

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(timeout=10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=10)

    async def serve(self) -> None:
        """Answer until stopped."""
        self._stop = asyncio.Event()
        connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections[asyncio.create_task(self._converse(reader, writer))] = writer

        server = await asyncio.start_server(accept, "127.0.0.1", self.port, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task, writer in connections.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0)

    @abstractmethod
    async def respond(self, call: Call, fault: Fault | None) -> Reply:
        """The answer to a request in the server's dialect."""

    async def answer_text(
        self, messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any] | None, limit: int
    ) -> str:
        """What the model says: the stand-in really summarises."""
        request = CompletionRequest(
            [Message(m["role"], m["content"]) for m in messages],
            task="anything",
            prompt="anything@1",
            output_schema=schema,
            max_output_tokens=limit,
        )
        try:
            return (await ExtractiveLLM().complete(request)).text
        except AnswerBroken as broken:
            return broken.answer
        except ModelFailure as failure:
            return f"I cannot say: {failure.detail}"

    def tokens(self, text: str) -> int:
        return round(len(text) / self.characters_per_token) + 1

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self.serve())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            call = await _read(reader)
            self.calls.append(call)
            fault = self._next_fault() if call.path == self.chat_path else None
            if await _unless_hung_up(reader, self._answer(call, fault, writer)):
                self._write_log(call, fault)
            else:
                self.hung_up.append(call.id)
        writer.close()

    async def _answer(self, call: Call, fault: Fault | None, writer: asyncio.StreamWriter) -> None:
        if call.path == self.chat_path:
            await asyncio.sleep(3600 if fault == Fault.HANG else self.delay)
        reply = _refusal(fault) or await self.respond(call, fault)
        slow_head = self.byte_delay if fault == Fault.SLOW_HEADERS else 0.0
        slow_body = self.byte_delay if fault in (Fault.SLOW_HEADERS, Fault.DRIP) else 0.0
        await _send(writer, reply, self.piece_delay, slow_head, slow_body)

    def _next_fault(self) -> Fault | None:
        return self.faults.popleft() if self.faults else self.always

    def _write_log(self, call: Call, fault: Fault | None) -> None:
        if self.log is None or call.path != self.chat_path:
            return
        prompt = "\n".join(m["content"] for m in call.body.get("messages", ()))
        line = {"id": call.id, "model": call.body.get("model"), "fault": fault, "prompt": prompt}
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def spoilt(text: str, fault: Fault | None) -> str:
    """The model's text with the fault in it."""
    match fault:
        case Fault.BROKEN_JSON:
            return text[: max(1, len(text) // 2)] + "…"
        case Fault.ONE_WORD:
            return '{"summary": "Summary"}' if text.startswith("{") else "Summary"
        case Fault.LOOP:
            loop = "and so on and so on " * 40
            return json.dumps({"summary": loop}) if text.startswith("{") else loop
        case _:
            return text


def in_pieces(text: str, size: int = 24) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def as_script(kind: type[ModelServer], **settings: Any) -> None:
    """Serve until killed: `--port N --log FILE [--delay S] [--fault NAME …]`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--fault", type=Fault, action="append", default=[])
    given = parser.parse_args()
    server = kind(port=given.port, log=given.log, delay=given.delay, faults=given.fault, **settings)
    with suppress(KeyboardInterrupt):
        asyncio.run(server.serve())


def _refusal(fault: Fault | None) -> Reply | None:
    match fault:
        case Fault.TOO_MANY:
            return Reply(429, ['{"error": "slow down"}'], {"Retry-After": "7"})
        case Fault.BUSY:
            return Reply(503, ['{"error": "server busy, please try again."}'])
        case Fault.QUEUE_FULL:
            return Reply(503, [json.dumps({"error": _QUEUE_FULL})])
        case Fault.REFUSED:
            return Reply(401, ['{"error": "unauthorized"}'])
        case Fault.REDIRECT:
            return Reply(307, [""], {"Location": "http://127.0.0.1:1/api/chat"})
        case Fault.NONSENSE:
            return Reply(200, ["<html>Welcome to the router</html>"], content_type="text/html")
        case _:
            return None


async def _read(reader: asyncio.StreamReader) -> Call:
    start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    method, path, _ = start.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", 0)))
    return Call(method, path, headers, json.loads(raw) if raw else {})


async def _unless_hung_up(reader: asyncio.StreamReader, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work and return True, or drop it and return False when the client goes away."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    except ConnectionError:
        return False
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _send(
    writer: asyncio.StreamWriter,
    reply: Reply,
    piece_delay: float,
    slow_head: float,
    slow_body: float,
) -> None:
    streamed = len(reply.pieces) > 1
    framing = "Transfer-Encoding: chunked" if streamed else f"Content-Length: {_size(reply)}"
    fields = {"Content-Type": reply.content_type, "Connection": "close", **reply.headers}
    head = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Error')}", framing]
    head += [f"{name}: {value}" for name, value in fields.items()]
    await _put(writer, ("\r\n".join(head) + "\r\n\r\n").encode(), slow_head)
    async for piece in _paced(reply, piece_delay if streamed else 0.0):
        raw = piece.encode()
        await _put(writer, b"%x\r\n%b\r\n" % (len(raw), raw) if streamed else raw, slow_body)
    if reply.cut:
        writer.transport.abort()
        return
    if streamed:
        writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _put(writer: asyncio.StreamWriter, raw: bytes, byte_delay: float) -> None:
    for part in [raw[i : i + 1] for i in range(len(raw))] if byte_delay else [raw]:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(byte_delay)


async def _paced(reply: Reply, delay: float) -> AsyncIterator[str]:
    sent = reply.pieces[: len(reply.pieces) // 2] if reply.cut else reply.pieces
    for piece in sent:
        yield piece
        await asyncio.sleep(delay)


def _size(reply: Reply) -> int:
    return len("".join(reply.pieces).encode())
