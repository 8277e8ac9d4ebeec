"""Many questions with every fate, on one budget: what is spent in truth, and what is booked."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from app.adapters.llm.budgeting import Budget, BudgetingLLM, Caps
from app.adapters.llm.pieces import close, usage_of
from app.adapters.llm.tokens import most_tokens
from app.ports.budget import BudgetLedger, Payer, current_payer, paid_by
from app.ports.llm import NOTHING, CompletionRequest, Message, ModelFailure, ModelUnavailable, Usage
from tests.fakes.budget import CostingLLM, InMemoryLedger
from tests.fakes.clock import FrozenClock

_NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
DAY = f"day/{_NOON:%Y-%m-%d}"


class Spending:
    """The model's own books: `truly_spent` tokens in all, `over` by how many any account
    went over its cap, `refused` questions; and `booked`, what the day's account must hold at
    the end: what is known of each cost, and the most of the others. What befalls a question
    is drawn from its number, whatever the order they come in."""

    def __init__(self, seed: int, caps: Caps, ledger: BudgetLedger | None = None) -> None:
        self._seed = seed
        self._caps = caps
        self._true: Counter[str] = Counter()
        self._under_way: dict[str, asyncio.Event] = {}
        self._pause = 0.0
        self._model = CostingLLM(self._cost, pause=lambda: self._pause)
        budget = Budget(ledger or InMemoryLedger(), caps, FrozenClock(_NOON))
        self._llm = BudgetingLLM(self._model, budget)
        self.booked = 0
        self.refused = 0

    @property
    def truly_spent(self) -> int:
        return self._true[DAY]

    @property
    def over(self) -> int:
        caps = {"day": self._caps.day, "user": self._caps.user_day, "job": self._caps.job}
        return sum(
            max(0, spent - caps[account.partition("/")[0]]) for account, spent in self._true.items()
        )

    async def run(self, *, questions: int, at_once: int) -> None:
        places = asyncio.Semaphore(at_once)
        await asyncio.gather(*(self._one(number, places) for number in range(questions)))

    async def _one(self, number: int, places: asyncio.Semaphore) -> None:
        dice = self._dice(number)
        payer = Payer(UUID(int=dice.randrange(4)), UUID(int=dice.randrange(3)))
        request = CompletionRequest(
            [Message("user", "x" * dice.randrange(200))],
            task=dice.choice(["answer", "answer", "cancel", "stream", "leave"]),
            prompt=str(number),
            max_output_tokens=dice.randrange(1, 100),
        )
        async with places:
            with paid_by(payer):
                await self._asked(request)

    async def _asked(self, request: CompletionRequest) -> None:
        usage: Usage | None = None
        try:
            match request.task:
                case "answer":
                    usage = (await self._llm.complete(request)).usage
                case "cancel":
                    await self._left_alone(request)
                case _:
                    usage = await self._streamed(request)
        except ModelFailure as failure:
            self.refused += failure.code.endswith("budget_spent")
            usage = failure.usage
        self.booked += usage.tokens_in + usage.tokens_out if usage else most_tokens(request)

    async def _left_alone(self, request: CompletionRequest) -> None:
        """Cancelled once the model is at work on it."""
        at_work = self._under_way[request.prompt] = asyncio.Event()
        asking = asyncio.create_task(self._llm.complete(request))
        waiting = asyncio.create_task(at_work.wait())
        await asyncio.wait({asking, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking

    async def _streamed(self, request: CompletionRequest) -> Usage | None:
        pieces = await self._llm.stream(request)
        if request.task == "stream":
            async for _ in pieces:
                pass
        await close(pieces)
        return usage_of(pieces)

    def _cost(self, request: CompletionRequest) -> Usage | ModelFailure:
        """What the question really costs: anything up to the most it may."""
        dice = self._dice(int(request.prompt) + 0.5)
        most = most_tokens(request)
        written = dice.randrange(request.max_output_tokens + 1)
        read = dice.randrange(most - request.max_output_tokens + 1)
        self._pause = dice.random() / 1000
        known, fate = request.task != "cancel", dice.random()
        if known and fate < 0.1:
            return ModelUnavailable(usage=NOTHING)
        for account in self._caps.accounts(current_payer(), _NOON):
            self._true[account] += read + written
        if known and fate < 0.2:
            return ModelUnavailable("It died, and nobody knows what it cost.")
        if not known:
            self._pause = 3600
            self._under_way[request.prompt].set()
        return Usage(read, written, estimated=False)

    def _dice(self, number: float) -> random.Random:
        return random.Random(f"{self._seed}/{number}")
