"""What the worker's side of the queue says to procrastinate's tables."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB

from app.adapters.jobs.outcome import Strikes
from app.adapters.postgres.jobs import NEW_JOB_CHANNEL

# Unlike procrastinate's own function this lets a job pass that waits for its time: one book's
# summary that waits for a model must not hold up the book's new text.
CLAIM = text(
    """
    WITH candidate AS (
      SELECT job.id FROM procrastinate_jobs job
      WHERE job.status = 'todo' AND job.queue_name = :queue AND job.task_name = ANY(:kinds)
        AND (job.scheduled_at IS NULL OR job.scheduled_at <= now())
        AND NOT EXISTS (
          SELECT FROM procrastinate_jobs other
          WHERE other.lock = job.lock AND (other.status = 'doing' OR (
            other.status = 'todo' AND other.task_name = ANY(:kinds)
            AND (other.scheduled_at IS NULL OR other.scheduled_at <= now())
            AND (other.priority, -other.id) > (job.priority, -job.id))))
      ORDER BY job.priority DESC, job.id LIMIT 1
      FOR UPDATE OF job SKIP LOCKED),
    claimed AS (
      UPDATE procrastinate_jobs job SET status = 'doing', worker_id = :worker_id
      FROM candidate WHERE job.id = candidate.id
      RETURNING job.id, job.task_name, job.args, job.attempts),
    report AS (
      INSERT INTO job_reports (id, queue_id, kind, strikes, created_at)
      SELECT :report_id, id, task_name, 1, now() FROM claimed
      ON CONFLICT (queue_id) DO UPDATE SET strikes = job_reports.strikes + 1
      RETURNING id, strikes, done, owner_id)
    SELECT claimed.id AS queue_id, task_name, args, attempts, report.id AS report_id, strikes,
           done, owner_id
    FROM claimed CROSS JOIN report
    """
).columns(args=JSONB)

_FENCE = """
  job.id = :queue_id AND job.status = 'doing' AND job.attempts = :attempts
  AND job.worker_id IS NOT DISTINCT FROM :worker_id
"""
END = text(
    f"""
    WITH job AS (
      UPDATE procrastinate_jobs job SET attempts = attempts + 1, abort_requested = false,
        status = CAST(:status AS procrastinate_job_status)
      WHERE {_FENCE} RETURNING job.id)
    UPDATE job_reports report SET error = CAST(:error AS jsonb), result = CAST(:result AS jsonb),
      done = CASE WHEN :status = 'succeeded' THEN report.planned ELSE report.done END
    FROM job WHERE report.queue_id = job.id RETURNING report.id
    """  # noqa: S608
)
_STRIKES: Mapping[Strikes, str] = {
    "kept": "strikes",
    "forgiven": "0",
    "undone": "greatest(strikes - 1, 0)",
}
PUT_BACK = {
    name: text(
        f"""
        WITH job AS (
          UPDATE procrastinate_jobs job SET status = 'todo', attempts = attempts + 1,
            worker_id = NULL, abort_requested = false,
            scheduled_at = now() + make_interval(secs => :pause)
          WHERE {_FENCE} RETURNING job.id)
        UPDATE job_reports report SET strikes = {strikes},
          error = coalesce(CAST(:error AS jsonb), report.error)
        FROM job WHERE report.queue_id = job.id
        RETURNING pg_notify('{NEW_JOB_CHANNEL}',
                            json_build_object('type', 'job_inserted', 'job_id', job.id)::text)
        """  # noqa: S608
    )
    for name, strikes in _STRIKES.items()
}
# The marks only rise: a job that starts again from the front and dies at the same place
# every time has not moved on.
PROGRESS = text(
    f"""
    UPDATE job_reports report SET
      strikes = CASE WHEN :done > report.done THEN 0 ELSE report.strikes END,
      done = greatest(report.done, :done), planned = greatest(report.planned, :planned)
    FROM procrastinate_jobs job
    WHERE report.queue_id = job.id AND {_FENCE}
    RETURNING report.strikes, report.done
    """  # noqa: S608
)
ENTER = text("SELECT procrastinate_register_worker_v1() AS id")
BEAT = text("UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = :id RETURNING id")
SIGN_OFF = text("DELETE FROM procrastinate_workers WHERE id = :id")
PRUNE = text(
    "DELETE FROM procrastinate_workers WHERE last_heartbeat < now() - make_interval(secs => :age)"
)
_HELD = """
  SELECT id AS queue_id, attempts, worker_id FROM procrastinate_jobs
  WHERE status = 'doing' AND queue_name = :queue AND
"""
HELD_BY_NOBODY = text(f"{_HELD} worker_id IS NULL")
HELD_BY = text(f"{_HELD} worker_id = :worker_id AND id <> ALL(:running)")
PUT_AWAY_JOBS = text(
    """
    DELETE FROM procrastinate_jobs WHERE id IN (
      SELECT job.id FROM procrastinate_jobs job JOIN job_reports r ON r.queue_id = job.id
      WHERE (job.status = 'succeeded' AND r.created_at < now() - interval '7 days')
         OR (job.status IN ('failed', 'cancelled', 'aborted')
             AND r.created_at < now() - interval '30 days')
      LIMIT :limit)
    """
)
PUT_AWAY_REPORTS = text(
    """
    DELETE FROM job_reports WHERE id IN (
      SELECT r.id FROM job_reports r
      WHERE r.created_at < now() - interval '30 days'
        AND NOT EXISTS (SELECT FROM procrastinate_jobs job WHERE job.id = r.queue_id)
      LIMIT :limit)
    """
)
