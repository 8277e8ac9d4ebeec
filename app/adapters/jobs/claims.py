"""The worker's side of the queue: procrastinate's tables, taken under a lease.

Every statement that changes a job matches its worker and its attempt, and changes job and
report together: a worker that lost its lease cannot overwrite what its successor does.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.adapters.jobs import statements as sql
from app.adapters.jobs.outcome import Claim, Done, Failed, Later, Outcome, Strikes
from app.adapters.postgres.engine import translated
from app.adapters.postgres.jobs import QUEUE
from app.shared.errors import Conflict, Unavailable
from app.shared.ids import new_id

_Row = dict[str, Any]

_ANSWER_SECONDS = 10
_PUT_AWAY_AT_ONCE = 1000


class LeaseLost(Unavailable):
    title = "Another worker took over this worker's jobs"


class _LockTaken(Conflict):
    pass


class _NewerPending(Conflict):
    pass


_VIOLATIONS = {
    "procrastinate_jobs_worker_id_fkey": LeaseLost,
    "procrastinate_jobs_lock_idx_v1": _LockTaken,
    "procrastinate_jobs_queueing_lock_idx_v1": _NewerPending,
}

_SUPERSEDED = json.dumps(
    {"code": "superseded", "detail": "A newer job that does the same work took its place."}
)


class Claims:
    """Jobs taken and given back. Every method raises DatabaseUnavailable when Postgres does
    not answer; what it was doing is then undecided, and `recover` finds what got lost."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def enter(self) -> int:
        """Register a worker with a fresh heartbeat."""
        rows = await self._rows(sql.ENTER)
        return int(rows[0]["id"])

    async def beat(self, worker_id: int) -> bool:
        """Renew the lease; False when it ran out and the jobs are gone."""
        return bool(await self._rows(sql.BEAT, id=worker_id))

    async def claim(self, worker_id: int, kinds: Collection[str]) -> Claim | None:
        """Take the next job that is due and count a strike against it, or None.

        Raises LeaseLost when the worker is no longer registered.
        """
        parameters = {"queue": QUEUE, "kinds": list(kinds), "worker_id": worker_id}
        while True:
            try:
                rows = await self._rows(sql.CLAIM, report_id=new_id(), **parameters)
            except _LockTaken:
                continue
            return _claim(rows[0], worker_id) if rows else None

    async def settle(self, claim: Claim, outcome: Outcome) -> bool:
        """Write how the attempt ended; False when the claim was no longer ours."""
        fence = _fence(claim)
        match outcome:
            case Done(result):
                return await self._end(fence, "succeeded", result=result)
            case Failed(code, detail):
                return await self._end(fence, "failed", error=_error(code, detail))
            case Later(pause, code, detail, strikes):
                return await self._put_back(fence, strikes, pause, _error(code, detail))

    async def progress(self, claim: Claim, done: int, planned: int) -> tuple[int, int] | None:
        """Keep the progress; the strikes that are left and the furthest mark so far, or None
        when the claim is lost."""
        rows = await self._rows(sql.PROGRESS, **_fence(claim), done=done, planned=planned)
        return (int(rows[0]["strikes"]), int(rows[0]["done"])) if rows else None

    async def recover(self, worker_id: int, running: Collection[int], stalled_after: float) -> None:
        """Put back the jobs of workers that gave no sign for `stalled_after` seconds, and
        those this worker holds by the book without running them."""
        await self._execute(sql.PRUNE, age=stalled_after)
        lost = await self._rows(sql.HELD_BY_NOBODY, queue=QUEUE)
        for held in lost + await self._held_by(worker_id, running):
            await self._put_back(held, "kept")

    async def leave(self, worker_id: int) -> None:
        """Put back at once what the worker still holds, without a strike, and sign it off."""
        for held in await self._held_by(worker_id, ()):
            await self._put_back(held, "undone")
        await self._execute(sql.SIGN_OFF, id=worker_id)

    async def put_away(self) -> None:
        """Delete jobs that succeeded 7 days, and what else ended 30 days, after they came;
        reports after 30 days, once their job is gone."""
        for statement in (sql.PUT_AWAY_JOBS, sql.PUT_AWAY_REPORTS):
            while await self._execute(statement, limit=_PUT_AWAY_AT_ONCE) == _PUT_AWAY_AT_ONCE:
                pass

    async def _held_by(self, worker_id: int, running: Collection[int]) -> list[_Row]:
        held = {"queue": QUEUE, "worker_id": worker_id, "running": list(running)}
        return await self._rows(sql.HELD_BY, **held)

    async def _end(
        self, fence: _Row, status: str, *, result: str | None = None, error: str | None = None
    ) -> bool:
        return bool(await self._rows(sql.END, **fence, status=status, result=result, error=error))

    async def _put_back(
        self, fence: _Row, strikes: Strikes, pause: float = 0, error: str | None = None
    ) -> bool:
        try:
            statement = sql.PUT_BACK[strikes]
            return bool(await self._rows(statement, **fence, pause=pause or None, error=error))
        except _NewerPending:
            # It would violate the one pending job of its kind, and stay running for ever.
            return await self._end(fence, "aborted", error=_SUPERSEDED)

    async def _rows(self, statement: Executable, **parameters: Any) -> list[_Row]:
        async with self._transaction() as connection:
            return [row._asdict() for row in await connection.execute(statement, parameters)]

    async def _execute(self, statement: Executable, **parameters: Any) -> int:
        async with self._transaction() as connection:
            return (await connection.execute(statement, parameters)).rowcount

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        with translated(_VIOLATIONS):
            async with asyncio.timeout(_ANSWER_SECONDS), self._engine.begin() as connection:
                yield connection


def _claim(row: _Row, worker_id: int) -> Claim:
    return Claim(
        queue_id=row["queue_id"],
        worker_id=worker_id,
        attempts=row["attempts"],
        kind=row["task_name"],
        arguments=row["args"],
        report_id=UUID(str(row["report_id"])),
        strikes=row["strikes"],
        done=row["done"],
        owner_id=UUID(str(row["owner_id"])) if row["owner_id"] else None,
    )


def _fence(claim: Claim) -> _Row:
    return {
        "queue_id": claim.queue_id,
        "attempts": claim.attempts,
        "worker_id": claim.worker_id,
    }


def _error(code: str, detail: str) -> str:
    return json.dumps({"code": code, "detail": detail})
