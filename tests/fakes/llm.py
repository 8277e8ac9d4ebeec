"""Language models that are not there."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from typing import Any, TypeAlias

from typing_extensions import override

from app.adapters.llm.answers import completion, refuse_overflow
from app.adapters.llm.pieces import opened
from app.adapters.llm.tokens import TokenEstimate, estimate_tokens
from app.ports.llm import (
    Completion,
    CompletionRequest,
    LLMProvider,
    ModelCard,
    ModelFailure,
    ModelUnavailable,
    Usage,
)

Line: TypeAlias = str | Mapping[str, Any] | ModelFailure
Script: TypeAlias = Callable[[CompletionRequest], Line] | Iterable[Line]


class ScriptedLLM(LLMProvider):
    """Answers from a script: a function of the request, or lines said one after the other.

    A line is the text, the object of a structured answer, or the failure to raise. `requests`
    holds what was asked; `delay` is how long an answer takes, in seconds; `cancelled` counts
    answers nobody waited for.
    """

    def __init__(
        self,
        script: Script = ("Yes.",),
        *,
        context: int = 8192,
        model: str = "scripted-1",
        delay: float = 0.0,
    ) -> None:
        lines = iter(()) if callable(script) else iter(script)
        self._say = script if callable(script) else lambda _: _next(lines)
        self._card = ModelCard("scripted", model, context)
        self.delay = delay
        self.requests: list[CompletionRequest] = []
        self.cancelled = 0

    @property
    @override
    def card(self) -> ModelCard:
        return self._card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        expected = TokenEstimate().of(request.messages)
        refuse_overflow(request, expected=expected, window=self._card.context)
        self.requests.append(request)
        await self._think(request)
        line = self._say(request)
        if isinstance(line, ModelFailure):
            raise line
        text = line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)
        usage = Usage(expected, estimate_tokens(text), estimated=True)
        return completion(request, text=text, reason="stop", usage=usage, card=self._card)

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        return await opened(self._pieces(request))

    @override
    async def check(self) -> None:
        return

    async def _think(self, request: CompletionRequest) -> None:
        try:
            async with asyncio.timeout(request.deadline):
                await asyncio.sleep(self.delay)
        except TimeoutError as error:
            raise ModelUnavailable("The model did not answer in time.") from error
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def _pieces(self, request: CompletionRequest) -> AsyncGenerator[str, None]:
        answer = await self.complete(request)
        for piece in re.findall(r"\s*\S+|\s+$", answer.text):
            yield piece


class AbsentLLM(LLMProvider):
    """The model that never answers."""

    @property
    @override
    def card(self) -> ModelCard:
        return ModelCard("absent", "none", 8192)

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        raise ModelUnavailable

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        raise ModelUnavailable

    @override
    async def check(self) -> None:
        raise ModelUnavailable


def _next(lines: Iterable[Line]) -> Line:
    for line in lines:
        return line
    raise AssertionError("the script is over, and somebody asks on")
