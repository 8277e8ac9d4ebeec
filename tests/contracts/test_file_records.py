"""What the records of stored objects promise, in memory and in Postgres."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from app.adapters.postgres.files import SqlFileRecords
from app.ports.files import Blocks, FileRecord, FileRecords
from app.ports.storage import StoredObject
from tests.contracts.shelves import opened_shelf
from tests.fakes.clock import FrozenClock
from tests.fakes.files import InMemoryFileRecords

NOW = FrozenClock().now()
RECORD = FileRecord("books/one", StoredObject(5, "five"), Blocks(4, b"d" * 64))


@dataclass
class Room:
    records: FileRecords
    refer_to: Callable[[str], Awaitable[None]]


@pytest.fixture(params=["memory", "postgres"])
async def room(request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    if request.param == "memory":
        records = InMemoryFileRecords()

        async def noted(key: str) -> None:
            records.referenced.add(key)

        yield Room(records, noted)
        return
    async with opened_shelf(request.getfixturevalue("database_url")) as shelf:

        async def announced(key: str) -> None:
            async with shelf.sessions.begin() as session:
                row = "INSERT INTO announced_files VALUES (:key, now())"
                await session.execute(text(row), {"key": key})

        yield Room(SqlFileRecords(shelf.sessions), announced)


async def keep(room: Room, *keys: str, at: datetime = NOW, digested: bool = True) -> None:
    for key in keys:
        blocks = RECORD.blocks if digested else None
        await room.records.keep(replace(RECORD, key=key, blocks=blocks), at)


async def test_a_record_is_found_as_it_was_kept(room: Room) -> None:
    await keep(room, "books/one")
    assert await room.records.find("books/one") == RECORD
    assert await room.records.find("books/two") is None
    await room.records.forget("books/one")
    await room.records.forget("books/one")
    assert await room.records.find("books/one") is None


async def test_what_is_stored_again_is_known_anew(room: Room) -> None:
    await keep(room, "books/one")
    await room.records.judge("books/one", "changed", NOW)
    other = replace(RECORD, total=StoredObject(6, "six"))
    await room.records.keep(other, NOW)
    assert await room.records.find("books/one") == other


async def test_damage_is_kept_with_the_time_it_was_first_found(room: Room) -> None:
    await keep(room, "books/one", "books/two")
    for day in (1, 2):
        await room.records.judge("books/one", "changed", NOW + timedelta(days=day))
    (damaged,) = await room.records.damaged()
    assert (damaged.key, damaged.damage) == ("books/one", "changed")
    assert damaged.found_at == NOW + timedelta(days=1)
    await room.records.judge("books/one", None, NOW + timedelta(days=3))
    assert await room.records.damaged() == []
    assert await room.records.find("books/one") == RECORD


async def test_digests_made_later_are_kept_with_the_verdict(room: Room) -> None:
    await keep(room, "books/one", digested=False)
    found = await room.records.find("books/one")
    assert found
    assert found.blocks is None
    await room.records.judge("books/one", None, NOW, RECORD.blocks)
    assert await room.records.find("books/one") == RECORD


async def test_what_was_never_checked_is_due_first_then_the_longest_ago(room: Room) -> None:
    await keep(room, "books/old", at=NOW - timedelta(days=9))
    await keep(room, "books/older", at=NOW - timedelta(days=10))
    await keep(room, "books/never", digested=False)
    await keep(room, "books/new", at=NOW)
    assert await room.records.due(NOW, 10) == ["books/never", "books/older", "books/old"]
    assert await room.records.due(NOW, 1) == ["books/never"]
    assert await room.records.count(NOW) == (1, 4)


async def test_what_nothing_refers_to_is_left_behind(room: Room) -> None:
    await keep(room, "books/a", "books/b", "books/c", at=NOW - timedelta(days=2))
    await keep(room, "books/d", at=NOW)
    await room.refer_to("books/b")
    before = NOW - timedelta(days=1)
    assert await room.records.left_behind(before, 10) == ["books/a", "books/c"]
    assert await room.records.left_behind(before, 10, "books/a") == ["books/c"]
    assert await room.records.left_behind(before, 1) == ["books/a"]
    loose = await room.records.unreferenced(["books/b", "books/d", "books/x"])
    assert set(loose) == {"books/d", "books/x"}
    assert await room.records.unreferenced([]) == []


async def test_a_round_is_open_until_it_is_ended(room: Room) -> None:
    assert (await room.records.open_round(), await room.records.last_round()) == (None, None)
    for _ in range(2):
        await room.records.begin_round(NOW)
    assert await room.records.open_round() == NOW
    await room.records.end_round(NOW, NOW + timedelta(hours=1))
    assert (await room.records.open_round(), await room.records.last_round()) == (None, NOW)
    later = NOW + timedelta(days=30)
    await room.records.begin_round(later)
    assert await room.records.open_round() == later
