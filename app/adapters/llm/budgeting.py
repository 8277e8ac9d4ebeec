"""Hard caps on tokens: by job, by user and day, and by day.

A question is refused before it is asked when the most it could cost does not fit. That most
is a byte a token and what may be written: no tokenizer makes more tokens than bytes, so no
error of an estimate ever breaks a cap. Afterwards what the server reported takes its place;
where nobody knows what a call cost (cancelled, timed out, died), it cost the most.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from typing_extensions import override

from app.adapters.llm.pieces import Meter, close, opened, usage_of
from app.adapters.llm.tokens import most_tokens
from app.adapters.llm.waits import in_line
from app.ports.budget import (
    BudgetLedger,
    BudgetSpent,
    Full,
    JobBudgetSpent,
    Payer,
    current_payer,
)
from app.ports.clock import Clock
from app.ports.llm import (
    NOTHING,
    Completion,
    CompletionRequest,
    LLMProvider,
    ModelCard,
    ModelFailure,
    ModelUnavailable,
    Usage,
)
from app.shared.errors import Unavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caps:
    """The most tokens of a UTC day, of a user's day and of a job; 0 is no limit."""

    day: int = 0
    user_day: int = 0
    job: int = 0

    def __bool__(self) -> bool:
        return bool(self.day or self.user_day or self.job)

    def accounts(self, payer: Payer, today: datetime) -> dict[str, int]:
        """The accounts the payer draws on, with their caps."""
        caps = {f"day/{today:%Y-%m-%d}": self.day}
        if payer.user_id:
            caps[f"user/{payer.user_id}/{today:%Y-%m-%d}"] = self.user_day
        if payer.job_id:
            caps[f"job/{payer.job_id}"] = self.job
        return {account: cap for account, cap in caps.items() if cap}


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps, and the ledger that all processes share."""

    ledger: BudgetLedger
    caps: Caps
    clock: Clock


@dataclass(slots=True)
class _Bill:
    usage: Usage | None = None


class BudgetingLLM(LLMProvider):
    """Raises BudgetSpent or JobBudgetSpent instead of asking what the current payer's accounts
    have no room for, ModelUnavailable when the ledger is away. Where only questions of this
    process that are under way stand in the way, it waits for their end."""

    def __init__(self, inner: LLMProvider, budget: Budget) -> None:
        self._inner = inner
        self._ledger = budget.ledger
        self._caps = budget.caps
        self._clock = budget.clock
        self._held: Counter[str] = Counter()
        self._settled = asyncio.Event()
        self._writing: set[asyncio.Task[None]] = set()

    @property
    @override
    def card(self) -> ModelCard:
        return self._inner.card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        async with self._billed(request) as bill:
            answer = await self._inner.complete(request)
            bill.usage = answer.usage
            return answer

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        meter = Meter()
        return await opened(self._pieces(request, meter), meter)

    @override
    async def check(self) -> None:
        await self._inner.check()

    async def _pieces(self, request: CompletionRequest, meter: Meter) -> AsyncGenerator[str, None]:
        async with self._billed(request) as bill:
            pieces = await self._inner.stream(request)
            try:
                async for piece in pieces:
                    yield piece
            finally:
                await close(pieces)
                bill.usage = meter.usage = usage_of(pieces)

    @asynccontextmanager
    async def _billed(self, request: CompletionRequest) -> AsyncIterator[_Bill]:
        caps = self._caps.accounts(current_payer(), self._clock.now().astimezone(UTC))
        most, bill = most_tokens(request), _Bill()
        await self._take(most, caps)
        try:
            yield bill
        except ModelFailure as failure:
            bill.usage = failure.usage
            raise
        finally:
            await self._settle(caps, most, bill.usage)

    async def _take(self, tokens: int, caps: Mapping[str, int]) -> None:
        while caps:
            settled = self._settled
            full = await self._taken(tokens, caps)
            if full is None:
                self._held.update(dict.fromkeys(caps, tokens))
                return
            if settled.is_set():
                continue
            held = self._held[full.account]
            if not held or full.taken - held + tokens > caps[full.account]:
                raise self._spent(full, caps[full.account], tokens)
            with in_line():
                await settled.wait()

    async def _taken(self, tokens: int, caps: Mapping[str, int]) -> Full | None:
        try:
            return await self._ledger.take(tokens, caps)
        except Unavailable as error:
            raise ModelUnavailable(
                "The ledger of the model's budget does not answer.", usage=NOTHING
            ) from error

    async def _settle(self, caps: Mapping[str, int], most: int, usage: Usage | None) -> None:
        by = usage.tokens_in + usage.tokens_out - most if usage else 0
        try:
            if by and caps:
                # Whoever is cancelled now has had the answer, and pays what it cost.
                writing = asyncio.create_task(self._corrected(caps, by))
                self._writing.add(writing)
                writing.add_done_callback(self._writing.discard)
                await asyncio.shield(writing)
        finally:
            # Only now: before, the ledger still counts what comes back.
            self._held.subtract(dict.fromkeys(caps, most))
            self._held = +self._held
            self._settled.set()
            self._settled = asyncio.Event()

    async def _corrected(self, caps: Mapping[str, int], by: int) -> None:
        if by > 0:
            log.warning("a question cost %d tokens more than thought possible", by)
        try:
            await self._ledger.correct(caps, by)
        except Unavailable as error:
            log.warning("the budget is charged %d tokens too many: %s", -by, error.detail)

    def _spent(self, full: Full, cap: int, tokens: int) -> ModelFailure:
        left = f"{full.taken} of {cap} tokens are spent and this question may take {tokens}"
        if full.account.startswith("job/"):
            return JobBudgetSpent(f"{left}: raise LLM_BUDGET_JOB and ask again.", usage=NOTHING)
        name = "LLM_BUDGET_DAY" if full.account.startswith("day/") else "LLM_BUDGET_USER_DAY"
        wait = _until_tomorrow(self._clock.now().astimezone(UTC))
        return BudgetSpent(
            f"{left}: the day's budget ({name}) starts anew at midnight UTC.",
            retry_after=wait,
            usage=NOTHING,
        )


def _until_tomorrow(now: datetime) -> int:
    tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    return math.ceil((tomorrow - now).total_seconds())
