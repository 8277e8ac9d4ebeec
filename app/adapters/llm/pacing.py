"""Not too many questions and tokens a minute: what providers sell, and what they refuse."""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from typing_extensions import override

from app.adapters.llm.http import ServerBusy
from app.adapters.llm.tokens import estimate_tokens
from app.adapters.llm.waits import in_line
from app.ports.llm import Completion, CompletionRequest, LLMProvider, ModelCard, Usage

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The most in any 60 seconds; 0 is no limit."""

    requests: int = 0
    tokens: int = 0


@dataclass(slots=True)
class _Entry:
    at: float
    amount: int


@dataclass(slots=True)
class _Minute:
    """What the last 60 seconds held. A bucket that refills would let twice the limit through
    in its first minute, and the providers count."""

    limit: int
    entries: deque[_Entry] = field(default_factory=deque)

    def wait(self, amount: int, now: float) -> float:
        """Seconds until the amount fits. More than the limit fits an empty minute: whether
        that is too much is for the provider to say."""
        while self.entries and self.entries[0].at <= now - _MINUTE:
            self.entries.popleft()
        excess = sum(entry.amount for entry in self.entries) + amount - self.limit
        if not self.limit or excess <= 0:
            return 0.0
        wait = 0.0
        for entry in self.entries:
            wait = entry.at + _MINUTE - now
            excess -= entry.amount
            if excess <= 0:
                break
        return wait

    def add(self, amount: int, now: float) -> _Entry:
        entry = _Entry(now, amount)
        if self.limit:
            self.entries.append(entry)
        return entry


class PacingLLM(LLMProvider):
    """At most so many requests and tokens in any 60 seconds. Others wait in line, which does
    not count towards their deadline.

    Tokens are estimated before and corrected by what the server reports. While a server wants
    to be left alone (Retry-After), nobody asks it: ServerBusy at once, with the rest of the wait.
    """

    def __init__(
        self,
        inner: LLMProvider,
        pace: Pace,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._inner = inner
        self._requests = _Minute(pace.requests)
        self._tokens = _Minute(pace.tokens)
        self._clock = clock
        self._sleep = sleep
        self._line = asyncio.Lock()
        self._shut_until = -math.inf

    @property
    @override
    def card(self) -> ModelCard:
        return self._inner.card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        entry = await self._admitted(request)
        try:
            answer = await self._inner.complete(request)
        except ServerBusy as busy:
            self._shut(busy)
            raise
        entry.amount = _total(answer.usage)
        return answer

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        await self._admitted(request)
        try:
            return await self._inner.stream(request)
        except ServerBusy as busy:
            self._shut(busy)
            raise

    @override
    async def check(self) -> None:
        await self._inner.check()

    async def _admitted(self, request: CompletionRequest) -> _Entry:
        """Wait for the turn; the entry of the tokens."""
        tokens = request.max_output_tokens + sum(
            estimate_tokens(message.content) for message in request.messages
        )
        self._refuse_while_shut()
        with in_line(self._clock):
            async with self._line:
                while (wait := self._wait(tokens)) > 0:
                    await self._sleep(wait)
                self._refuse_while_shut()
                self._requests.add(1, self._clock())
                return self._tokens.add(tokens, self._clock())

    def _wait(self, tokens: int) -> float:
        now = self._clock()
        return max(self._requests.wait(1, now), self._tokens.wait(tokens, now))

    def _shut(self, busy: ServerBusy) -> None:
        self._shut_until = max(self._shut_until, self._clock() + busy.asked)

    def _refuse_while_shut(self) -> None:
        rest = self._shut_until - self._clock()
        if rest > 0:
            raise ServerBusy(
                "The model's server has asked for a pause.", retry_after=math.ceil(rest)
            )


def _total(usage: Usage) -> int:
    return usage.tokens_in + usage.tokens_out
