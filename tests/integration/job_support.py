"""Handlers and surroundings for tests of the runner."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from app.adapters.jobs.outcome import Pace
from app.ports.jobs import JobRun, JobRunner
from tests.contracts.job_worlds import FAST, SqlWorld

Arguments = Mapping[str, Any]


@asynccontextmanager
async def other_world(url: str, *, pace: Pace = FAST) -> AsyncIterator[SqlWorld]:
    world = SqlWorld(url, pace=pace)
    yield world
    await world.close()


@asynccontextmanager
async def running(runner: JobRunner) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(runner.run())
    try:
        yield task
    finally:
        await stopped(task)


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class Slow:
    """A handler that works until it is let go, and knows whether it was cancelled."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.starts = 0
        self.cancelled = 0

    async def __call__(self, arguments: Arguments, run: JobRun) -> Arguments:
        self.starts += 1
        self.started.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return {"starts": self.starts}


async def nothing(arguments: Arguments, run: JobRun) -> None:
    return None
