"""A job queue in memory and a runner that runs it on the spot."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

from typing_extensions import override

from app.ports.budget import Payer, paid_by
from app.ports.jobs import (
    Backlog,
    Handler,
    Job,
    JobBoard,
    JobQueue,
    JobReport,
    JobRun,
    JobRunner,
    JobState,
)
from app.shared.errors import LibraryError, NotFound, Unavailable
from app.shared.ids import new_id

_MAX_STARTS = 5
_SUPERSEDED = {"code": "superseded", "detail": "A newer job took its place."}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(eq=False)
class StoredJob:
    job: Job
    due: datetime
    report: JobReport
    strikes: int = 0


@dataclass
class InMemoryJobBoard(JobBoard):
    """The committed jobs. `jobs` holds them in the order they came."""

    now: Callable[[], datetime] = _now
    stored: list[StoredJob] = field(default_factory=list)

    @property
    def jobs(self) -> list[Job]:
        return [stored.job for stored in self.stored]

    @override
    async def find(self, job_id: UUID) -> JobReport | None:
        return next((s.report for s in self.stored if s.report.id == job_id), None)

    @override
    async def backlog(self) -> Backlog:
        reports = [stored.report for stored in self.stored]
        states = [report.status for report in reports]
        late = [self.now() - max(s.due, s.report.created_at) for s in self.pending()]
        return Backlog(
            {state: states.count(state) for state in get_args(JobState)},
            states.count("failed"),
            max([0.0, *(wait.total_seconds() for wait in late)]),
        )

    def pending(self, dedupe: str | None = None) -> list[StoredJob]:
        waiting = [stored for stored in self.stored if stored.report.status == "pending"]
        return [s for s in waiting if dedupe is None or s.job.dedupe == dedupe]

    def next_due(self) -> StoredJob | None:
        due = [stored for stored in self.pending() if stored.due <= self.now()]
        return max(due, key=lambda stored: stored.job.priority, default=None)


class InMemoryJobQueue(JobQueue):
    """One transaction's jobs: nobody sees them before `commit`; forget the queue to roll back."""

    def __init__(self, board: InMemoryJobBoard) -> None:
        self._board = board
        self._written: list[StoredJob] = []

    @override
    async def enqueue(
        self, job: Job, *, owner: UUID | None = None, delay: timedelta | None = None
    ) -> UUID:
        now = self._board.now()
        due = now + (delay or timedelta())
        if job.dedupe and (twin := self._pending_twin(job.dedupe)):
            twin.due = min(twin.due, due)
            twin.strikes = 0
            return twin.report.id
        report = JobReport(new_id(), job.kind, "pending", 0, 1, 0, owner, now)
        self._written.append(StoredJob(job, due, report))
        return report.id

    def commit(self) -> None:
        self._board.stored += self._written
        self._written = []

    def _pending_twin(self, dedupe: str) -> StoredJob | None:
        mine = [stored for stored in self._written if stored.job.dedupe == dedupe]
        return next(iter(mine + self._board.pending(dedupe)), None)


class InlineRun(JobRun):
    def __init__(self, stored: StoredJob) -> None:
        self._stored = stored

    @property
    @override
    def job_id(self) -> UUID:
        return self._stored.report.id

    @override
    async def report(self, done: int, planned: int) -> None:
        report = self._stored.report
        if done > report.done:
            self._stored.strikes = 0
        furthest, most = max(done, report.done), max(planned, report.planned)
        self._stored.report = replace(report, done=furthest, planned=most)


class InlineRunner(JobRunner):
    """Runs what is due inside `kick`, one job after the other.

    A failing job is tried again at once, so that one kick shows its end; one whose handler
    raises Unavailable waits on the board's clock.
    """

    def __init__(self, board: InMemoryJobBoard, handlers: Mapping[str, Handler]) -> None:
        self._board = board
        self._handlers = handlers
        self._running = False

    @override
    async def kick(self) -> None:
        if self._running:
            return
        self._running = True
        try:
            while stored := self._board.next_due():
                await self._attempt(stored)
        finally:
            self._running = False

    @override
    async def run(self) -> None:
        await self.kick()
        await asyncio.Event().wait()

    async def _attempt(self, stored: StoredJob) -> None:
        stored.strikes += 1
        started = stored.report
        stored.report = replace(started, status="running", attempts=started.attempts + 1)
        try:
            handler = self._handlers[stored.job.kind]
            with paid_by(Payer(started.id, started.owner_id)):
                result = await handler(stored.job.arguments, InlineRun(stored))
            self._done(stored, result)
        except NotFound:
            self._done(stored, {"skipped": True})
        except Unavailable as error:
            stored.strikes = 0
            stored.due = self._board.now() + timedelta(seconds=error.retry_after)
            self._not_done(stored, error, again=True)
        except Exception as error:
            self._not_done(stored, error, again=stored.strikes < _MAX_STARTS)

    def _done(self, stored: StoredJob, result: Mapping[str, Any] | None) -> None:
        planned = stored.report.planned
        stored.report = replace(
            stored.report, status="ready", done=planned, result=result, error=None
        )

    def _not_done(self, stored: StoredJob, error: Exception, *, again: bool) -> None:
        words = _words(error)
        status: JobState = "pending" if again else "failed"
        if again and stored.job.dedupe and self._board.pending(stored.job.dedupe):
            words, status = _SUPERSEDED, "cancelled"
        stored.report = replace(stored.report, status=status, error=words)


def _words(error: Exception) -> dict[str, str]:
    if isinstance(error, LibraryError):
        return {"code": error.code, "detail": error.detail}
    return {"code": "internal_error", "detail": "Something broke."}
