"""What became of the work that outlives a request."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from app.api.dependencies import Audit, CurrentUser, Jobs
from app.api.problems import problems
from app.api.schemas.base import Out
from app.api.schemas.catalog import ErrorOut, ProgressOut
from app.ports.audit import Act, Subject
from app.ports.jobs import JobReport, JobState
from app.shared.errors import Forbidden, NotAuthenticated, NotFound

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=problems(NotAuthenticated))


class JobNotFound(NotFound):
    code = "job_not_found"
    title = "There is no such job"


class JobOut(Out):
    id: UUID
    kind: str
    status: JobState
    progress: ProgressOut
    result: dict[str, Any] | None = None
    error: ErrorOut | None = None
    attempts: int
    created_at: datetime

    @classmethod
    def of(cls, report: JobReport) -> "JobOut":
        progress = ProgressOut(done=report.done, planned=report.planned)
        fields = {n: getattr(report, n) for n in cls.model_fields if n != "progress"}
        return cls(progress=progress, **fields)


@router.get("/{job_id}", responses=problems(JobNotFound, Forbidden))
async def show_job(job_id: UUID, user: CurrentUser, jobs: Jobs, audit: Audit) -> JobOut:
    """How a job stands: its owner and librarians may look."""
    report = await jobs.find(job_id)
    if report is None:
        raise JobNotFound
    if report.owner_id != user.id and not user.keeps_the_library:
        raise Forbidden("Only who started a job, or a librarian, may look at it.")
    if report.owner_id not in (user.id, None):
        await audit.record(Act.JOB_SEEN, Subject("job", str(job_id)), kind=report.kind)
    return JobOut.of(report)
