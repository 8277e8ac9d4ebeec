import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from app.adapters.llm.http import ServerBusy
from app.adapters.llm.pacing import Pace, PacingLLM
from app.ports.llm import Completion, CompletionRequest, Message, Usage
from tests.fakes.budget import CostingLLM
from tests.fakes.clock import Hours
from tests.fakes.llm import ScriptedLLM

ASK = CompletionRequest(
    [Message("user", "Who lights the lamp?")], task="ask", prompt="ask@1", max_output_tokens=93
)


def paced(model: ScriptedLLM | CostingLLM, hours: Hours, **pace: int) -> PacingLLM:
    return PacingLLM(model, Pace(**pace), clock=hours, sleep=hours.sleep)


async def test_no_more_questions_are_asked_in_a_minute_than_allowed() -> None:
    model, hours = ScriptedLLM(lambda _: "Martha."), Hours()
    llm = paced(model, hours, requests=3)
    for _ in range(7):
        await llm.complete(ASK)
    assert hours.slept == [60.0, 60.0]


@given(limit=st.integers(1, 5), gaps=st.lists(st.integers(0, 40), min_size=1, max_size=30))
async def test_in_any_minute_there_are_no_more_than_the_limit(limit: int, gaps: list[int]) -> None:
    hours = Hours()
    asked: list[float] = []

    def answer(_: CompletionRequest) -> str:
        asked.append(hours.now)
        return "Martha."

    model = ScriptedLLM(answer)
    llm = paced(model, hours, requests=limit)
    for gap in gaps:
        hours.now += gap
        await llm.complete(ASK)
    assert all(sum(at <= other < at + 60 for other in asked) <= limit for at in asked)


async def test_tokens_are_counted_as_the_server_reports_them() -> None:
    model, hours = CostingLLM(lambda _: Usage(8, 2, estimated=False)), Hours()
    llm = paced(model, hours, tokens=200)
    for _ in range(11):
        await llm.complete(ASK)
    assert hours.slept == []
    await llm.complete(ASK)
    assert hours.slept == [60.0]


async def test_a_question_larger_than_the_limit_waits_for_an_empty_minute() -> None:
    model, hours = ScriptedLLM(lambda _: "Martha."), Hours()
    llm = paced(model, hours, tokens=150)
    await llm.complete(ASK)
    await llm.complete(replace(ASK, max_output_tokens=500))
    assert hours.slept == [60.0]


async def test_while_the_server_wants_peace_nobody_asks_it() -> None:
    model, hours = ScriptedLLM([ServerBusy(retry_after=7), "Martha."]), Hours()
    llm = paced(model, hours)
    for expected in (7, 6, 4):
        with pytest.raises(ServerBusy) as busy:
            await llm.complete(ASK)
        assert busy.value.asked == expected
        hours.now += 1.5
    assert len(model.requests) == 1
    hours.now = 7.0
    assert (await llm.complete(ASK)).text == "Martha."


async def test_who_waits_in_line_while_the_server_comes_to_want_peace_does_not_ask_it() -> None:
    busy, hours = asyncio.Event(), Hours()

    class BusyLLM(ScriptedLLM):
        @override
        async def complete(self, request: CompletionRequest) -> Completion:
            self.requests.append(request)
            await busy.wait()
            raise ServerBusy(retry_after=100)

    async def sleep(seconds: float) -> None:
        hours.now += seconds
        busy.set()
        await asyncio.wait({first})

    model = BusyLLM()
    llm = PacingLLM(model, Pace(requests=1), clock=hours, sleep=sleep)
    first = asyncio.create_task(llm.complete(ASK))
    await asyncio.sleep(0)
    with pytest.raises(ServerBusy) as refused:
        await llm.complete(ASK)
    assert refused.value.asked == 100
    assert len(model.requests) == 1
    await asyncio.gather(first, return_exceptions=True)


async def test_a_question_cancelled_in_line_takes_nobodys_turn() -> None:
    model, hours = ScriptedLLM(lambda _: "Martha."), Hours()
    gate = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await gate.wait()
        await hours.sleep(seconds)

    llm = PacingLLM(model, Pace(requests=1), clock=hours, sleep=sleep)
    await llm.complete(ASK)
    first, second = (asyncio.create_task(llm.complete(ASK)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert (await second).text
    assert len(model.requests) == 2
    assert hours.slept == [60.0]
