"""What every ledger of the model's budget promises."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.adapters.llm.budgeting import Caps
from app.adapters.postgres.budget import SqlBudgetLedger
from app.adapters.postgres.engine import open_engine, sessions_of
from app.ports.budget import BudgetLedger, Full
from app.shared.errors import Unavailable
from tests.adapters_llm.spending import DAY, Spending
from tests.fakes.budget import InMemoryLedger


@pytest.fixture(params=["memory", "postgres"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[BudgetLedger]:
    if request.param == "memory":
        yield InMemoryLedger()
        return
    engine = open_engine(request.getfixturevalue("database_url"))
    yield SqlBudgetLedger(sessions_of(engine))
    await engine.dispose()


async def test_tokens_are_taken_until_the_cap_and_not_beyond(ledger: BudgetLedger) -> None:
    assert await ledger.take(60, {"day": 100}) is None
    assert await ledger.take(41, {"day": 100}) == Full("day", 60)
    assert await ledger.take(40, {"day": 100}) is None
    assert await ledger.take(1, {"day": 100}) == Full("day", 100)


async def test_where_one_account_is_full_none_is_charged(ledger: BudgetLedger) -> None:
    assert await ledger.take(90, {"user": 100}) is None
    assert await ledger.take(20, {"day": 1000, "user": 100}) == Full("user", 90)
    assert await ledger.take(1000, {"day": 1000}) is None


async def test_accounts_know_nothing_of_each_other(ledger: BudgetLedger) -> None:
    assert await ledger.take(100, {"one": 100}) is None
    assert await ledger.take(100, {"other": 100}) is None


async def test_what_was_not_needed_can_be_taken_again(ledger: BudgetLedger) -> None:
    assert await ledger.take(100, {"day": 100, "job": 100}) is None
    await ledger.correct({"day": 100, "job": 100}, -70)
    assert await ledger.take(71, {"day": 100}) == Full("day", 30)
    assert await ledger.take(70, {"day": 100, "job": 100}) is None


async def test_what_cost_more_is_charged_too(ledger: BudgetLedger) -> None:
    assert await ledger.take(10, {"day": 100}) is None
    await ledger.correct(["day"], 85)
    assert await ledger.take(6, {"day": 100}) == Full("day", 95)


async def test_many_at_once_never_take_more_than_the_cap(ledger: BudgetLedger) -> None:
    caps = [{"day": 1000, f"user/{n % 3}": 500} for n in range(60)]
    taken = await asyncio.gather(*(ledger.take(30, each) for each in caps))
    assert taken.count(None) == 33
    assert await ledger.take(11, {"day": 1000}) == Full("day", 990)


async def test_no_cap_is_exceeded_by_questions_with_every_fate(ledger: BudgetLedger) -> None:
    spending = Spending(7, Caps(day=6000, user_day=3000, job=2000), ledger)
    await spending.run(questions=150, at_once=6)
    assert spending.over == 0
    assert spending.refused
    # To the token: what came back was given out again, and nothing else.
    assert await ledger.take(6001, {DAY: 6000}) == Full(DAY, spending.booked)
    assert spending.booked > 5000


async def test_a_second_process_sees_what_the_first_one_took(database_url: str) -> None:
    engines = [open_engine(database_url) for _ in range(2)]
    here, there = (SqlBudgetLedger(sessions_of(engine)) for engine in engines)
    assert await here.take(80, {"day": 100}) is None
    assert await there.take(30, {"day": 100}) == Full("day", 80)
    for engine in engines:
        await engine.dispose()


async def test_an_account_nobody_used_for_a_month_is_forgotten(database_url: str) -> None:
    engine = open_engine(database_url)
    ledger = SqlBudgetLedger(sessions_of(engine))
    await ledger.take(80, {"old": 100})
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE taken_tokens SET taken_at = now() - interval '32 days'")
        )
    # It reads all accounts, so a process does it now and then only: this is another one.
    await SqlBudgetLedger(sessions_of(engine)).take(1, {"new": 100})
    assert await ledger.take(100, {"old": 100}) is None
    await engine.dispose()


async def test_a_ledger_out_of_reach_says_so() -> None:
    engine = open_engine("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(Unavailable):
        await SqlBudgetLedger(sessions_of(engine)).take(1, {"day": 100})
    await engine.dispose()
