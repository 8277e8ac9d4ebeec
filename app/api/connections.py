"""Serving HTTP/1.1 to strangers, some of whom never finish a sentence."""

import asyncio
from typing import Any

import h11
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol


class ImpatientProtocol(H11Protocol):
    """Hangs up after `patience` seconds on who does not say what they want (the whole head of
    a request, however it trickles in), or falls silent in the middle of a body."""

    patience = 20.0
    _giving_up: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        state = self.conn.their_state
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
