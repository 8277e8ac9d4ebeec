"""A ledger in memory, and a model whose answers cost what a test says."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping

from typing_extensions import override

from app.adapters.llm.pieces import Meter, opened
from app.ports.budget import BudgetLedger, Full
from app.ports.llm import (
    Completion,
    CompletionRequest,
    LLMProvider,
    ModelCard,
    ModelFailure,
    Usage,
)
from app.shared.errors import Unavailable


class InMemoryLedger(BudgetLedger):
    """`taken` is what the accounts hold; `lost` makes it unreachable."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.lost = False

    @override
    async def take(self, tokens: int, caps: Mapping[str, int]) -> Full | None:
        self._reach()
        for account, cap in sorted(caps.items()):
            if self.taken[account] + tokens > cap:
                return Full(account, self.taken[account])
        self.taken.update(dict.fromkeys(caps, tokens))
        return None

    @override
    async def correct(self, accounts: Iterable[str], by: int) -> None:
        self._reach()
        self.taken.update(dict.fromkeys(accounts, by))

    def _reach(self) -> None:
        if self.lost:
            raise Unavailable


class CostingLLM(LLMProvider):
    """Answers three words that cost what `cost` says, or fails with what it says. The cost
    of a stream is known at its end."""

    def __init__(
        self,
        cost: Callable[[CompletionRequest], Usage | ModelFailure],
        *,
        delay: float = 0.0,
        pause: Callable[[], float] | None = None,
    ) -> None:
        self._cost = cost
        self._pause = pause or (lambda: delay)
        self.requests: list[CompletionRequest] = []

    @property
    @override
    def card(self) -> ModelCard:
        return ModelCard("costing", "costing-1", 8192)

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        cost = self._cost(request)
        await asyncio.sleep(self._pause())
        if isinstance(cost, ModelFailure):
            raise cost
        return Completion("Martha lights it.", "stop", cost, self.card.reference)

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        meter = Meter()
        return await opened(self._metered(request, meter), meter)

    @override
    async def check(self) -> None:
        return

    async def _metered(self, request: CompletionRequest, meter: Meter) -> AsyncGenerator[str, None]:
        answer = await self.complete(request)
        for word in answer.text.split():
            yield f"{word} "
        meter.usage = answer.usage
