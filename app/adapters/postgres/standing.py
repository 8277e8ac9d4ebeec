"""Who asks, and their session: the one read that comes with every request.

Two things make it cheap. It is asked of the driver itself, on a connection of the pool: through
the ORM and a unit of work it took three quarters of a millisecond of a core, as much as a third
of a whole request. And whoever asks while a read is on its way asks together with the others
who do, in the next one: under load there is one round trip for many requests. Nobody gets an
answer of a read that began before they asked, so what was ended is ended for the next request.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

import asyncpg
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.postgres.tables.accounts import sessions, users
from app.domains.accounts.model import Session, User

Asked = tuple[UUID, UUID]
Row = Sequence[Any]


def _columns(table: Table) -> str:
    return ", ".join(f"{table.name}.{column.name}" for column in table.columns)


_OF_USER = tuple(column.key for column in users.columns)
_OF_SESSION = tuple(column.key for column in sessions.columns)
# $1 and $2: sessions and whose they should be, one by one.
STANDING = (
    f"SELECT {_columns(users)}, {_columns(sessions)}"  # noqa: S608
    " FROM unnest($1::uuid[], $2::uuid[]) AS asked (session_id, user_id)"
    " JOIN sessions ON sessions.id = asked.session_id"
    " JOIN users ON users.id = asked.user_id AND users.id = sessions.user_id"
)
_MOST = 200


class Standings:
    """Reads for one process, on one event loop."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: dict[Asked, asyncio.Future[Row | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def of(self, session_id: UUID, user_id: UUID) -> tuple[User, Session] | None:
        """As committed at some moment after the call. Raises what the driver raises."""
        waiting = self._waiting.setdefault((session_id, user_id), _future())
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_on())
        # Who gives up must not take the answer away from who asks the same.
        row = await asyncio.shield(waiting)
        return None if row is None else _made(row)

    async def close(self) -> None:
        """Let the read on its way come home, before its connections go."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    async def _read_on(self) -> None:
        while self._waiting:
            taken = dict(list(self._waiting.items())[:_MOST])
            for asked in taken:
                del self._waiting[asked]
            await self._answer(taken)

    async def _answer(self, taken: Mapping[Asked, asyncio.Future[Row | None]]) -> None:
        try:
            found = await self._found(taken.keys())
        except Exception as error:
            for waiting in taken.values():
                waiting.set_exception(error)
                # It was told to who still listens.
                waiting.exception()
            return
        except BaseException:
            for waiting in taken.values():
                waiting.cancel()
            raise
        for asked, waiting in taken.items():
            waiting.set_result(found.get(asked))

    async def _found(self, asked: Collection[Asked]) -> Mapping[Asked, Row]:
        async with self._engine.connect() as connection:
            raw = await connection.get_raw_connection()
            driver = cast("asyncpg.Connection[Any]", raw.driver_connection)
            rows = await driver.fetch(STANDING, *map(list, zip(*asked, strict=True)))
        return {(row[len(_OF_USER)], row[0]): tuple(row) for row in rows}


def _future() -> asyncio.Future[Row | None]:
    return asyncio.get_running_loop().create_future()


def _made(row: Row) -> tuple[User, Session]:
    """Objects of one's own, even of those who asked together."""
    user = dict(zip(_OF_USER, row, strict=False))
    session = dict(zip(_OF_SESSION, row[len(_OF_USER) :], strict=True))
    return User(**user), Session(**session)
