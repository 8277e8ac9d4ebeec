"""Not too many questions at once: a local model answers one at a time anyway."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from typing_extensions import override

from app.adapters.llm.pieces import close, opened
from app.adapters.llm.waits import in_line
from app.ports.llm import Completion, CompletionRequest, LLMProvider, ModelCard


class LimitingLLM(LLMProvider):
    """At most `concurrency` answers under way in this process; others wait in line, which
    does not count towards their deadline. A stream holds its place until it is closed."""

    def __init__(self, inner: LLMProvider, *, concurrency: int) -> None:
        self._inner = inner
        self._places = asyncio.Semaphore(concurrency)

    @property
    @override
    def card(self) -> ModelCard:
        return self._inner.card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        async with self._place():
            return await self._inner.complete(request)

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        return await opened(self._held(request))

    @override
    async def check(self) -> None:
        await self._inner.check()

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        with in_line():
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    async def _held(self, request: CompletionRequest) -> AsyncGenerator[str, None]:
        async with self._place():
            pieces = await self._inner.stream(request)
            try:
                async for piece in pieces:
                    yield piece
            finally:
                await close(pieces)
