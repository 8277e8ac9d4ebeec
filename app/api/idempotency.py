"""Idempotency-Key: the same request again gets the first answer again, for 24 hours.

Stands inside the gate (it needs to know who asks) and outside the application (it keeps
answers as they go out). Forms are recognised by their fields and the hash of their file,
because every attempt has another boundary.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from uuid import UUID, uuid4

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.multipart import MultipartForm
from app.ports.replies import KeyUsedOtherwise, Reply, ReplyMemory
from app.services import Services
from app.shared.errors import Invalid, TooLarge, Unavailable

_COVERED = re.compile(r"/books|/books/[0-9A-Fa-f-]{32,36}/(borrow|reviews)")
_FORMS = "/books"
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
        # One key for one purpose: the path belongs to it.
        claim = _Claim(self._replies, scope["state"]["user"].id, f"{scope['path']} {key}")
        if scope["path"] != _FORMS:
            receive = await _read_ahead(scope, receive)
        earlier = await claim.take()
        if earlier is None:
            await self._first(claim, scope, receive, send)
        else:
            await _again(earlier, scope, receive, send)

    async def _first(self, claim: "_Claim", scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Recorded(claim, scope, send)
        try:
            await self._app(scope, receive, answer.send)
        finally:
            await claim.release()


async def _again(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    with _readable():
        fingerprint = scope["state"].get("fingerprint") or await _fingerprint_of_streamed_form(
            Request(scope, receive)
        )
    if fingerprint != reply.fingerprint:
        raise KeyUsedOtherwise("Use a new key for another request.")
    scope["state"]["stopped"] = "replayed"
    headers = {**reply.headers, "Idempotency-Replayed": "true"}
    await Response(reply.body, reply.status, headers)(scope, receive, send)


class _Claim:
    """Our hold on a key, until an answer is kept or there is none to keep."""

    def __init__(self, replies: ReplyMemory, user_id: UUID, key: str) -> None:
        self._replies = replies
        self._hold = (user_id, key, uuid4())
        self._held = False

    async def take(self) -> Reply | None:
        earlier = await self._replies.claim(*self._hold)
        self._held = earlier is None
        return earlier

    async def keep(self, reply: Reply) -> None:
        # The effect is there: who caused it is told so, remembered or not.
        with suppress(Unavailable):
            await self._replies.keep(*self._hold, reply)
        self._held = False

    async def release(self) -> None:
        if self._held:
            await self._replies.release(*self._hold)


class _Recorded:
    """Passes an answer on, and has it remembered before its end goes out: what the request
    leaves to be done after the answer may take long, and the caller may be back at once."""

    def __init__(self, claim: _Claim, scope: Scope, send: Send) -> None:
        self._claim = claim
        self._scope = scope
        self._send = send
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = Headers(raw=message["headers"])
            self._headers = {n: headers[n] for n in _KEPT_HEADERS if n in headers}
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._remember()
        await self._send(message)

    async def _remember(self) -> None:
        fingerprint = self._scope["state"].get("fingerprint")
        if fingerprint is None or self._status >= 500 or self._status in _PASSING:
            return
        await self._claim.keep(Reply(fingerprint, self._status, self._headers, self._body.decode()))


def _key_of(scope: Scope) -> str | None:
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    key = Headers(scope=scope).get("idempotency-key")
    if key is None or not _COVERED.fullmatch(scope["path"]):
        return None
    if not _KEY.fullmatch(key):
        raise BadKey
    return key


async def _read_ahead(scope: Scope, receive: Receive) -> Receive:
    """Take in the whole body, which is small, and its fingerprint; hands it out again."""
    with _readable():
        body = await Request(scope, receive).body()
    scope["state"]["fingerprint"] = hashlib.sha256(body).hexdigest()
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


@contextmanager
def _readable() -> Iterator[None]:
    """The gate's limit and a lost connection, as refusals."""
    try:
        yield
    except HTTPException as error:
        raise TooLarge(error.detail) from error
    except ClientDisconnect as error:
        raise Invalid("The connection broke off.") from error


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
