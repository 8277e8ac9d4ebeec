"""Answers remembered under an Idempotency-Key, in Postgres."""

from uuid import UUID

from sqlalchemy import ColumnElement, Delete, delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.engine import Sessions, translated
from app.adapters.postgres.tables.jobs import remembered_replies as replies
from app.ports.replies import FirstStillRuns, Reply, ReplyMemory

_KEPT = text("interval '24 hours'")
_LONGEST_REQUEST = text("interval '5 minutes'")
# Each by an index of its own.
_WORN_OUT = (
    replies.c.claimed_at < func.now() - _KEPT,
    replies.c.status.is_(None) & (replies.c.claimed_at < func.now() - _LONGEST_REQUEST),
)


class SqlReplyMemory(ReplyMemory):
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @override
    async def claim(self, user_id: UUID, key: str, holder: UUID) -> Reply | None:
        with translated({}):
            async with self._sessions.begin() as session:
                await _forget_worn_out(session)
                claim = insert(replies).values(
                    user_id=user_id, key=key, holder=holder, claimed_at=func.now()
                )
                claimed = await session.execute(
                    claim.on_conflict_do_nothing().returning(replies.c.key)
                )
                if claimed.one_or_none():
                    return None
                found = await session.execute(select(replies).where(_at(user_id, key)))
                row = found.one_or_none()
        if row is None or row.status is None:
            raise FirstStillRuns("Wait for its answer, then ask again.")
        return Reply(row.fingerprint, row.status, row.headers, row.body)

    @override
    async def keep(self, user_id: UUID, key: str, holder: UUID, reply: Reply) -> None:
        values = {
            "fingerprint": reply.fingerprint,
            "status": reply.status,
            "headers": reply.headers,
            "body": reply.body,
        }
        with translated({}):
            async with self._sessions.begin() as session:
                mine = _at(user_id, key) & (replies.c.holder == holder)
                await session.execute(update(replies).where(mine).values(values))

    @override
    async def sweep(self) -> None:
        with translated({}):
            async with self._sessions.begin() as session:
                await _forget_worn_out(session)

    @override
    async def release(self, user_id: UUID, key: str, holder: UUID) -> None:
        with translated({}):
            async with self._sessions.begin() as session:
                mine = _at(user_id, key) & (replies.c.holder == holder)
                await session.execute(delete(replies).where(mine))


def _at(user_id: UUID, key: str) -> ColumnElement[bool]:
    return (replies.c.user_id == user_id) & (replies.c.key == key)


async def _forget_worn_out(session: AsyncSession) -> None:
    for worn_out in _WORN_OUT:
        await session.execute(_forget(worn_out))


def _forget(worn_out: ColumnElement[bool]) -> Delete:
    here = tuple_(replies.c.user_id, replies.c.key)
    # What another claim is removing right now may stay to it: no two wait for each other.
    found = select(replies.c.user_id, replies.c.key).where(worn_out)
    return delete(replies).where(here.in_(found.with_for_update(skip_locked=True)))
