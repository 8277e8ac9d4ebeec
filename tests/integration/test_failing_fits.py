"""A fit that always fails, in a library that grows all the time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.adapters.clock.system import SystemClock
from app.bootstrap.library import Library
from app.domains.recommendations.jobs import FitRecommender
from app.domains.recommendations.service import FittingService, SnapshotReader
from app.ports.jobs import Handler
from app.worker.handlers import handlers_of
from tests.contracts.job_worlds import SqlWorld
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.fakes.storage import InMemoryStorage
from tests.fakes.workshop import InlineWorkshop
from tests.integration.job_support import other_world, running
from tests.library import opened_library, settings_for_tests


@dataclass
class Place:
    library: Library
    world: SqlWorld
    shelf: SqlShelf

    def process(self, workshop: InlineWorkshop) -> FittingService:
        begin = self.library.adapters.recommendations_work
        return FittingService(
            begin=begin,
            snapshots=SnapshotReader(begin, learns=True),
            workshop=workshop,
            storage=InMemoryStorage(),
            clock=SystemClock(),
        )

    def handler(self, fitting: FittingService) -> dict[str, Handler]:
        handlers = handlers_of(replace(self.library.services, fitting=fitting))
        return {FitRecommender.kind: handlers[FitRecommender.kind]}

    async def reports(self) -> list[tuple[object, ...]]:
        return await self.world.execute(
            "SELECT j.status::text, r.error ->> 'code' FROM job_reports r"
            " JOIN procrastinate_jobs j ON j.id = r.queue_id WHERE kind = 'fit_recommender'"
        )


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    async with (
        opened_library(settings_for_tests(database_url, tmp_path)) as library,
        other_world(database_url) as world,
        opened_shelf(database_url) as shelf,
    ):
        yield Place(library, world, shelf)


async def test_it_is_given_up_and_not_begun_anew(place: Place) -> None:
    workshop = InlineWorkshop()
    workshop.broken = True
    looking = place.process(workshop)
    for process in (looking, place.process(workshop)):
        assert await process.ask_if_due()
    async with running(place.world.runner(place.handler(place.process(workshop)))):
        for _ in range(400):
            await place.shelf.add_book()
            await looking.ask_if_due()
            if workshop.tries:
                await place.process(workshop).ask_if_due()
            if ("failed", "internal_error") in await place.reports():
                break
            await asyncio.sleep(0.01)
        assert not await place.process(workshop).ask_if_due()
    assert await place.reports() == [("failed", "internal_error")]
    assert 5 <= workshop.tries <= 6
