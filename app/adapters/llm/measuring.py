"""How often models are asked, how long they take, what they cost, how they fail."""

import time
from collections.abc import AsyncIterator

from prometheus_client import Counter, Histogram
from typing_extensions import override

from app.ports.llm import Completion, CompletionRequest, LLMProvider, ModelCard
from app.shared.errors import LibraryError

_CALLS = Counter("lumina_model_calls", "Questions to models", ["model", "task", "outcome"])
_TOKENS = Counter("lumina_model_tokens", "Tokens, as far as they are known", ["model", "direction"])
_SECONDS = Histogram(
    "lumina_model_seconds",
    "Seconds a question took",
    ["model", "task"],
    buckets=(0.05, 0.2, 1, 5, 15, 60, 180, 600),
)


class MeasuringLLM(LLMProvider):
    """The same model, counted."""

    def __init__(self, inner: LLMProvider) -> None:
        self._inner = inner

    @property
    @override
    def card(self) -> ModelCard:
        return self._inner.card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        model, began = self.card.reference, time.monotonic()
        try:
            completion = await self._inner.complete(request)
        except LibraryError as error:
            _CALLS.labels(model, request.task, error.code).inc()
            raise
        _CALLS.labels(model, request.task, "answered").inc()
        _SECONDS.labels(model, request.task).observe(time.monotonic() - began)
        _TOKENS.labels(model, "in").inc(completion.usage.tokens_in)
        _TOKENS.labels(model, "out").inc(completion.usage.tokens_out)
        return completion

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        pieces = await self._inner.stream(request)
        _CALLS.labels(self.card.reference, request.task, "streamed").inc()
        return pieces

    @override
    async def check(self) -> None:
        await self._inner.check()
