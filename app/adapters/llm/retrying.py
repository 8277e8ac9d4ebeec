"""Another try, later: exponential waits with full jitter (AWS Architecture Blog, 2015)."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from typing_extensions import override

from app.adapters.llm.http import ServerBusy
from app.adapters.llm.waits import waits_counted
from app.ports.budget import BudgetSpent
from app.ports.llm import Completion, CompletionRequest, LLMProvider, ModelCard, ModelUnavailable

Answer = TypeVar("Answer")

# Whoever is asked to wait longer does so where it costs nothing: the job is put off.
_PATIENCE = 300.0


class RetryingLLM(LLMProvider):
    """At most `attempts` tries when the model is unavailable, all within the request's one
    deadline; never after a first streamed piece, when a budget is spent, or on other failures.

    Waits are random up to `first_wait` seconds, doubling, at least what the server asked
    for; when that reaches behind the deadline, or takes minutes, the failure is passed on at once.
    """

    def __init__(
        self,
        inner: LLMProvider,
        *,
        attempts: int = 3,
        first_wait: float = 0.5,
        longest_wait: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._inner = inner
        self._attempts = attempts
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._sleep = sleep
        self._clock = clock
        self._jitter = jitter

    @property
    @override
    def card(self) -> ModelCard:
        return self._inner.card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        return await self._tried(self._inner.complete, request)

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        return await self._tried(self._inner.stream, request)

    @override
    async def check(self) -> None:
        await self._inner.check()

    async def _tried(
        self, ask: Callable[[CompletionRequest], Awaitable[Answer]], request: CompletionRequest
    ) -> Answer:
        began = self._clock()
        with waits_counted() as waits:
            for attempt in range(1, self._attempts + 1):
                left = request.deadline - (self._clock() - began - waits.seconds)
                try:
                    return await ask(replace(request, deadline=left))
                except BudgetSpent:
                    raise
                except ModelUnavailable as failure:
                    wait = self._wait(attempt, failure)
                    left = request.deadline - (self._clock() - began - waits.seconds)
                    if attempt == self._attempts or wait >= min(left, _PATIENCE):
                        raise
                await self._sleep(wait)
        raise AssertionError("at least one attempt is made")

    def _wait(self, attempt: int, failure: ModelUnavailable) -> float:
        most = min(self._first_wait * 2.0 ** (attempt - 1), self._longest_wait)
        asked = failure.asked if isinstance(failure, ServerBusy) else 0
        return asked + self._jitter() * most
