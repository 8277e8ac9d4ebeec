"""Places where jobs live: in memory and in Postgres."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from sqlalchemy import text
from typing_extensions import override

from app.adapters.jobs.outcome import Pace
from app.adapters.jobs.runner import ProcrastinateRunner
from app.adapters.postgres.engine import open_engine, sessions_of
from app.adapters.postgres.jobs import SqlJobBoard, SqlJobQueue
from app.ports.jobs import Handler, Job, JobBoard, JobQueue, JobReport, JobRunner, JobState
from app.shared.ids import new_id
from tests.fakes.jobs import InlineRunner, InMemoryJobBoard, InMemoryJobQueue

FAST = Pace(heartbeat=0.1, stalled_after=1.0, poll=0.05, first_pause=0.01, longest_pause=0.05)


@dataclass(frozen=True)
class Summarise(Job):
    kind: ClassVar[str] = "summarise"
    book: str
    alone: bool = False
    once: bool = False

    @property
    @override
    def lock(self) -> str | None:
        return f"book:{self.book}" if self.alone else None

    @property
    @override
    def dedupe(self) -> str | None:
        return f"summarise:{self.book}" if self.once else None


@dataclass(frozen=True)
class Embed(Job):
    """What can wait."""

    kind: ClassVar[str] = "embed"
    priority: ClassVar[int] = -10
    book: str


class JobWorld(ABC):
    board: JobBoard

    @abstractmethod
    def begin(self) -> AbstractAsyncContextManager[JobQueue]:
        """A transaction: a clean exit commits, an exception rolls back."""

    @abstractmethod
    def runner(self, handlers: Mapping[str, Handler], *, concurrency: int = 2) -> JobRunner: ...

    @abstractmethod
    async def member(self) -> UUID:
        """A user who may own jobs."""

    async def enqueue(self, job: Job) -> UUID:
        async with self.begin() as queue:
            return await queue.enqueue(job)

    async def report(self, job_id: UUID) -> JobReport:
        found = await self.board.find(job_id)
        assert found is not None
        return found

    async def reaches(self, job_id: UUID, status: JobState) -> JobReport:
        """Wait until somebody brought the job there."""
        while (report := await self.report(job_id)).status != status:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return report

    async def ends(self, runner: JobRunner, job_id: UUID) -> JobReport:
        """Kick until the job came to its end."""
        while (report := await self.report(job_id)).status in ("pending", "running"):
            await runner.kick()
            await asyncio.sleep(0.01)
        return report


class InMemoryWorld(JobWorld):
    def __init__(self) -> None:
        self.board: InMemoryJobBoard = InMemoryJobBoard()

    @override
    @asynccontextmanager
    async def begin(self) -> AsyncIterator[JobQueue]:
        queue = InMemoryJobQueue(self.board)
        yield queue
        queue.commit()

    @override
    def runner(self, handlers: Mapping[str, Handler], *, concurrency: int = 2) -> JobRunner:
        return InlineRunner(self.board, handlers)

    @override
    async def member(self) -> UUID:
        return new_id()


class SqlWorld(JobWorld):
    def __init__(self, url: str, *, pace: Pace = FAST) -> None:
        self.url = url
        self.engine = open_engine(url, pool_size=4, name="runner")
        self._own = open_engine(url, pool_size=4, name="test")
        self._sessions = sessions_of(self._own)
        self._pace = pace
        self.board = SqlJobBoard(self._sessions)

    @override
    @asynccontextmanager
    async def begin(self) -> AsyncIterator[JobQueue]:
        async with self._sessions.begin() as session:
            yield SqlJobQueue(session)

    @override
    def runner(
        self, handlers: Mapping[str, Handler], *, concurrency: int = 2, listen: bool = False
    ) -> JobRunner:
        return ProcrastinateRunner(
            self.engine, handlers, concurrency=concurrency, pace=self._pace, listen=listen
        )

    @override
    async def member(self) -> UUID:
        person = new_id()
        await self.execute(
            "INSERT INTO users (id, email, display_name, role, password_hash, created_at)"
            f" VALUES ('{person}', 'ann@example.org', 'Ann', 'member', '', now())"
        )
        return person

    async def execute(self, statement: str) -> list[tuple[object, ...]]:
        async with self._own.begin() as connection:
            result = await connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []

    async def close(self) -> None:
        await self.engine.dispose()
        await self._own.dispose()
