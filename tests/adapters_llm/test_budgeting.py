import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from app.adapters.llm.budgeting import Budget, BudgetingLLM, Caps
from app.adapters.llm.pieces import close
from app.adapters.llm.stack import dependable
from app.adapters.llm.tokens import most_tokens
from app.ports.budget import BudgetSpent, JobBudgetSpent, Payer, current_payer, paid_by
from app.ports.llm import (
    NOTHING,
    CompletionRequest,
    Message,
    ModelFailure,
    ModelRefused,
    ModelUnavailable,
    Usage,
)
from tests.adapters_llm.spending import Spending
from tests.fakes.budget import CostingLLM, InMemoryLedger
from tests.fakes.clock import FrozenClock
from tests.fakes.llm import ScriptedLLM

ASK = CompletionRequest(
    [Message("user", "Who lights the lamp?")], task="ask", prompt="ask@1", max_output_tokens=20
)
MOST = most_tokens(ASK)
TODAY = "day/2026-01-05"


class Desk:
    """A model with a budget, its ledger, and a clock."""

    def __init__(self, model: ScriptedLLM | CostingLLM, caps: Caps) -> None:
        self.model = model
        self.ledger = InMemoryLedger()
        self.clock = FrozenClock(datetime(2026, 1, 5, 18, 0, tzinfo=UTC))
        self.budget = Budget(self.ledger, caps, self.clock)
        self.llm = BudgetingLLM(model, self.budget)


def costing(cost: int = 30, delay: float = 0.0) -> CostingLLM:
    return CostingLLM(lambda _: Usage(cost - 10, 10, estimated=False), delay=delay)


async def test_a_question_costs_what_the_server_reported() -> None:
    desk = Desk(costing(30), Caps(day=1000))
    await desk.llm.complete(ASK)
    assert desk.ledger.taken[TODAY] == 30


async def test_a_question_that_may_cost_more_than_is_left_is_not_asked() -> None:
    desk = Desk(costing(30), Caps(day=MOST + 29))
    await desk.llm.complete(ASK)
    with pytest.raises(BudgetSpent) as refused:
        await desk.llm.complete(ASK)
    assert len(desk.model.requests) == 1
    assert desk.ledger.taken[TODAY] == 30
    assert refused.value.retry_after == 6 * 3600
    assert "LLM_BUDGET_DAY" in refused.value.detail
    assert f"30 of {MOST + 29}" in refused.value.detail


async def test_the_next_day_is_another_budget() -> None:
    desk = Desk(costing(30), Caps(day=MOST))
    await desk.llm.complete(ASK)
    desk.clock.advance(timedelta(hours=6))
    await desk.llm.complete(ASK)
    assert desk.ledger.taken["day/2026-01-06"] == 30


async def test_users_and_jobs_have_budgets_of_their_own() -> None:
    desk = Desk(costing(30), Caps(user_day=MOST, job=2 * MOST))
    reader, other, job = uuid4(), uuid4(), uuid4()
    with paid_by(Payer(job, reader)):
        await desk.llm.complete(ASK)
        with pytest.raises(BudgetSpent, match="LLM_BUDGET_USER_DAY"):
            await desk.llm.complete(ASK)
    with paid_by(Payer(job, other)):
        await desk.llm.complete(ASK)
    assert desk.ledger.taken[f"job/{job}"] == 60


async def test_no_wait_helps_a_job_that_has_spent_its_own() -> None:
    desk = Desk(costing(30), Caps(job=MOST))
    with paid_by(Payer(job_id=uuid4())):
        await desk.llm.complete(ASK)
        with pytest.raises(JobBudgetSpent, match="LLM_BUDGET_JOB") as refused:
            await desk.llm.complete(ASK)
    assert not isinstance(refused.value, ModelUnavailable)


async def test_who_asks_while_another_is_settled_waits_for_what_comes_back() -> None:
    desk = Desk(costing(30, delay=0.01), Caps(day=MOST + 30))
    ledger = desk.ledger
    correct = ledger.correct

    async def slowly(accounts: Iterable[str], by: int) -> None:
        await asyncio.sleep(0.05)
        await correct(accounts, by)

    ledger.correct = slowly  # type: ignore[method-assign]
    first = asyncio.create_task(desk.llm.complete(ASK))
    await asyncio.sleep(0.03)
    await desk.llm.complete(ASK)
    await first
    assert ledger.taken[TODAY] == 60


async def test_who_pays_is_known_in_tasks_that_were_started_meanwhile() -> None:
    payer = Payer(user_id=uuid4())

    async def asked() -> Payer:
        return current_payer()

    with paid_by(payer):
        task = asyncio.create_task(asked())
    assert await task == payer
    assert current_payer() == Payer()


