"""Idempotency-Key: the same request again gets the first answer again, for 24 hours.

Stands inside the gate (it needs to know who asks) and outside the application (it keeps
answers as they go out). Forms are recognised by their fields and the hash of their file,
because every attempt has another boundary.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from uuid import UUID

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.multipart import MultipartForm
from app.ports.replies import KeyUsedOtherwise, Reply, ReplyMemory
from app.services import Services
from app.shared.errors import Invalid

_COVERED = re.compile(r"/books|/books/[^/]+/(borrow|reviews)")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = ("content-type", "location", "etag")
# Not remembered: what may well go otherwise next time.
_PASSING = frozenset([401, 408, 429])


class BadKey(Invalid):
    code = "invalid_idempotency_key"
    title = "An Idempotency-Key is 1 to 255 visible ASCII characters"


def fingerprint_of_form(fields: Mapping[str, str], sha256: str) -> str:
    return hashlib.sha256(json.dumps([sorted(fields.items()), sha256]).encode()).hexdigest()


class Idempotency:
    def __init__(self, app: ASGIApp, *, services: Services) -> None:
        self._app = app
        self._replies: ReplyMemory = services.replies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key_of(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        user_id = scope["state"]["user"].id
        # One key for one purpose: the path belongs to it.
        key = f"{scope['path']} {key}"
        earlier = await self._replies.claim(user_id, key)
        if earlier is not None:
            await self._again(earlier, scope, receive, send)
        else:
            await self._first(user_id, key, scope, receive, send)

    async def _again(self, reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if await _fingerprint(request) != reply.fingerprint:
            raise KeyUsedOtherwise("Use a new key for another request.")
        headers = {**reply.headers, "Idempotency-Replayed": "true"}
        await Response(reply.body, reply.status, headers)(scope, receive, send)

    async def _first(
        self, user_id: UUID, key: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        body = _Recorded(receive, send)
        try:
            await self._app(scope, body.receive, body.send)
        finally:
            reply = body.reply(scope)
            if reply is None:
                await self._replies.release(user_id, key)
            else:
                await self._replies.keep(user_id, key, reply)


class _Recorded:
    """Passes a request and its answer on, and remembers them."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._hash = hashlib.sha256()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._complete = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._hash.update(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = Headers(raw=message["headers"])
            self._headers = {n: headers[n] for n in _KEPT_HEADERS if n in headers}
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            self._complete = not message.get("more_body", False)
        await self._send(message)

    def reply(self, scope: Scope) -> Reply | None:
        """What to remember; None when there is nothing that would hold next time."""
        if not self._complete or self._status >= 500 or self._status in _PASSING:
            return None
        fingerprint = scope["state"].get("fingerprint") or self._hash.hexdigest()
        return Reply(fingerprint, self._status, self._headers, self._body.decode())


def _key_of(scope: Scope) -> str | None:
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    key = Headers(scope=scope).get("idempotency-key")
    if key is None or not _COVERED.fullmatch(scope["path"]):
        return None
    if not _KEY.fullmatch(key):
        raise BadKey
    return key


async def _fingerprint(request: Request) -> str:
    if request.headers.get("content-type", "").startswith("multipart/"):
        return await _fingerprint_of_streamed_form(request)
    digest = hashlib.sha256()
    async for chunk in request.stream():
        digest.update(chunk)
    return digest.hexdigest()


async def _fingerprint_of_streamed_form(request: Request) -> str:
    fields: dict[str, str] = {}
    digest = hashlib.sha256()
    form = MultipartForm(request.headers["content-type"], request.stream())
    async for part in form.parts():
        if part.name == "file":
            async for chunk in part.chunks:
                digest.update(chunk)
        else:
            value = await part.text()
            fields[part.name] = f"{fields[part.name]},{value}" if part.name in fields else value
    return fingerprint_of_form(fields, digest.hexdigest())
