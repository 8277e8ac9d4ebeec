"""Saying of everything a request does where it came from: whose session, which address."""

from collections.abc import Sequence
from typing import cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.domains.accounts.model import User
from app.ports.audit import Door, Origin, coming_from


class Origins:
    """Wraps the application inside the gate, which knows by then who asks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with coming_from(_origin(scope)):
            await self._app(scope, receive, send)


def behind_proxies(app: ASGIApp, trusted: Sequence[str]) -> ASGIApp:
    """Believe X-Forwarded-For and X-Forwarded-Proto when a proxy at one of these addresses or
    networks says it, of the hop before it only; without any, and from others, not at all."""
    if not trusted:
        return app
    # The two libraries write the type of the same protocol differently.
    inner = cast(ASGI3Application, app)
    return cast(ASGIApp, ProxyHeadersMiddleware(inner, list(trusted)))


def _origin(scope: Scope) -> Origin:
    state, client = scope.get("state", {}), scope.get("client")
    user: User | None = state.get("user")
    return Origin(
        Door.HTTP,
        user_id=user.id if user else None,
        session_id=state.get("session_id"),
        address=client[0] if client else None,
    )
