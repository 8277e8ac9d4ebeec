"""Jobs against killed processes, lost connections and outages."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from app.adapters.jobs.outcome import Pace
from app.ports.jobs import JobRun
from tests.contracts.job_worlds import SqlWorld, Summarise
from tests.database import ROOT
from tests.integration.cuttable_proxy import cuttable
from tests.integration.job_support import Arguments, Slow, nothing, other_world, running

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[SqlWorld]:
    world = SqlWorld(database_url)
    yield world
    await world.close()


async def test_a_job_of_a_killed_worker_is_done_by_another(world: SqlWorld) -> None:
    job_id = await world.enqueue(Summarise("emma", alone=True))
    with worker_process(world.url, "hang") as process:
        await world.reaches(job_id, "running")
        process.send_signal(signal.SIGKILL)
    async with running(world.runner({"summarise": nothing})):
        assert (await world.reaches(job_id, "ready")).attempts == 2


async def test_a_frozen_worker_that_comes_back_does_no_harm(world: SqlWorld) -> None:
    job_id = await world.enqueue(Summarise("emma", alone=True))
    with worker_process(world.url, "hang") as process:
        await world.reaches(job_id, "running")
        process.send_signal(signal.SIGSTOP)
        async with running(world.runner({"summarise": nothing})):
            await world.reaches(job_id, "ready")
        process.send_signal(signal.SIGCONT)
        next_job = await world.enqueue(Summarise("ulysses"))
        # it noticed, signed on again and works
        await world.reaches(next_job, "running")
    assert (await world.report(job_id)).attempts == 2


async def test_a_job_that_kills_its_worker_is_given_up_after_five_starts(world: SqlWorld) -> None:
    poison = await world.enqueue(Summarise("emma"))
    for _ in range(5):
        await _let_die(world, "die")
    async with running(world.runner({"summarise": nothing})):
        report = await world.reaches(poison, "failed")
    assert report.error is not None
    assert report.error["code"] == "gave_up"
    assert "5 times" in report.error["detail"]


async def test_a_job_that_moved_on_before_each_death_is_not_given_up(world: SqlWorld) -> None:
    job_id = await world.enqueue(Summarise("emma"))
    for start in range(6):
        await _let_die(world, "die_further_on", start + 1)
    async with running(world.runner({"summarise": nothing})):
        assert (await world.reaches(job_id, "ready")).attempts == 7


async def test_a_running_job_survives_the_end_of_all_connections(world: SqlWorld) -> None:
    handler = Slow()
    job_id = await world.enqueue(Summarise("emma"))
    async with running(world.runner({"summarise": handler}, listen=True)):
        await handler.started.wait()
        await _terminate_all(world)
        handler.go.set()
        report = await world.reaches(job_id, "ready")
        assert (report.result, report.attempts) == ({"starts": 1}, 1)
        await world.reaches(await world.enqueue(Summarise("ulysses")), "ready")


async def test_no_job_is_lost_while_connections_end_all_the_time(world: SqlWorld) -> None:
    done: set[str] = set()

    async def handler(arguments: Arguments, run: JobRun) -> None:
        await run.report(1, 2)
        await asyncio.sleep(0.01)
        done.add(arguments["book"])

    jobs = [await world.enqueue(Summarise(str(n), alone=n % 2 == 0)) for n in range(60)]
    async with running(world.runner({"summarise": handler}, listen=True)):
        for _ in range(10):
            await _terminate_all(world)
            await asyncio.sleep(0.05)
        for job in jobs:
            await world.reaches(job, "ready")
    assert done == {str(n) for n in range(60)}


async def test_an_outage_is_waited_out_and_logged_once(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Slow()
    async with (
        cuttable(database_url) as way,
        other_world(database_url) as safe,
        other_world(way.url, pace=Pace(heartbeat=0.05, poll=0.05, first_pause=0.01)) as cut_off,
    ):
        job_id = await safe.enqueue(Summarise("emma"))
        with caplog.at_level(logging.WARNING, "app.adapters.jobs"):
            async with running(cut_off.runner({"summarise": handler}, listen=True)):
                await handler.started.wait()
                await way.cut()
                handler.go.set()
                await asyncio.sleep(1)
                assert (await safe.report(job_id)).status == "running"
                await way.open()
                assert (await safe.reaches(job_id, "ready")).result == {"starts": 1}
                await safe.reaches(await safe.enqueue(Summarise("ulysses")), "ready")
    waits = [line for line in caplog.messages if line.startswith("Jobs wait")]
    assert len(waits) == 1


async def test_who_is_cut_off_for_too_long_stops_working(database_url: str) -> None:
    handler = Slow()
    pace = Pace(heartbeat=0.05, stalled_after=0.5, poll=0.05, first_pause=0.01)
    async with (
        cuttable(database_url) as way,
        other_world(database_url, pace=pace) as safe,
        other_world(way.url, pace=pace) as cut_off,
    ):
        job_id = await safe.enqueue(Summarise("emma", alone=True))
        async with running(cut_off.runner({"summarise": handler})):
            await handler.started.wait()
            await way.cut()
            async with running(safe.runner({"summarise": nothing})):
                assert (await safe.reaches(job_id, "ready")).attempts == 2
            assert handler.cancelled == 1


async def test_a_worker_that_starts_before_its_database_waits_for_it(database_url: str) -> None:
    async with cuttable(database_url) as way, other_world(database_url) as safe:
        job_id = await safe.enqueue(Summarise("emma"))
        await way.cut()
        async with (
            other_world(way.url) as early,
            running(early.runner({"summarise": nothing}, listen=True)),
        ):
            await early.runner({"summarise": nothing}).kick()
            assert (await safe.report(job_id)).status == "pending"
            await way.open()
            await safe.reaches(job_id, "ready")


@contextmanager
def worker_process(url: str, handler: str, starts: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.job_worker", url, handler],
        cwd=ROOT,
        env={**os.environ, "STARTS": str(starts)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _let_die(world: SqlWorld, handler: str, starts: int = 0) -> None:
    with worker_process(world.url, handler, starts) as process:
        assert await asyncio.to_thread(process.wait) == 7


async def _terminate_all(world: SqlWorld) -> None:
    await world.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'runner'"
    )
