"""Serving HTTP/1.1 to strangers, some of whom never finish a sentence."""

import asyncio
import sys
from http import HTTPStatus
from typing import Any

import h11
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.api.gate import PROTECTION
from app.api.hygiene import HeadersTooLarge, MalformedRequest
from app.api.measures import count_refusal
from app.api.problems import refusal
from app.shared.ids import new_id

# What somebody may have on the way to us before they can have heard our answer.
_ON_THE_WAY = 512 * 1024
_FAREWELL = 1.0


class ImpatientProtocol(H11Protocol):
    """Hangs up after `patience` seconds on who does not say what they want (the whole head of
    a request, however it trickles in), or falls silent in the middle of a body; and on who
    goes on sending a body that has been answered already. What is no HTTP gets a problem
    document, and the gate is told when more than `limit_concurrency` are served at once."""

    patience = 20.0
    _giving_up: asyncio.TimerHandle | None = None
    _unasked = 0

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # The server's own answer to a crowd would be no problem document, and not be counted.
        self.limit_concurrency = None
        self.app = self._told_of_crowds(self.app)
        self._wait()

    def _told_of_crowds(self, app: Any) -> ASGIApp:
        async def asked(scope: Scope, receive: Receive, send: Send) -> None:
            most = self.config.limit_concurrency
            served = max(len(self.connections), len(self.tasks))
            scope["state"]["crowded"] = most is not None and served > most
            await app(scope, receive, send)

        return asked

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        state = self.conn.their_state
        if state is h11.SEND_BODY and self.conn.our_state is h11.DONE:
            self._unasked += len(data)
        else:
            self._unasked = 0
        if self._unasked > _ON_THE_WAY:
            self._take_leave()
            return
        if state is not h11.IDLE:
            self._wait_no_more()
        if state is h11.SEND_BODY or (state is h11.IDLE and self._giving_up is None):
            self._wait()

    def _wait(self) -> None:
        self._giving_up = self.loop.call_later(self.patience, self._give_up)

    def _wait_no_more(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _give_up(self) -> None:
        if self.flow.read_paused:
            # It is we who are slow.
            self._wait()
        else:
            self.transport.close()

    def _take_leave(self) -> None:
        """Read no more, but let our answer arrive before the connection breaks."""
        self._wait_no_more()
        self.flow.pause_reading()
        self.transport.write_eof()
        self.loop.call_later(_FAREWELL, self.transport.abort)

    @override
    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            too_large = getattr(sys.exception(), "error_status_hint", 400) == 431
            self._refuse(HeadersTooLarge() if too_large else MalformedRequest())
        self.transport.close()

    def _refuse(self, error: HeadersTooLarge | MalformedRequest) -> None:
        request_id = str(new_id())
        answer = refusal({"state": {"request_id": request_id}, "headers": ()}, error)
        answer.headers.update({**PROTECTION, "X-Request-ID": request_id, "Connection": "close"})
        self.transport.write(b"".join(map(self.conn.send, _events(answer))))
        count_refusal(answer.status_code)


def _events(answer: Response) -> list[Any]:
    reason = HTTPStatus(answer.status_code).phrase.encode()
    begin = h11.Response(status_code=answer.status_code, headers=answer.raw_headers, reason=reason)
    return [begin, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()]
