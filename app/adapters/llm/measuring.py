"""How often models are asked, how long they take, what they cost, how they fail; and a span a
question, for whoever collects traces."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from prometheus_client import Counter, Histogram
from typing_extensions import override

from app.ports.llm import Completion, CompletionRequest, LLMProvider, ModelCard, Usage
from app.shared.errors import LibraryError

_CALLS = Counter("lumina_model_calls", "Questions to models", ["model", "task", "outcome"])
_TOKENS = Counter("lumina_model_tokens", "Tokens, as far as they are known", ["model", "direction"])
_SECONDS = Histogram(
    "lumina_model_seconds",
    "Seconds a question took",
    ["model", "task"],
    buckets=(0.05, 0.2, 1, 5, 15, 60, 180, 600),
)

tracer = trace.get_tracer(__name__)


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
        with _asked(model, request.task, "answered") as span:
            completion = await self._inner.complete(request)
            _count_tokens(span, model, completion.usage)
        _SECONDS.labels(model, request.task).observe(time.monotonic() - began)
        return completion

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        with _asked(self.card.reference, request.task, "streamed"):
            return await self._inner.stream(request)

    @override
    async def check(self) -> None:
        await self._inner.check()


@contextmanager
def _asked(model: str, task: str, outcome: str) -> Iterator[Span]:
    """Count the question and span it; `outcome` is the one of a question that is answered."""
    with tracer.start_as_current_span(
        f"ask {task}",
        kind=SpanKind.CLIENT,
        attributes={"lumina.model": model, "lumina.task": task},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except LibraryError as error:
            outcome = error.code
            span.set_status(StatusCode.ERROR)
            raise
        except BaseException:
            outcome = "interrupted"
            raise
        finally:
            _CALLS.labels(model, task, outcome).inc()
            span.set_attribute("lumina.outcome", outcome)


def _count_tokens(span: Span, model: str, usage: Usage) -> None:
    _TOKENS.labels(model, "in").inc(usage.tokens_in)
    _TOKENS.labels(model, "out").inc(usage.tokens_out)
    span.set_attributes(
        {"lumina.tokens_in": usage.tokens_in, "lumina.tokens_out": usage.tokens_out}
    )
