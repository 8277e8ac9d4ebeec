import asyncio
from dataclasses import replace
from itertools import pairwise
from math import inf

import pytest

from app.adapters.llm.breaking import BreakingLLM
from app.adapters.llm.http import ServerBusy
from app.adapters.llm.limiting import LimitingLLM
from app.adapters.llm.pacing import Pace, PacingLLM
from app.adapters.llm.pieces import close
from app.adapters.llm.repairing import RepairingLLM
from app.adapters.llm.retrying import RetryingLLM
from app.ports.budget import BudgetSpent, JobBudgetSpent
from app.ports.llm import (
    CompletionRequest,
    ContextOverflow,
    LLMProvider,
    Message,
    ModelFailure,
    ModelRefused,
    ModelUnavailable,
    StructureBroken,
)
from tests.fakes.clock import Hours
from tests.fakes.llm import Line, ScriptedLLM

ASK = CompletionRequest(
    [Message("user", "Who lights the lamp?")], task="ask", prompt="ask@1", deadline=300.0
)
STRUCTURED = CompletionRequest(
    [Message("user", "Who?")],
    task="ask",
    prompt="ask@1",
    output_schema={
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string", "minLength": 1}},
    },
)


def retrying(model: LLMProvider, hours: Hours, attempts: int = 4) -> RetryingLLM:
    return RetryingLLM(model, attempts=attempts, sleep=hours.sleep, clock=hours, jitter=lambda: 1.0)


async def test_an_unavailable_model_is_asked_exactly_as_often_as_allowed() -> None:
    model, hours = ScriptedLLM(lambda _: ModelUnavailable()), Hours()
    with pytest.raises(ModelUnavailable):
        await retrying(model, hours).complete(ASK)
    assert len(model.requests) == 4
    assert hours.slept == [0.5, 1.0, 2.0]


async def test_a_model_that_comes_back_is_asked_no_more() -> None:
    model, hours = ScriptedLLM([ModelUnavailable(), "Martha.", "Nobody."]), Hours()
    assert (await retrying(model, hours).complete(ASK)).text == "Martha."
    assert len(model.requests) == 2


@pytest.mark.parametrize("failure", [ContextOverflow(), ModelRefused(), StructureBroken()])
async def test_what_would_fail_again_is_not_asked_again(failure: ModelFailure) -> None:
    model, hours = ScriptedLLM([failure, "Martha."]), Hours()
    with pytest.raises(type(failure)):
        await retrying(model, hours).complete(ASK)
    assert hours.slept == []


async def test_the_wait_is_at_least_what_the_server_asked_for() -> None:
    model, hours = ScriptedLLM([ServerBusy(retry_after=7), "Martha."]), Hours()
    await retrying(model, hours).complete(ASK)
    assert hours.slept == [7.5]


async def test_a_minute_of_429_costs_no_more_tries_than_it_must() -> None:
    """Ten questions, one after the other, of somebody who comes again when told to."""
    hours, asked = Hours(), list[float]()

    def answer(_: CompletionRequest) -> Line:
        asked.append(hours.now)
        return ServerBusy(retry_after=7) if hours.now < 60 else "Martha."

    paced = PacingLLM(ScriptedLLM(answer), Pace(), clock=hours, sleep=hours.sleep)
    model = BreakingLLM(retrying(paced, hours, attempts=3), failures=2, clock=hours)
    refused = 0
    for _ in range(10):
        try:
            await model.complete(ASK)
        except ModelUnavailable as failure:
            refused += 1
            hours.now += failure.retry_after
    in_vain = [at for at in asked if at < 60]
    assert all(later - earlier >= 7 for earlier, later in pairwise(in_vain))
    assert len(in_vain) <= 60 / 7 + 1
    assert len(asked) - len(in_vain) == 10 - refused


async def test_a_busy_server_that_names_no_time_is_asked_again_in_a_while() -> None:
    model, hours = ScriptedLLM([ServerBusy(), "Martha."]), Hours()
    await retrying(model, hours).complete(ASK)
    assert hours.slept == [0.5]


async def test_a_wait_in_line_leaves_the_deadline_as_it_was() -> None:
    model, hours = ScriptedLLM([ModelUnavailable(), "Martha."]), Hours()
    pace = Pace(requests=1)
    paced = PacingLLM(model, pace, clock=hours, sleep=hours.sleep)
    await retrying(paced, hours).complete(ASK)
    assert hours.now == 60.0
    assert [r.deadline for r in model.requests] == [300.0, 299.5]


async def test_a_long_wait_is_for_the_job_not_for_the_question() -> None:
    patient = replace(ASK, deadline=inf)
    model, hours = ScriptedLLM([ServerBusy(retry_after=400), "Martha."]), Hours()
    with pytest.raises(ModelUnavailable):
        await retrying(model, hours).complete(patient)
    assert hours.slept == []


async def test_a_failure_after_a_long_wait_in_line_is_tried_again() -> None:
    script: list[Line] = ["Ready.", ModelUnavailable(), "Martha."]
    model, hours = ScriptedLLM(script), Hours()
    llm = retrying(PacingLLM(model, Pace(requests=1), clock=hours, sleep=hours.sleep), hours)
    hurried = replace(ASK, deadline=50.0)
    await llm.complete(hurried)
    assert (await llm.complete(hurried)).text == "Martha."
    assert hours.now > 100


async def test_no_wait_reaches_behind_the_deadline() -> None:
    model, hours = ScriptedLLM([ServerBusy(retry_after=400), "Martha."]), Hours()
    with pytest.raises(ModelUnavailable):
        await retrying(model, hours).complete(ASK)
    assert hours.slept == []


