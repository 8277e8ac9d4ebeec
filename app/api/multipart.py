"""A multipart form (RFC 7578) read part by part as it arrives, so that a file of any size
passes through without being held."""

from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Literal, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from app.shared.errors import Invalid, Unsupported

EventKind = Literal["headers", "data", "part_end", "form_end"]

_MAX_FIELD = 64 * 1024
_MAX_PARTS = 200


class NotAForm(Unsupported):
    title = "Send a multipart/form-data body"


class BrokenForm(Invalid):
    title = "The multipart form cannot be read"


class Part:
    """One part: its name, its file name if it is a file, and its bytes, to be read once and
    before the next part is asked for."""

    def __init__(self, name: str, filename: str | None, chunks: AsyncIterator[bytes]) -> None:
        self.name = name
        self.filename = filename
        self.chunks = chunks

    async def text(self) -> str:
        taken = bytearray()
        async for chunk in self.chunks:
            taken += chunk
            if len(taken) > _MAX_FIELD:
                raise BrokenForm(f"The field {self.name[:80]!r} is too long.")
        try:
            return taken.decode()
        except UnicodeDecodeError as error:
            raise BrokenForm(f"The field {self.name[:80]!r} is not UTF-8.") from error


class MultipartForm:
    """`async for part in form.parts()`; raises NotAForm, BrokenForm."""

    def __init__(self, content_type: str, stream: AsyncIterator[bytes]) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise NotAForm
        self._stream = stream
        self._events = _Events()
        try:
            self._parser = MultipartParser(boundary, cast(Any, self._events.callbacks()))
        except FormParserError as error:
            raise BrokenForm from error

    async def parts(self) -> AsyncIterator[Part]:
        count = 0
        while (await self._event())[0] == "headers":
            count += 1
            if count > _MAX_PARTS:
                raise BrokenForm(f"A form may have {_MAX_PARTS} parts at most.")
            chunks = self._chunks()
            yield _part(self._events.headers.popleft(), chunks)
            async for _ in chunks:
                pass

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            kind, data = await self._event()
            if kind == "part_end":
                return
            yield data

    async def _event(self) -> tuple[EventKind, bytes]:
        while not self._events.queue:
            chunk = await self._chunk()
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise BrokenForm from error
        return self._events.queue.popleft()

    async def _chunk(self) -> bytes:
        try:
            chunk = await anext(self._stream, b"")
        except ClientDisconnect as error:
            raise BrokenForm("The connection broke off.") from error
        if not chunk:
            raise BrokenForm("The body ends before the form does.")
        return chunk


class _Events:
    """What the push parser says, queued for who pulls."""

    def __init__(self) -> None:
        self.queue: deque[tuple[EventKind, bytes]] = deque()
        self.headers: deque[dict[bytes, bytes]] = deque()
        self._name = b""
        self._value = b""

    def callbacks(self) -> dict[str, Any]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": lambda: self.queue.append(("headers", b"")),
            "on_part_data": lambda data, start, end: self.queue.append(("data", data[start:end])),
            "on_part_end": lambda: self.queue.append(("part_end", b"")),
            "on_end": lambda: self.queue.append(("form_end", b"")),
        }

    def _begin(self) -> None:
        self.headers.append({})

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self.headers[-1][self._name.lower()] = self._value
        self._name, self._value = b"", b""


def _part(headers: dict[bytes, bytes], chunks: AsyncIterator[bytes]) -> Part:
    disposition, options = parse_options_header(headers.get(b"content-disposition", b""))
    name = options.get(b"name")
    if disposition != b"form-data" or name is None:
        raise BrokenForm("A part has no name.")
    filename = options.get(b"filename")
    return Part(
        name.decode(errors="replace"),
        None if filename is None else filename.decode(errors="replace"),
        chunks,
    )
