"""The same question is asked once: answers are kept, and who asks meanwhile shares."""

import asyncio
import copy
import hashlib
import json
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from typing_extensions import override

from app.ports.budget import BudgetSpent, JobBudgetSpent
from app.ports.llm import Completion, CompletionRequest, LLMProvider, ModelCard


@dataclass(eq=False, slots=True)
class _Flight:
    """A question under way, and how many wait for its answer."""

    task: asyncio.Task[Completion]
    waiting: int = 0


class CachingLLM(LLMProvider):
    """Keeps the last `entries` answers, of `most_bytes` of text together at most, in this
    process; equal questions at the same time are one call, which ends when the last who
    waits for it is cancelled.

    Equal means: provider, model, parameters, schema and messages. Only what comes out the same
    each time is shared, so a temperature above 0 needs a seed. Failures are not kept, streams
    pass by. The usage of a kept answer is what it cost whoever asked first.
    """

    def __init__(
        self, inner: LLMProvider, *, most_bytes: int = 8 * 2**20, entries: int = 2048
    ) -> None:
        self._inner = inner
        self._most_bytes = most_bytes
        self._most_entries = entries
        self._kept: OrderedDict[str, Completion] = OrderedDict()
        self._bytes = 0
        self._flights: dict[tuple[str, float], _Flight] = {}

    @property
    @override
    def card(self) -> ModelCard:
        return self._inner.card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        if not is_repeatable(request):
            return await self._inner.complete(request)
        key = key_of(self.card, request)
        answer = self._kept.get(key)
        if answer is None:
            answer = await self._shared(key, request)
        else:
            self._kept.move_to_end(key)
        # Whoever changes what is his changes nobody else's.
        return replace(answer, parsed=copy.deepcopy(answer.parsed))

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        return await self._inner.stream(request)

    @override
    async def check(self) -> None:
        await self._inner.check()

    async def _shared(self, key: str, request: CompletionRequest) -> Completion:
        # Who is in a hurry does not share with who is not.
        place = key, request.deadline
        while place in self._flights:
            try:
                return await self._landing(place)
            except (BudgetSpent, JobBudgetSpent):
                # That was the budget of who asked first.
                continue
        asking = asyncio.create_task(self._flown(place, request))
        # Its failure may come when nobody waits any more.
        asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._flights[place] = _Flight(asking)
        return await self._landing(place)

    async def _landing(self, place: tuple[str, float]) -> Completion:
        flight = self._flights[place]
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._forget(place, flight)
                flight.task.cancel()
                await asyncio.wait([flight.task])

    async def _flown(self, place: tuple[str, float], request: CompletionRequest) -> Completion:
        flight = self._flights[place]
        try:
            answer = await self._inner.complete(request)
            self._keep(place[0], answer)
            return answer
        finally:
            self._forget(place, flight)

    def _forget(self, place: tuple[str, float], flight: _Flight) -> None:
        if self._flights.get(place) is flight:
            del self._flights[place]

    def _keep(self, key: str, answer: Completion) -> None:
        if before := self._kept.pop(key, None):
            self._bytes -= _size(before)
        self._kept[key] = answer
        self._bytes += _size(answer)
        while self._bytes > self._most_bytes or len(self._kept) > self._most_entries:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= _size(oldest)


def is_repeatable(request: CompletionRequest) -> bool:
    """Whether the same request is worth the same answer."""
    return request.temperature == 0 or request.seed is not None


def key_of(card: ModelCard, request: CompletionRequest) -> str:
    """The name of a question: a hash of all that its answer depends on."""
    parts = [
        card.provider,
        card.model,
        card.context,
        request.max_output_tokens,
        request.temperature,
        request.seed,
        json.dumps(request.output_schema, sort_keys=True, default=dict),
        *((message.role, message.content) for message in request.messages),
    ]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def _size(answer: Completion) -> int:
    return len(answer.text.encode())
