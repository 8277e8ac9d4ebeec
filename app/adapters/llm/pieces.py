"""Streams of text that fail before their first piece and close what they came from."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from typing_extensions import override

from app.ports.llm import Usage


@dataclass(slots=True)
class Meter:
    """What a stream cost, once its end has come."""

    usage: Usage | None = None


class OpenPieces(AsyncIterator[str]):
    """Pieces of an answer, the first of which has arrived; closing it closes the source."""

    def __init__(
        self, first: str | None, rest: AsyncGenerator[str, None], meter: Meter | None = None
    ) -> None:
        self._first = first
        self._rest = rest
        self.meter = meter or Meter()

    @override
    async def __anext__(self) -> str:
        if self._first is None:
            return await anext(self._rest)
        piece, self._first = self._first, None
        return piece

    async def aclose(self) -> None:
        self._first = None
        await self._rest.aclose()


async def opened(source: AsyncGenerator[str, None], meter: Meter | None = None) -> OpenPieces:
    """Wait for the first piece, so that what fails early fails here."""
    return OpenPieces(await anext(source, None), source, meter)


async def close(pieces: AsyncIterator[str]) -> None:
    """Stop the generation behind the pieces."""
    if isinstance(pieces, OpenPieces | AsyncGenerator):
        await pieces.aclose()


def usage_of(pieces: AsyncIterator[str]) -> Usage | None:
    """What the answer cost; None before its end, and where nobody counts."""
    return pieces.meter.usage if isinstance(pieces, OpenPieces) else None


async def until(deadline: float, source: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """The source's pieces; TimeoutError when they take more than `deadline` seconds in all.

    The clock never runs out while the reader is busy with a piece: a timeout that spans a
    yield would cancel the reader's own work.
    """
    ends = asyncio.get_running_loop().time() + deadline
    async with aclosing(source):
        while True:
            async with asyncio.timeout_at(ends):
                piece = await anext(source, None)
            if piece is None:
                return
            yield piece