@pytest.mark.parametrize(
    ("failure", "cost"),
    [
        (ModelRefused(usage=NOTHING), 0),
        (ModelUnavailable(usage=Usage(7, 2, estimated=False)), 9),
        (ModelUnavailable("The model did not answer in time."), MOST),
    ],
)
async def test_a_failure_costs_what_is_known_of_it_or_the_most(
    failure: ModelFailure, cost: int
) -> None:
    desk = Desk(ScriptedLLM(lambda _: failure), Caps(day=1000))
    with pytest.raises(type(failure)):
        await desk.llm.complete(ASK)
    assert desk.ledger.taken[TODAY] == cost


async def test_a_cancelled_question_costs_the_most_it_could() -> None:
    desk = Desk(costing(delay=30), Caps(day=1000))
    asking = asyncio.create_task(desk.llm.complete(ASK))
    await asyncio.sleep(0.01)
    assert desk.ledger.taken[TODAY] == MOST
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert desk.ledger.taken[TODAY] == MOST


class WritingLedger(InMemoryLedger):
    """Takes its time to correct an account: until it `may_write`."""

    def __init__(self) -> None:
        super().__init__()
        self.writes, self.may_write = asyncio.Event(), asyncio.Event()

    @override
    async def correct(self, accounts: Iterable[str], by: int) -> None:
        self.writes.set()
        await self.may_write.wait()
        await super().correct(accounts, by)


async def test_who_is_cancelled_once_the_answer_is_there_pays_what_it_cost() -> None:
    ledger = WritingLedger()
    clock = FrozenClock(datetime(2026, 1, 5, 18, 0, tzinfo=UTC))
    llm = BudgetingLLM(costing(30), Budget(ledger, Caps(day=1000), clock))
    asking = asyncio.create_task(llm.complete(ASK))
    await ledger.writes.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert asking.cancelled()
    ledger.may_write.set()
    await asyncio.sleep(0.01)
    assert ledger.taken[TODAY] == 30


async def test_a_stream_costs_what_its_end_reports() -> None:
    desk = Desk(costing(30), Caps(day=1000))
    assert [piece async for piece in await desk.llm.stream(ASK)]
    assert desk.ledger.taken[TODAY] == 30


async def test_a_stream_that_is_closed_early_costs_the_most_it_could() -> None:
    desk = Desk(costing(30), Caps(day=1000))
    pieces = await desk.llm.stream(ASK)
    await anext(pieces)
    await close(pieces)
    assert desk.ledger.taken[TODAY] == MOST


async def test_a_question_waits_for_room_that_others_under_way_may_leave() -> None:
    desk = Desk(costing(30, delay=0.01), Caps(day=MOST + 90))
    answers = await asyncio.gather(*(desk.llm.complete(ASK) for _ in range(4)))
    assert len(answers) == 4
    assert desk.ledger.taken[TODAY] == 120


async def test_without_a_ledger_nothing_is_asked() -> None:
    desk = Desk(costing(), Caps(day=1000))
    desk.ledger.lost = True
    with pytest.raises(ModelUnavailable, match="ledger"):
        await desk.llm.complete(ASK)
    assert desk.model.requests == []


async def test_an_answer_is_not_lost_with_the_ledger() -> None:
    desk = Desk(costing(delay=0.02), Caps(day=1000))
    asking = asyncio.create_task(desk.llm.complete(ASK))
    await asyncio.sleep(0.01)
    desk.ledger.lost = True
    assert (await asking).text
    assert desk.ledger.taken[TODAY] == MOST


async def test_no_limit_is_no_account() -> None:
    desk = Desk(costing(), Caps(day=1000))
    with paid_by(Payer(uuid4(), uuid4())):
        await desk.llm.complete(ASK)
    assert list(desk.ledger.taken) == [TODAY]


async def test_a_spent_budget_is_neither_tried_again_nor_held_against_the_model() -> None:
    model = costing(30)
    desk = Desk(model, Caps(day=MOST))
    llm = dependable(model, concurrency=2, attempts=3, budget=desk.budget)
    await llm.complete(ASK)
    for _ in range(10):
        with pytest.raises(BudgetSpent):
            await llm.complete(ASK)
    desk.clock.advance(timedelta(days=1))
    assert (await llm.complete(ASK)).text
    assert len(model.requests) == 2


async def test_every_attempt_is_paid() -> None:
    model = ScriptedLLM([ModelUnavailable(), "not JSON", {"name": "Martha"}])
    desk = Desk(model, Caps(day=10_000))
    llm = dependable(model, concurrency=1, attempts=2, budget=desk.budget)
    structured = CompletionRequest(
        ASK.messages, task="ask", prompt="ask@1", output_schema={"type": "object"}
    )
    await llm.complete(structured)
    assert len(model.requests) == 3
    assert desk.ledger.taken[TODAY] > most_tokens(structured)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    cap=st.integers(500, 20_000),
    at_once=st.integers(1, 12),
)
async def test_no_cap_is_ever_exceeded(seed: int, cap: int, at_once: int) -> None:
    """400 questions with every fate, by three users and four jobs, several at a time."""
    spending = Spending(seed, Caps(day=cap, user_day=cap // 2, job=cap // 3))
    await spending.run(questions=400, at_once=at_once)
    assert spending.over == 0
    assert spending.truly_spent <= cap
