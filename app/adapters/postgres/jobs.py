"""Jobs in the transaction of their data, and the reports people see of them."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.engine import Sessions, translated
from app.ports.jobs import Backlog, Job, JobBoard, JobQueue, JobReport, JobState
from app.shared.ids import new_id

QUEUE = "library"
NEW_JOB_CHANNEL = "procrastinate_any_queue_v1"

# Joining a pending job by an update, not by DO NOTHING, takes its row lock: a worker passes
# it over until this transaction is through, so it never runs without our data.
_ENQUEUE = text(
    f"""
    WITH job AS (
      INSERT INTO procrastinate_jobs AS pending
        (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
      VALUES (:queue, :kind, :priority, :lock, :dedupe, CAST(:args AS jsonb),
              now() + make_interval(secs => :delay))
      ON CONFLICT (queueing_lock) WHERE status = 'todo'
      DO UPDATE SET scheduled_at =
        CASE WHEN pending.scheduled_at IS NULL OR excluded.scheduled_at IS NULL THEN NULL
             ELSE least(pending.scheduled_at, excluded.scheduled_at) END
      RETURNING id)
    SELECT id, pg_notify('{NEW_JOB_CHANNEL}',
                         json_build_object('type', 'job_inserted', 'job_id', id)::text)
    FROM job
    """  # noqa: S608
)
_REPORT = text(
    """
    INSERT INTO job_reports (id, queue_id, kind, owner_id, created_at)
    VALUES (:id, :queue_id, :kind, :owner, now())
    ON CONFLICT (queue_id) DO UPDATE SET strikes = 0
    RETURNING id
    """
)
_FIND = text(
    """
    SELECT r.id, r.kind, r.done, r.planned, r.owner_id, r.created_at, r.result, r.error,
           j.status::text AS status,
           coalesce(j.attempts, 0) + coalesce(j.status = 'doing', false)::int AS attempts
    FROM job_reports r LEFT JOIN procrastinate_jobs j ON j.id = r.queue_id
    WHERE r.id = :id
    """
).columns(result=JSONB, error=JSONB)
_COUNTS = text("SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY status")
_WAITING = text(
    """
    SELECT
      (SELECT count(*) FROM procrastinate_jobs j
         JOIN procrastinate_events e ON e.job_id = j.id AND e.type = 'failed'
       WHERE j.status = 'failed' AND e.at > now() - interval '1 hour') AS failed,
      (SELECT coalesce(max(extract(epoch FROM
                now() - greatest(r.created_at, coalesce(j.scheduled_at, r.created_at)))), 0)
         FROM procrastinate_jobs j JOIN job_reports r ON r.queue_id = j.id
       WHERE j.status = 'todo' AND coalesce(j.scheduled_at, now()) <= now()) AS oldest
    """
)
_STATES: Mapping[str, JobState] = {
    "todo": "pending",
    "doing": "running",
    "succeeded": "ready",
    "failed": "failed",
    "cancelled": "cancelled",
    "aborting": "running",
    "aborted": "cancelled",
}


class SqlJobQueue(JobQueue):
    """Writes jobs into the transaction of a session.

    A job that joins a pending one asks anew: it runs at the earlier of both times, and what
    went wrong with it so far no longer counts.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def enqueue(
        self, job: Job, *, owner: UUID | None = None, delay: timedelta | None = None
    ) -> UUID:
        # Entities of this transaction first: the job's report may refer to them.
        await self._session.flush()
        parameters = {
            "queue": QUEUE,
            "kind": job.kind,
            "priority": job.priority,
            "lock": job.lock,
            "dedupe": job.dedupe,
            "args": json.dumps(job.arguments),
            "delay": delay.total_seconds() if delay else None,
        }
        queue_id = (await self._session.execute(_ENQUEUE, parameters)).scalar_one()
        report = {"id": new_id(), "queue_id": queue_id, "kind": job.kind, "owner": owner}
        return UUID(str((await self._session.execute(_REPORT, report)).scalar_one()))


class SqlJobBoard(JobBoard):
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @override
    async def find(self, job_id: UUID) -> JobReport | None:
        with translated({}):
            async with self._sessions() as session:
                row = (await session.execute(_FIND, {"id": job_id})).mappings().one_or_none()
        return _report(row) if row else None

    @override
    async def backlog(self) -> Backlog:
        with translated({}):
            async with self._sessions() as session:
                counts = (await session.execute(_COUNTS)).all()
                row = (await session.execute(_WAITING)).one()
        by_status: dict[JobState, int] = dict.fromkeys(_STATES.values(), 0)
        for status, count in counts:
            by_status[_STATES[status]] += count
        return Backlog(by_status, row.failed, float(row.oldest))


def _report(row: Mapping[Any, Any]) -> JobReport:
    # A job that was put away long ago has only its report left, and that was its end.
    status = _STATES[row["status"]] if row["status"] else ("failed" if row["error"] else "ready")
    return JobReport(
        id=row["id"],
        kind=row["kind"],
        status=status,
        done=row["done"],
        planned=row["planned"],
        attempts=row["attempts"],
        owner_id=row["owner_id"],
        created_at=row["created_at"],
        result=row["result"],
        error=row["error"],
    )
