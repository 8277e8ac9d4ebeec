"""Answers remembered under an Idempotency-Key, in Postgres."""

from uuid import UUID

from sqlalchemy import ColumnElement, Delete, delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from typing_extensions import override

from app.adapters.postgres.engine import Sessions, translated
from app.adapters.postgres.tables.jobs import remembered_replies as replies
from app.ports.replies import FirstStillRuns, Reply, ReplyMemory

_KEPT = text("interval '24 hours'")
_LONGEST_REQUEST = text("interval '5 minutes'")


class SqlReplyMemory(ReplyMemory):
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @override
    async def claim(self, user_id: UUID, key: str) -> Reply | None:
        with translated({}):
            async with self._sessions.begin() as session:
                await session.execute(_forget_worn_out())
                claim = insert(replies).values(user_id=user_id, key=key, claimed_at=func.now())
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
    async def keep(self, user_id: UUID, key: str, reply: Reply) -> None:
        values = {
            "fingerprint": reply.fingerprint,
            "status": reply.status,
            "headers": reply.headers,
            "body": reply.body,
        }
        with translated({}):
            async with self._sessions.begin() as session:
                await session.execute(update(replies).where(_at(user_id, key)).values(values))

    @override
    async def release(self, user_id: UUID, key: str) -> None:
        with translated({}):
            async with self._sessions.begin() as session:
                await session.execute(delete(replies).where(_at(user_id, key)))


def _at(user_id: UUID, key: str) -> ColumnElement[bool]:
    return (replies.c.user_id == user_id) & (replies.c.key == key)


def _forget_worn_out() -> Delete:
    old = replies.c.claimed_at < func.now() - _KEPT
    given_up = replies.c.status.is_(None) & (replies.c.claimed_at < func.now() - _LONGEST_REQUEST)
    here = tuple_(replies.c.user_id, replies.c.key)
    # What another claim is removing right now may stay to it: no two wait for each other.
    worn_out = select(replies.c.user_id, replies.c.key).where(old | given_up)
    return delete(replies).where(here.in_(worn_out.with_for_update(skip_locked=True)))