async def test_later_attempts_get_what_is_left_of_the_deadline() -> None:
    model, hours = ScriptedLLM([ServerBusy(retry_after=100), "Martha."]), Hours()
    await retrying(model, hours).complete(ASK)
    assert [r.deadline for r in model.requests] == [300.0, 199.5]


async def test_a_stream_is_retried_before_its_first_piece() -> None:
    model, hours = ScriptedLLM([ModelUnavailable(), "Martha does."]), Hours()
    pieces = await retrying(model, hours).stream(ASK)
    assert "".join([piece async for piece in pieces]) == "Martha does."


async def test_not_more_answers_are_under_way_than_allowed() -> None:
    model = ScriptedLLM(lambda _: "Martha.", delay=0.05)
    limited = LimitingLLM(model, concurrency=2)
    asking = [asyncio.create_task(limited.complete(ASK)) for _ in range(5)]
    await asyncio.sleep(0.02)
    assert len(model.requests) == 2
    assert [a.text for a in await asyncio.gather(*asking)] == ["Martha."] * 5


async def test_a_stream_holds_its_place_until_it_is_closed() -> None:
    model = ScriptedLLM(lambda _: "Martha lights it.")
    limited = LimitingLLM(model, concurrency=1)
    pieces = await limited.stream(ASK)
    waiting = asyncio.create_task(limited.complete(ASK))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await close(pieces)
    assert (await waiting).text


async def test_a_model_that_keeps_failing_is_left_alone_for_a_while() -> None:
    fake, hours = ScriptedLLM(lambda _: ModelUnavailable()), Hours()
    model = BreakingLLM(fake, failures=3, pause=30.0, clock=hours)
    for _ in range(5):
        with pytest.raises(ModelUnavailable):
            await model.complete(ASK)
    assert len(fake.requests) == 3
    hours.now = 31.0
    for _ in range(2):
        with pytest.raises(ModelUnavailable):
            await model.complete(ASK)
    assert len(fake.requests) == 4


async def test_one_good_answer_closes_the_circuit() -> None:
    script: list[Line] = [*[ModelUnavailable()] * 3, "Martha.", "Martha."]
    hours = Hours()
    model = BreakingLLM(ScriptedLLM(script), failures=3, pause=30.0, clock=hours)
    for _ in range(3):
        with pytest.raises(ModelUnavailable):
            await model.complete(ASK)
    with pytest.raises(ModelUnavailable) as refused:
        await model.complete(ASK)
    assert refused.value.retry_after == 30
    hours.now = 31.0
    assert [(await model.complete(ASK)).text for _ in range(2)] == ["Martha."] * 2


async def test_a_spent_budget_says_nothing_of_the_model_in_doubt() -> None:
    script: list[Line] = [ModelUnavailable(), ModelUnavailable(), JobBudgetSpent()]
    model = BreakingLLM(ScriptedLLM([*script, ModelUnavailable(), "-"]), failures=3, clock=Hours())
    for _ in range(4):
        with pytest.raises((ModelUnavailable, JobBudgetSpent)):
            await model.complete(ASK)
    with pytest.raises(ModelUnavailable, match="pause"):
        await model.complete(ASK)


async def test_only_one_probe_goes_to_a_model_in_doubt() -> None:
    fake = ScriptedLLM(lambda _: ModelUnavailable())
    hours = Hours()
    model = BreakingLLM(fake, failures=1, pause=30.0, clock=hours)
    with pytest.raises(ModelUnavailable):
        await model.complete(ASK)
    hours.now, fake.delay = 31.0, 0.05
    await asyncio.gather(*(model.complete(ASK) for _ in range(3)), return_exceptions=True)
    assert len(fake.requests) == 2


@pytest.mark.parametrize("busy", [ServerBusy(retry_after=20), ServerBusy(), BudgetSpent()])
async def test_a_busy_server_or_a_spent_budget_does_not_open_the_circuit(
    busy: ModelFailure,
) -> None:
    fake = ScriptedLLM(lambda _: busy)
    model = BreakingLLM(fake, failures=3, clock=Hours())
    for _ in range(6):
        with pytest.raises(type(busy)):
            await model.complete(ASK)
    assert len(fake.requests) == 6


async def test_refusals_of_a_request_do_not_open_the_circuit() -> None:
    model = BreakingLLM(ScriptedLLM(lambda _: ContextOverflow()), failures=3)
    for _ in range(5):
        with pytest.raises(ContextOverflow):
            await model.complete(ASK)


async def test_a_repair_shows_the_model_its_mistake() -> None:
    fake = ScriptedLLM(["Martha", {"name": "Martha"}])
    answer = await RepairingLLM(fake).complete(STRUCTURED)
    assert answer.parsed == {"name": "Martha"}
    said = fake.requests[1].messages
    assert [m.role for m in said] == ["user", "assistant", "user"]
    assert said[1].content == "Martha"
    assert "not JSON" in said[2].content


async def test_a_repair_has_the_time_that_is_left() -> None:
    hours = Hours()

    def slowly(_: CompletionRequest) -> str:
        hours.now += 200.0
        return "Martha"

    fake = ScriptedLLM(slowly)
    with pytest.raises(StructureBroken):
        await RepairingLLM(fake, clock=hours).complete(replace(STRUCTURED, deadline=300.0))
    assert [request.deadline for request in fake.requests] == [300.0, 100.0]


async def test_a_repair_that_does_not_fit_the_window_is_a_broken_structure() -> None:
    fake = ScriptedLLM(["x" * 3000], context=600)
    with pytest.raises(StructureBroken):
        await RepairingLLM(fake).complete(STRUCTURED)
    assert len(fake.requests) == 1
