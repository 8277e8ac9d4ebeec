"""What the memory of answers promises, in Postgres."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.adapters.postgres.engine import Sessions, open_engine, sessions_of
from app.adapters.postgres.replies import SqlReplyMemory
from app.ports.replies import FirstStillRuns, Reply

ANSWER = Reply("the request", 201, {"etag": '"1"'}, "shelved")
READER = UUID(int=7)


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    engine = open_engine(database_url)
    made = sessions_of(engine)
    async with made.begin() as session:
        await session.execute(
            text(
                "INSERT INTO users (id, email, display_name, role, password_hash, created_at)"
                " VALUES (:id, 'a@b.test', 'A', 'member', 'none', now())"
            ),
            {"id": READER},
        )
    yield made
    await engine.dispose()


async def aged(sessions: Sessions, minutes: int) -> None:
    async with sessions.begin() as session:
        await session.execute(
            text("UPDATE remembered_replies SET claimed_at = claimed_at - :m * interval '1 min'"),
            {"m": minutes},
        )


async def test_a_claim_given_up_on_takes_nothing_from_whoever_holds_the_key_now(
    sessions: Sessions,
) -> None:
    memory, first, second = SqlReplyMemory(sessions), uuid4(), uuid4()
    assert await memory.claim(READER, "key", first) is None
    await aged(sessions, 6)
    assert await memory.claim(READER, "key", second) is None
    await memory.release(READER, "key", first)
    await memory.keep(READER, "key", first, Reply("another", 500))
    with pytest.raises(FirstStillRuns):
        await memory.claim(READER, "key", uuid4())
    await memory.keep(READER, "key", second, ANSWER)
    assert await memory.claim(READER, "key", uuid4()) == ANSWER


async def test_an_answer_is_remembered_for_a_day(sessions: Sessions) -> None:
    memory, holder = SqlReplyMemory(sessions), uuid4()
    assert await memory.claim(READER, "key", holder) is None
    await memory.keep(READER, "key", holder, ANSWER)
    await aged(sessions, 23 * 60)
    assert await memory.claim(READER, "key", uuid4()) == ANSWER
    await aged(sessions, 2 * 60)
    assert await memory.claim(READER, "key", uuid4()) is None


async def test_answers_are_forgotten_though_nobody_asks_again(sessions: Sessions) -> None:
    memory, holder = SqlReplyMemory(sessions), uuid4()
    assert await memory.claim(READER, "key", holder) is None
    await memory.keep(READER, "key", holder, ANSWER)
    await aged(sessions, 25 * 60)
    await memory.sweep()
    async with sessions() as session:
        assert (await session.scalars(text("SELECT key FROM remembered_replies"))).all() == []


async def test_a_claim_does_not_wait_for_who_tidies_up_beside_it(sessions: Sessions) -> None:
    memory = SqlReplyMemory(sessions)
    assert await memory.claim(READER, "old", uuid4()) is None
    await aged(sessions, 25 * 60)
    async with sessions.begin() as beside:
        await beside.execute(text("DELETE FROM remembered_replies"))
        async with asyncio.timeout(10):
            assert await memory.claim(READER, "new", uuid4()) is None
