"""Reading who asks: together under load, and never from before somebody asked."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.postgres.engine import open_engine
from app.adapters.postgres.standing import Standings

READERS = 300


@dataclass(slots=True)
class House:
    engine: AsyncEngine
    url: str
    known: list[tuple[UUID, UUID]] = field(default_factory=list)

    async def ended(self, session_id: UUID) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute("DELETE FROM sessions WHERE id = $1", session_id)
        finally:
            await connection.close()


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    engine = open_engine(database_url, pool_size=2)
    house = House(engine, database_url, [(uuid4(), uuid4()) for _ in range(READERS)])
    connection = await asyncpg.connect(database_url)
    for session_id, user_id in house.known:
        await connection.execute(
            "INSERT INTO users (id, email, display_name, role, password_hash, created_at)"
            " VALUES ($1, $2, 'Reader', 'member', '', now())",
            user_id,
            f"{user_id}@library.test",
        )
        await connection.execute(
            "INSERT INTO sessions (id, user_id, refresh_hash, created_at, expires_at)"
            " VALUES ($1, $2, $3, now(), now())",
            session_id,
            user_id,
            session_id.hex,
        )
    await connection.close()
    yield house
    await engine.dispose()


async def test_everybody_who_asks_at_once_hears_of_themselves(house: House) -> None:
    standings = Standings(house.engine)
    strangers = [(uuid4(), uuid4()), (house.known[0][0], house.known[1][1])]
    asked = [*house.known, *strangers, house.known[0]]
    found = await asyncio.gather(*(standings.of(*each) for each in asked))
    told = [(each[1].id, each[0].id) for each in found if each]
    assert told == [*house.known, house.known[0]]
    assert [found[READERS], found[READERS + 1]] == [None, None]


async def test_nobody_shares_an_object_with_who_asks_the_same(house: House) -> None:
    standings = Standings(house.engine)
    one, other = await asyncio.gather(*(standings.of(*house.known[0]) for _ in range(2)))
    assert one
    assert other
    assert one[0] is not other[0]
    assert one[1] is not other[1]


async def test_many_at_once_take_few_connections_out_of_the_pool(house: House) -> None:
    standings, taken = Standings(house.engine), 0

    def count(*_: object) -> None:
        nonlocal taken
        taken += 1

    event.listen(house.engine.sync_engine, "checkout", count)
    await asyncio.gather(*(standings.of(*each) for each in house.known))
    assert taken <= 3


async def test_who_asks_after_the_end_of_a_session_never_finds_it(house: House) -> None:
    """Others ask all the time, so that there always is a read on its way."""
    standings = Standings(house.engine)
    asking = asyncio.create_task(_asking(standings, house.known[100:]))
    for session_id, user_id in house.known[:40]:
        early = asyncio.create_task(standings.of(session_id, user_id))
        await asyncio.sleep(0)
        await house.ended(session_id)
        assert await standings.of(session_id, user_id) is None
        await early
    asking.cancel()
    await standings.close()


async def _asking(standings: Standings, known: list[tuple[UUID, UUID]]) -> None:
    while True:
        await asyncio.gather(*(standings.of(*each) for each in known[:20]))


async def test_who_gives_up_takes_nothing_from_who_waits(house: House) -> None:
    standings = Standings(house.engine)
    tasks = [asyncio.create_task(standings.of(*house.known[0])) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(isinstance(each, tuple) for each in found[1:])


async def test_a_read_nobody_waits_for_gives_its_connection_back(house: House) -> None:
    standings = Standings(house.engine)
    asking = asyncio.create_task(standings.of(*house.known[0]))
    await asyncio.sleep(0)
    asking.cancel()
    await standings.close()
    assert house.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_a_failure_is_told_to_all_who_wait_and_to_nobody_after(house: House) -> None:
    broken = open_engine("postgresql://nobody:x@127.0.0.1:1/nothing")
    standings = Standings(broken)
    found = await asyncio.gather(
        *(standings.of(*each) for each in house.known[:5]), return_exceptions=True
    )
    assert all(isinstance(each, OSError) for each in found)
    await broken.dispose()
    standings._engine = house.engine
    assert await standings.of(*house.known[0])
