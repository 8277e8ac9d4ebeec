"""The sweep: what one of its steps is refused keeps no other from being done."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

import pytest
from typing_extensions import override

from app.domains.accounts.service import AuditService
from app.domains.catalog.jobs import SweepOrphans
from app.domains.recommendations.service import FittingService
from app.ports.jobs import JobRun
from app.ports.storage import StorageUnavailable
from app.services import Services
from app.shared.ids import new_id
from app.worker.handlers import handlers_of
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.library import opened_library, settings_for_tests


class RefusedFitting(FittingService):
    def __init__(self) -> None:
        """Without anything it could work with."""

    @override
    async def sweep(self) -> NoReturn:
        raise StorageUnavailable


class BrokenAudit(AuditService):
    def __init__(self) -> None:
        """Without anything it could work with."""

    @override
    async def sweep(self) -> NoReturn:
        raise ZeroDivisionError


class SilentRun(JobRun):
    @property
    @override
    def job_id(self) -> UUID:
        return new_id()

    @override
    async def report(self, done: int, planned: int) -> None:
        """Nobody looks at it."""


async def swept(services: Services) -> Mapping[str, Any]:
    result = await handlers_of(services)[SweepOrphans.kind]({}, SilentRun())
    assert result is not None
    return result


async def look(shelf: SqlShelf, at: datetime) -> None:
    await shelf.rows(
        "INSERT INTO views (book_id, user_id, day, at) VALUES (:book, :user, :day, :at)"
        " RETURNING at",
        book=await shelf.add_book(),
        user=(await shelf.add_reader()).id,
        day=at.date(),
        at=at,
    )


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


async def test_each_step_of_the_sweep_is_done_whatever_becomes_of_the_others(
    database_url: str, tmp_path: Path, now: datetime
) -> None:
    settings = settings_for_tests(database_url, tmp_path)
    async with opened_shelf(database_url) as shelf, opened_library(settings) as library:
        await look(shelf, now - timedelta(days=100))
        await look(shelf, now)
        broken = replace(library.services, audit=BrokenAudit(), fitting=RefusedFitting())
        result = await swept(broken)
        assert result["failed"] == ["audit", "models"]
        assert result["files"] == {"files": 0, "nodes": 0}
        assert await shelf.rows("SELECT at FROM views") == [(now,)]
        assert (await swept(library.services))["failed"] == []


async def test_the_next_sweep_is_written_before_anything_is_refused(
    database_url: str, tmp_path: Path, now: datetime
) -> None:
    settings = settings_for_tests(database_url, tmp_path)
    async with opened_shelf(database_url) as shelf, opened_library(settings) as library:
        for _ in range(2):
            await swept(replace(library.services, fitting=RefusedFitting()))
        jobs = await shelf.rows(
            "SELECT status::text, scheduled_at FROM procrastinate_jobs"
            " WHERE task_name = 'sweep_orphans'"
        )
        ((status, due),) = jobs
        assert status == "todo"
        assert isinstance(due, datetime)
        assert now + timedelta(hours=5) < due < now + timedelta(hours=7)
