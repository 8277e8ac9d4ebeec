"""Not too many questions at once: a local model answers one at a time anyway."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from typing_extensions import override

from app.adapters.llm.pieces import close, opened
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
        async with self._places:
            return await self._inner.complete(request)

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        return await opened(self._held(request))

    @override
    async def check(self) -> None:
        await self._inner.check()

    async def _held(self, request: CompletionRequest) -> AsyncGenerator[str, None]:
        async with self._places:
            pieces = await self._inner.stream(request)
            try:
                async for piece in pieces:
                    yield piece
            finally:
                await close(pieces)
