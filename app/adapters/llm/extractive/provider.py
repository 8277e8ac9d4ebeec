"""The model that is none: it chooses, counts and joins, and never makes anything up.

It answers when no language model is there, and stands in for one in tests.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator

from typing_extensions import override

from app.adapters.llm.answers import completion, refuse_overflow
from app.adapters.llm.extractive.order import Order
from app.adapters.llm.extractive.writing import object_for, summary
from app.adapters.llm.pieces import opened
from app.adapters.llm.tokens import TokenEstimate, estimate_tokens
from app.ports.llm import (
    Completion,
    CompletionRequest,
    LLMProvider,
    ModelCard,
    ModelUnavailable,
    Usage,
)

_PIECE = re.compile(r"\s*\S{1,80}|\s+$")


class ExtractiveLLM(LLMProvider):
    """Deterministic and model-free: sentences of the text itself, in its order, within the
    word limit the prompt states; names, themes and opinions by counting.

    Any language and script; `context` is a limit on the text, in estimated tokens.
    """

    def __init__(self, *, context: int = 1_000_000) -> None:
        self._card = ModelCard("extractive", "coverage-1", context)
        self._estimate = TokenEstimate()

    @property
    @override
    def card(self) -> ModelCard:
        return self._card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        expected = self._estimate.of(request.messages)
        refuse_overflow(request, expected=expected, window=self._card.context)
        try:
            async with asyncio.timeout(request.deadline):
                text = await asyncio.to_thread(_answer, request)
        except TimeoutError as error:
            raise ModelUnavailable("The summary was not ready in time.") from error
        usage = Usage(expected, estimate_tokens(text), estimated=True)
        return completion(request, text=text, reason="stop", usage=usage, card=self._card)

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        return await opened(self._pieces(request))

    @override
    async def check(self) -> None:
        return

    async def _pieces(self, request: CompletionRequest) -> AsyncGenerator[str, None]:
        answer = await self.complete(request)
        for piece in _PIECE.findall(answer.text):
            yield piece


def _answer(request: CompletionRequest) -> str:
    order = Order.of(request)
    if request.output_schema is None:
        return summary(order, {})
    return json.dumps(object_for(order, request.output_schema), ensure_ascii=False)
