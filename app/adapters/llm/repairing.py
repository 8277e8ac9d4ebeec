"""One chance to repair an answer that lacks the structure that was asked for."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from typing_extensions import override

from app.adapters.llm.structure import AnswerBroken
from app.ports.llm import (
    Completion,
    CompletionRequest,
    ContextOverflow,
    LLMProvider,
    Message,
    ModelCard,
)

_SHOWN = 2000


class RepairingLLM(LLMProvider):
    """Shows the model its broken answer and what is wrong with it, once; the second broken
    answer is StructureBroken."""

    def __init__(self, inner: LLMProvider, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._clock = clock

    @property
    @override
    def card(self) -> ModelCard:
        return self._inner.card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        began = self._clock()
        try:
            return await self._inner.complete(request)
        except AnswerBroken as broken:
            left = request.deadline - (self._clock() - began)
            if left <= 0:
                raise
            try:
                return await self._inner.complete(_repair(request, broken, left))
            except ContextOverflow:
                raise broken from None

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        return await self._inner.stream(request)

    @override
    async def check(self) -> None:
        await self._inner.check()


def _repair(request: CompletionRequest, broken: AnswerBroken, left: float) -> CompletionRequest:
    asked_again = (
        *request.messages,
        Message("assistant", broken.answer[:_SHOWN]),
        Message(
            "user",
            f"That cannot be used: {broken.complaint}. Answer again, shorter where you can, with "
            "nothing but the one JSON object that was asked for.",
        ),
    )
    return replace(request, messages=asked_again, deadline=left)
