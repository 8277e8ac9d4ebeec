"""Work that outlives a request.

A job is written in the transaction of the data it belongs to, so it exists if and only if
the data does. It runs at least once: handlers are idempotent.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from uuid import UUID

JobState = Literal["pending", "running", "ready", "failed", "cancelled"]


@dataclass(frozen=True)
class Job:
    """Something to do, named in the imperative; its fields are JSON values or UUIDs."""

    kind: ClassVar[str]
    priority: ClassVar[int] = 0
    """Those that are due start with the highest."""

    @property
    def lock(self) -> str | None:
        """At most one job with the same lock runs at a time."""
        return None

    @property
    def dedupe(self) -> str | None:
        """At most one job with the same value is pending; a second one joins it."""
        return None

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            name: str(value) if isinstance(value, UUID) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True, slots=True)
class JobReport:
    """How a job stands. `error` is {code, detail}; `attempts` counts the starts."""

    id: UUID
    kind: str
    status: JobState
    done: int
    planned: int
    attempts: int
    owner_id: UUID | None
    created_at: datetime
    result: Mapping[str, Any] | None = field(default=None)
    error: Mapping[str, Any] | None = field(default=None)


class JobQueue(ABC):
    """The pending side of a unit of work."""

    @abstractmethod
    async def enqueue(
        self, job: Job, *, owner: UUID | None = None, delay: timedelta | None = None
    ) -> UUID:
        """Write the job into the running transaction and return the id of its report."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The queue as a whole: jobs by state, those given up within the last hour, and how many
    seconds the oldest job that is due has waited (0 when none is)."""

    by_status: Mapping[JobState, int]
    failed_lately: int
    oldest_seconds: float


class JobBoard(ABC):
    """What became of the jobs."""

    @abstractmethod
    async def find(self, job_id: UUID) -> JobReport | None: ...

    @abstractmethod
    async def backlog(self) -> Backlog: ...


class JobRun(ABC):
    """What a handler sees of the job it runs."""

    @property
    @abstractmethod
    def job_id(self) -> UUID: ...

    @abstractmethod
    async def report(self, done: int, planned: int) -> None:
        """Say how far the work is. A job that moved on since its last start is never given
        up for dying too often."""


Handler = Callable[[Mapping[str, Any], JobRun], Awaitable[Mapping[str, Any] | None]]
# Told the arguments of a job that is given up, and the code and detail of why.
Farewell = Callable[[Mapping[str, Any], str, str], Awaitable[None]]


class JobRunner(ABC):
    """Runs what is enqueued, by one handler per kind of job, and lets the farewell of a kind
    know when a job of it is given up.

    A handler that raises Unavailable is asked again later, for as long as it takes; any
    other failure five times, with growing pauses, then the job is failed with a reason.
    """

    @abstractmethod
    async def kick(self) -> None:
        """Run everything that is due now in this process; returns when nothing is left.
        Never runs twice at once: a kick during a run makes the run look again."""

    @abstractmethod
    async def run(self) -> None:
        """Run jobs until cancelled; survives the loss of the database."""
