"""Many questions with every fate, on one budget: what is spent in truth, and what is booked."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

from app.adapters.llm.budgeting import Budget, BudgetingLLM, Caps
from app.adapters.llm.pieces import close
from app.adapters.llm.tokens import most_tokens
from app.ports.budget import BudgetLedger, Payer, current_payer, paid_by
from app.ports.llm import NOTHING, CompletionRequest, Message, ModelFailure, ModelUnavailable, Usage
from tests.fakes.budget import CostingLLM, InMemoryLedger
from tests.fakes.clock import FrozenClock

_NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class Spending:
    """The model's own books: `truly_spent` tokens in all, `over` by how many any account
    went over its cap, `asked` and `refused` questions."""

    def __init__(self, seed: int, caps: Caps, ledger: BudgetLedger | None = None) -> None:
        self._dice = random.Random(seed)
        self._caps = caps
        self._true: Counter[str] = Counter()
        self._model = CostingLLM(self._cost, pause=lambda: self._dice.random() / 1000)
        budget = Budget(ledger or InMemoryLedger(), caps, FrozenClock(_NOON))
        self._llm = BudgetingLLM(self._model, budget)
        self.asked = 0
        self.refused = 0

    @property
    def truly_spent(self) -> int:
        return self._true[f"day/{_NOON:%Y-%m-%d}"]

    @property
    def over(self) -> int:
        caps = {"day": self._caps.day, "user": self._caps.user_day, "job": self._caps.job}
        return sum(
            max(0, spent - caps[account.partition("/")[0]]) for account, spent in self._true.items()
        )

    async def run(self, *, questions: int, at_once: int) -> None:
        places = asyncio.Semaphore(at_once)
        await asyncio.gather(*(self._one(places) for _ in range(questions)))

    async def _one(self, places: asyncio.Semaphore) -> None:
        dice = self._dice
        payer = Payer(UUID(int=dice.randrange(4)), UUID(int=dice.randrange(3)))
        request = CompletionRequest(
            [Message("user", "x" * dice.randrange(200))],
            task="ask",
            prompt="ask@1",
            max_output_tokens=dice.randrange(1, 100),
        )
        async with places:
            with paid_by(payer):
                await self._asked(request)

    async def _asked(self, request: CompletionRequest) -> None:
        self.asked += 1
        fate = self._dice.choice(["answer", "answer", "cancel", "stream", "leave"])
        try:
            if fate in ("answer", "cancel"):
                asking = asyncio.create_task(self._llm.complete(request))
                if fate == "cancel":
                    await asyncio.sleep(self._dice.random() / 1000)
                    asking.cancel()
                await asking
            else:
                pieces = await self._llm.stream(request)
                if fate == "stream":
                    async for _ in pieces:
                        pass
                await close(pieces)
        except ModelFailure as failure:
            self.refused += failure.code.endswith("budget_spent")
        except asyncio.CancelledError:
            pass

    def _cost(self, request: CompletionRequest) -> Usage | ModelFailure:
        """What the question really costs: anything up to the most it may."""
        most = most_tokens(request)
        written = self._dice.randrange(request.max_output_tokens + 1)
        read = self._dice.randrange(most - request.max_output_tokens + 1)
        if self._dice.random() < 0.1:
            return ModelUnavailable(usage=NOTHING)
        for account in self._caps.accounts(current_payer(), _NOON):
            self._true[account] += read + written
        if self._dice.random() < 0.1:
            return ModelUnavailable("It died, and nobody knows what it cost.")
        return Usage(read, written, estimated=False)
