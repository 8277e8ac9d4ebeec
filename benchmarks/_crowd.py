"""Readers with tastes of their own, and what they borrowed, put into the database in bulk."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from app.shared.ids import new_id

# So many of a reader's books are of what they like; the rest is what everybody reads.
_FAITHFUL = 0.7
_LOANS = "id book_id user_id copy_number borrowed_at due_at returned_at renewals".split()
_AT_ONCE = 50_000


async def crowd(
    database_url: str, *, readers: int, events: int, known: Sequence[UUID], seed: int
) -> None:
    """As many returned loans as make `events` with those there are, by new readers and the
    `known` ones, each faithful to two genres; a few books are read by very many."""
    say = random.Random(seed)
    connection = await asyncpg.connect(database_url)
    try:
        there = await connection.fetchval("SELECT count(*) FROM loans")
        shelves = await _shelves(connection)
        everybody = [*known, *(new_id() for _ in range(readers))]
        await connection.copy_records_to_table(
            "users",
            records=[_user(reader) for reader in everybody[len(known) :]],
            columns="id email display_name role password_hash created_at".split(),
        )
        loans = _loans(say, shelves, everybody, max(events - there, 0))
        while part := [loan for _, loan in zip(range(_AT_ONCE), loans, strict=False)]:
            await connection.copy_records_to_table("loans", records=part, columns=_LOANS)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _shelves(connection: "asyncpg.Connection") -> list[list[UUID]]:
    """The books by their first genre."""
    rows = await connection.fetch("SELECT genres[1] AS genre, id FROM books ORDER BY id")
    shelves: dict[str, list[UUID]] = {}
    for row in rows:
        shelves.setdefault(row["genre"], []).append(UUID(str(row["id"])))
    return list(shelves.values())


def _user(reader: UUID) -> tuple[object, ...]:
    name = f"{reader}@crowd.test"
    return (reader, name, "Reader", "member", "none", datetime.now(UTC))


def _loans(
    say: random.Random, shelves: Sequence[Sequence[UUID]], readers: Sequence[UUID], count: int
) -> Iterator[tuple[object, ...]]:
    now = datetime.now(UTC)
    tastes = {reader: say.sample(shelves, min(2, len(shelves))) for reader in readers}
    for number in range(count):
        reader = readers[number % len(readers)]
        shelf = say.choice(tastes[reader] if say.random() < _FAITHFUL else shelves)
        # The books in front are read far more often.
        book = shelf[int(len(shelf) * say.random() ** 3)]
        at = now - timedelta(days=say.uniform(10, 700))
        yield new_id(), book, reader, 1, at, at, at + timedelta(days=8), 0
