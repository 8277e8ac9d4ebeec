import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from typing_extensions import override

from app.adapters.llm.caching import CachingLLM, key_of
from app.ports.budget import BudgetSpent, Payer, current_payer, paid_by
from app.ports.llm import (
    Completion,
    CompletionRequest,
    Message,
    ModelCard,
    ModelFailure,
    ModelUnavailable,
)
from tests.fakes.llm import Line, ScriptedLLM

ASK = CompletionRequest([Message("user", "Who lights the lamp?")], task="ask", prompt="ask@1")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"names": {"type": "array", "items": {"type": "string"}}},
}
CARD = ModelCard("scripted", "scripted-1", 8192)


def counting(delay: float = 0.0) -> ScriptedLLM:
    numbers = iter(range(1000))
    return ScriptedLLM(lambda _: f"Answer {next(numbers)}.", delay=delay)


async def begun(model: ScriptedLLM, count: int) -> None:
    async with asyncio.timeout(5):
        while len(model.requests) < count:  # noqa: ASYNC110 - the fake sets no event
            await asyncio.sleep(0)


async def test_the_same_question_is_asked_once() -> None:
    model = counting()
    llm = CachingLLM(model)
    assert [(await llm.complete(ASK)).text for _ in range(3)] == ["Answer 0."] * 3
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(ASK, messages=[Message("user", "Who mends the door?")]),
        replace(ASK, messages=[Message("system", "Who lights the lamp?")]),
        replace(ASK, output_schema=SCHEMA),
        replace(ASK, max_output_tokens=7),
        replace(ASK, temperature=0.9),
        replace(ASK, seed=8),
    ],
)
def test_another_question_has_another_key(other: CompletionRequest) -> None:
    assert key_of(CARD, other) != key_of(CARD, ASK)


def test_another_model_has_another_key_and_a_deadline_has_none() -> None:
    assert key_of(replace(CARD, model="other"), ASK) != key_of(CARD, ASK)
    assert key_of(replace(CARD, provider="other"), ASK) != key_of(CARD, ASK)
    assert key_of(CARD, replace(ASK, deadline=1.0)) == key_of(CARD, ASK)


async def test_what_may_come_out_otherwise_each_time_is_asked_each_time() -> None:
    model = counting()
    llm = CachingLLM(model)
    for _ in range(2):
        await llm.complete(replace(ASK, temperature=0.7, seed=None))
    assert len(model.requests) == 2
    for _ in range(2):
        await llm.complete(replace(ASK, temperature=0.0, seed=None))
    assert len(model.requests) == 3


async def test_a_failure_is_not_kept() -> None:
    script: list[Line] = [ModelUnavailable(), "Martha."]
    llm = CachingLLM(ScriptedLLM(script))
    with pytest.raises(ModelUnavailable):
        await llm.complete(ASK)
    assert (await llm.complete(ASK)).text == "Martha."


async def test_who_asks_at_the_same_time_shares_one_call() -> None:
    model = counting(delay=0.02)
    llm = CachingLLM(model)
    answers = await asyncio.gather(*(llm.complete(ASK) for _ in range(20)))
    assert {answer.text for answer in answers} == {"Answer 0."}
    assert len(model.requests) == 1


async def test_who_is_in_a_hurry_does_not_wait_for_who_is_not() -> None:
    model = counting(delay=30)
    llm = CachingLLM(model)
    patient = asyncio.create_task(llm.complete(ASK))
    await begun(model, 1)
    hurried = asyncio.create_task(llm.complete(replace(ASK, deadline=0.05)))
    await begun(model, 2)
    with pytest.raises(ModelUnavailable, match="in time"):
        await hurried
    assert not patient.done()
    patient.cancel()
    await asyncio.gather(patient, return_exceptions=True)


async def test_who_shares_a_call_shares_its_failure() -> None:
    model = ScriptedLLM([ModelUnavailable()], delay=0.02)
    llm = CachingLLM(model)
    answers = await asyncio.gather(*(llm.complete(ASK) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ModelUnavailable] * 3


async def test_one_who_gives_up_does_not_end_the_call_of_the_others() -> None:
    model = counting(delay=0.03)
    llm = CachingLLM(model)
    asking = [asyncio.create_task(llm.complete(ASK)) for _ in range(3)]
    await begun(model, 1)
    asking[0].cancel()
    answers = await asyncio.gather(*asking[1:])
    assert {answer.text for answer in answers} == {"Answer 0."}
    assert asking[0].cancelled()
    assert model.cancelled == 0


async def test_the_last_one_who_gives_up_ends_the_call() -> None:
    model = counting(delay=30)
    llm = CachingLLM(model)
    asking = [asyncio.create_task(llm.complete(ASK)) for _ in range(3)]
    await begun(model, 1)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert model.cancelled == 1
    model.delay = 0
    assert (await llm.complete(ASK)).text == "Answer 0."


class LingeringLLM(ScriptedLLM):
    """Takes its time to stop, until it may be `gone`."""

    def __init__(self) -> None:
        super().__init__(["Martha."], delay=30)
        self.stopping, self.gone = asyncio.Event(), asyncio.Event()

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        try:
            return await super().complete(request)
        except asyncio.CancelledError:
            self.stopping.set()
            await self.gone.wait()
            raise


async def test_who_comes_while_a_call_is_ended_has_one_of_their_own() -> None:
    model = LingeringLLM()
    llm = CachingLLM(model)
    first = asyncio.create_task(llm.complete(ASK))
    await begun(model, 1)
    first.cancel()
    await model.stopping.wait()
    model.delay = 0
    late = asyncio.create_task(llm.complete(ASK))
    await asyncio.sleep(0.01)
    model.gone.set()
    await asyncio.wait({first, late})
    assert first.cancelled()
    assert not late.cancelled()
    assert late.result().text == "Martha."


async def test_whose_budget_is_spent_spends_it_for_nobody_else() -> None:
    poor = Payer(user_id=UUID(int=1))

    def answer(request: CompletionRequest) -> str | ModelFailure:
        return BudgetSpent() if current_payer() == poor else "Martha."

    llm = CachingLLM(ScriptedLLM(answer, delay=0.02))
    with paid_by(poor):
        refused = asyncio.create_task(llm.complete(ASK))
    await asyncio.sleep(0)
    assert (await llm.complete(ASK)).text == "Martha."
    with pytest.raises(BudgetSpent):
        await refused


@pytest.mark.parametrize("limits", [{"entries": 3}, {"most_bytes": 3 * len("Answer 0.")}])
async def test_the_oldest_answers_make_room(limits: dict[str, int]) -> None:
    model = counting()
    llm = CachingLLM(model, **limits)
    asks = [replace(ASK, seed=seed) for seed in range(4)]
    for ask in (*asks[:3], asks[0], asks[3]):
        await llm.complete(ask)
    await llm.complete(asks[0])
    assert len(model.requests) == 4
    await llm.complete(asks[1])
    assert len(model.requests) == 5


async def test_who_changes_an_answer_changes_his_own() -> None:
    llm = CachingLLM(ScriptedLLM([{"names": ["Martha"]}]))
    structured = replace(ASK, output_schema=SCHEMA)
    mine = (await llm.complete(structured)).parsed
    assert mine
    mine["names"].append("Nobody")
    assert (await llm.complete(structured)).parsed == {"names": ["Martha"]}


async def test_streams_pass_by() -> None:
    model = counting()
    llm = CachingLLM(model)
    for _ in range(2):
        assert [piece async for piece in await llm.stream(ASK)]
    assert len(model.requests) == 2
