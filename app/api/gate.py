"""The gate: what is decided about a request before any of its body is read.

Raw ASGI on purpose: FastAPI reads the whole body before it runs an auth dependency, so a
stranger could fill the memory. Here come, in this order, the request id, what makes no
request at all, the size limit, and the bearer token; and, on the way out, the headers every
answer carries. Nothing but a problem document leaves when something breaks.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.hygiene import refuse_malformed
from app.api.problems import crash, refusal
from app.domains.accounts.model import User
from app.ports.budget import Payer, paid_by
from app.shared.errors import LibraryError, NotAuthenticated, TooLarge, Unavailable
from app.shared.ids import new_id
from app.shared.trace import traced

Authenticate = Callable[[str], Awaitable[tuple[User, UUID]]]

MEBIBYTE = 1024 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# As many digits as int() reads in no time.
_LENGTH = re.compile(r"[0-9]{1,18}")
_UPLOADS = re.compile(r"/books(/[^/]+/content)?/?")
# Swagger's pages bring scripts and styles of their own; nothing else may run anything.
_PAGES = frozenset(["/docs", "/redoc", "/docs/oauth2-redirect"])
PROTECTION = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
# Tokens, and what is written of people: no copy of it stays anywhere.
_CONFIDENTIAL = ("/auth/", "/users", "/admin")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of a body: of an uploaded file with its form, of a long text, of all others."""

    upload: int
    text: int = 16 * MEBIBYTE
    other: int = MEBIBYTE

    def for_path(self, path: str) -> int:
        if _UPLOADS.fullmatch(path):
            return self.upload + MEBIBYTE
        return self.text if path == "/generate-summary" else self.other


class Crowded(Unavailable):
    title = "Too many are being served at once"


class Gate:
    """Wraps the application; `authenticate` turns a bearer token into who asks, or raises, and
    `public` are the paths at which nobody is asked for one."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticate: Authenticate,
        limits: Limits,
        public: Collection[str],
    ) -> None:
        self._app = app
        self._authenticate = authenticate
        self._limits = limits
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        with traced(request_id=request_id):
            await self._pass(scope, receive, answer)

    async def _pass(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await self._admit(scope)
            user: User | None = scope["state"].get("user")
            with paid_by(Payer(user_id=user.id if user else None)):
                await self._app(scope, _limited(receive, self._limit_of(scope)), answer.send)
        except LibraryError as error:
            await answer.instead(refusal(scope, error), receive)
        except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:
            if _is_told_to_end(error):
                raise
            # Once the answer has begun its handler has logged the failure already.
            if not answer.begun:
                await answer.instead(crash(scope, error), receive)

    async def _admit(self, scope: Scope) -> None:
        # Whoever watches the process must not take a crowd for its end.
        if scope["state"].get("crowded") and scope["path"] != "/healthz":
            raise Crowded(retry_after=1)
        refuse_malformed(scope)
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "0")
        if not _LENGTH.fullmatch(announced) or int(announced) > self._limit_of(scope):
            raise _too_large(self._limit_of(scope))
        if scope["path"] not in self._public:
            scope["state"]["user"], scope["state"]["session_id"] = await self._who(headers)

    async def _who(self, headers: Headers) -> tuple[User, UUID]:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotAuthenticated("Send the access token as 'Authorization: Bearer …'.")
        return await self._authenticate(token.strip())

    def _limit_of(self, scope: Scope) -> int:
        return self._limits.for_path(scope["path"])


class _Answer:
    """The way out: adds the headers, and knows whether the answer has begun."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self.begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            self._decorate(MutableHeaders(scope=message))
        await self._send(message)

    async def instead(self, response: ASGIApp, receive: Receive) -> None:
        if not self.begun:
            self._scope["state"]["stopped"] = "refused"
            await response(self._scope, receive, self.send)

    def _decorate(self, headers: MutableHeaders) -> None:
        path = self._scope["path"]
        headers["X-Request-ID"] = self._scope["state"]["request_id"]
        for name, value in PROTECTION.items():
            headers[name] = value
        if path in _PAGES:
            headers["Content-Security-Policy"] = "frame-ancestors 'none'"
        if path.startswith(_CONFIDENTIAL):
            headers["Cache-Control"] = "no-store"


def _is_told_to_end(error: BaseException) -> bool:
    """Whether it is the request itself that somebody cancels; what else is cancelled in the
    course of it and comes up to here is a failure like any other."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling() > 0)


def _limited(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            # An HTTPException passes through FastAPI's body parsing as it is.
            raise HTTPException(413, _too_large(limit).detail)
        return message

    return counted


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"This request may have {limit // MEBIBYTE} MiB at most.")


def _request_id(headers: Headers) -> str:
    sent = headers.get("x-request-id", "")
    return sent if _REQUEST_ID.fullmatch(sent) else str(new_id())
