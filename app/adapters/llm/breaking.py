"""A circuit breaker (Nygard, Release It!): a model that is down is left alone for a while."""

import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from typing_extensions import override

from app.adapters.llm.http import ServerBusy
from app.ports.budget import BudgetSpent, JobBudgetSpent
from app.ports.llm import (
    NOTHING,
    Completion,
    CompletionRequest,
    LLMProvider,
    ModelCard,
    ModelFailure,
    ModelUnavailable,
)


class BreakingLLM(LLMProvider):
    """After `failures` ModelUnavailable in a row, refuses at once for `pause` seconds; then
    one request goes through as a probe, and its outcome closes or re-opens the circuit.

    A server that says it is busy is no reason to open it: it is alive and knows better than
    any fixed pause when to come again. Nor is a spent budget, which says nothing of the model.
    """

    def __init__(
        self,
        inner: LLMProvider,
        *,
        failures: int = 5,
        pause: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._allowed = failures
        self._pause = pause
        self._clock = clock
        self._failed = 0
        self._open_until = -math.inf
        self._probing = False

    @property
    @override
    def card(self) -> ModelCard:
        return self._inner.card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        with self._circuit():
            return await self._inner.complete(request)

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        with self._circuit():
            return await self._inner.stream(request)

    @override
    async def check(self) -> None:
        await self._inner.check()

    @contextmanager
    def _circuit(self) -> Iterator[None]:
        broken = self._failed >= self._allowed
        if broken:
            self._refuse_while_open()
            self._probing = True
        try:
            yield
        except (ServerBusy, BudgetSpent, JobBudgetSpent):
            raise
        except ModelUnavailable:
            self._count_failure()
            raise
        except ModelFailure:
            self._failed = 0
            raise
        else:
            self._failed = 0
        finally:
            if broken:
                self._probing = False

    def _refuse_while_open(self) -> None:
        wait = self._open_until - self._clock()
        if wait > 0 or self._probing:
            raise ModelUnavailable(
                "The language model has failed repeatedly and is given a pause.",
                retry_after=max(1, math.ceil(wait)),
                usage=NOTHING,
            )

    def _count_failure(self) -> None:
        self._failed += 1
        if self._failed >= self._allowed:
            self._open_until = self._clock() + self._pause
