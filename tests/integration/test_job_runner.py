"""What the real runner promises beyond the contract: leases, races, shutdown, progress."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from app.adapters.jobs.claims import Claims
from app.adapters.jobs.outcome import Done, Pace
from app.ports.jobs import Handler, JobRun, JobRunner
from tests.contracts.job_worlds import SqlWorld, Summarise
from tests.integration.job_support import Arguments, Slow, nothing, other_world, running, stopped

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[SqlWorld]:
    world = SqlWorld(database_url)
    yield world
    await world.close()


async def test_a_job_that_is_joined_waits_for_the_data_of_who_joined(world: SqlWorld) -> None:
    await world.execute("CREATE TABLE notes (n int)")

    async def count(arguments: Arguments, run: JobRun) -> Arguments:
        return {"notes": (await world.execute("SELECT count(*) FROM notes"))[0][0]}

    runner = world.runner({"summarise": count})
    await world.execute("INSERT INTO notes VALUES (1)")
    job_id = await world.enqueue(Summarise("emma", once=True))
    async with world.begin() as queue:
        assert await queue.enqueue(Summarise("emma", once=True)) == job_id
        await runner.kick()
        assert (await world.report(job_id)).status == "pending"
        await world.execute("INSERT INTO notes VALUES (2)")

    assert (await world.ends(runner, job_id)).result == {"notes": 2}


async def test_a_stalled_job_gives_way_to_a_newer_one(world: SqlWorld) -> None:
    old = await world.enqueue(Summarise("emma", alone=True, once=True))
    await _claim_by_a_dead_worker(world)
    new = await world.enqueue(Summarise("emma", alone=True, once=True))
    runner = world.runner({"summarise": nothing})

    assert (await world.ends(runner, new)).status == "ready"
    assert (await world.report(old)).status == "cancelled"


async def test_a_claim_that_got_lost_on_the_way_is_found(world: SqlWorld) -> None:
    handler = Slow()
    first = await world.enqueue(Summarise("emma"))
    async with running(world.runner({"summarise": handler}, concurrency=1)):
        await handler.started.wait()
        lost = await world.enqueue(Summarise("ulysses"))
        await world.execute(
            "UPDATE procrastinate_jobs SET status = 'doing',"
            " worker_id = (SELECT id FROM procrastinate_workers) WHERE status = 'todo'"
        )
        await world.reaches(lost, "pending")
        handler.go.set()
        assert (await world.reaches(lost, "ready")).attempts == 2
        assert (await world.reaches(first, "ready")).attempts == 1


async def test_who_lost_the_job_cannot_overwrite_who_has_it(world: SqlWorld) -> None:
    claims = Claims(world.engine)
    job_id = await world.enqueue(Summarise("emma"))
    stopped_worker = await claims.enter()
    late = await claims.claim(stopped_worker, ["summarise"])
    assert late is not None
    await world.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 h'")

    successor = await claims.enter()
    await claims.recover(successor, [], 30)
    claim = await claims.claim(successor, ["summarise"])
    assert claim is not None
    assert await claims.progress(late, 7, 9) is None
    assert not await claims.settle(late, Done('{"by": "the late one"}'))
    assert await claims.settle(claim, Done('{"by": "the successor"}'))
    assert not await claims.settle(late, Done('{"by": "the late one"}'))
    assert not await claims.beat(stopped_worker)
    assert (await world.report(job_id)).result == {"by": "the successor"}


async def test_a_long_job_is_not_taken_for_stalled_when_nothing_else_is_due(
    database_url: str,
) -> None:
    pace = Pace(heartbeat=0.1, stalled_after=0.8, poll=0.05, first_pause=0.01)
    handler = Slow()
    async with other_world(database_url, pace=pace) as one, other_world(database_url) as two:
        job_id = await one.enqueue(Summarise("emma"))
        drain = asyncio.create_task(one.runner({"summarise": handler}).kick())
        await handler.started.wait()
        async with running(two.runner({"summarise": handler})):
            await asyncio.sleep(2)
            handler.go.set()
            await drain
        assert (await one.report(job_id)).result == {"starts": 1}


async def test_progress_is_written_now_and_then_and_the_last_one_always(world: SqlWorld) -> None:
    writes = 0

    def count(*call: Any) -> None:
        nonlocal writes
        writes += "UPDATE job_reports report SET\n      strikes" in str(call[2])

    go = asyncio.Event()

    async def handler(arguments: Arguments, run: JobRun) -> None:
        for step in range(400):
            await run.report(step + 1, 900)
        await go.wait()

    event.listen(world.engine.sync_engine, "before_cursor_execute", count)
    job_id = await world.enqueue(Summarise("emma"))
    async with running(world.runner({"summarise": handler})):
        while (report := await world.report(job_id)).done < 400:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert (report.done, report.planned, report.status) == (400, 900, "running")
        assert 1 <= writes < 20
        go.set()
        await world.reaches(job_id, "ready")


async def test_stopping_puts_jobs_back_at_once_and_without_a_strike(world: SqlWorld) -> None:
    handler = Slow()
    job_id = await world.enqueue(Summarise("emma", alone=True))
    async with running(world.runner({"summarise": handler})):
        await handler.started.wait()

    assert handler.cancelled == 1
    assert (await world.report(job_id)).status == "pending"
    assert await world.execute("SELECT strikes FROM job_reports") == [(0,)]
    assert await world.execute("SELECT * FROM procrastinate_workers") == []
    await world.runner({"summarise": nothing}).kick()
    assert (await world.report(job_id)).status == "ready"


async def test_a_cancelled_kick_puts_jobs_back(world: SqlWorld) -> None:
    handler = Slow()
    job_id = await world.enqueue(Summarise("emma"))
    kick = asyncio.create_task(world.runner({"summarise": handler}).kick())
    await handler.started.wait()
    await stopped(kick)
    assert (await world.report(job_id)).status == "pending"


async def test_a_handler_that_gives_itself_up_has_failed(world: SqlWorld) -> None:
    async def handler(arguments: Arguments, run: JobRun) -> None:
        raise asyncio.CancelledError

    job_id = await world.enqueue(Summarise("emma"))
    report = await world.ends(world.runner({"summarise": handler}), job_id)
    assert (report.status, report.attempts) == ("failed", 5)


@pytest.mark.parametrize("answer", [{"text": "a\x00b"}, {"score": float("nan")}, {"set": {1}}])
async def test_an_answer_nobody_can_keep_is_a_failure(world: SqlWorld, answer: Arguments) -> None:
    async def handler(arguments: Arguments, run: JobRun) -> Arguments:
        return answer

    job_id = await world.enqueue(Summarise("emma"))
    report = await world.ends(world.runner({"summarise": handler}), job_id)
    assert report.status == "failed"
    assert report.error is not None
    assert report.error["code"] == "internal_error"


async def test_a_new_job_is_heard_of_without_waiting_for_the_next_poll(database_url: str) -> None:
    async with other_world(database_url, pace=Pace(poll=3600)) as world:
        first = await world.enqueue(Summarise("emma"))
        async with running(world.runner({"summarise": nothing}, listen=True)):
            await world.reaches(first, "ready")
            await _until_someone_listens(world)
            await world.reaches(await world.enqueue(Summarise("ulysses")), "ready")


async def test_a_kick_wakes_the_running_runner_and_returns(database_url: str) -> None:
    async with other_world(database_url, pace=Pace(poll=3600)) as world:
        runner = world.runner({"summarise": nothing})
        async with running(runner):
            await world.reaches(await _kicked(world, runner), "ready")
            await world.reaches(await _kicked(world, runner), "ready")


async def test_a_job_nobody_here_can_do_waits_for_who_can(world: SqlWorld) -> None:
    job_id = await world.enqueue(Summarise("emma"))
    await world.runner({"translate": nothing}).kick()
    assert (await world.report(job_id)).status == "pending"
    await world.runner({"summarise": nothing}).kick()
    assert (await world.report(job_id)).status == "ready"


async def test_two_runners_share_the_work_and_do_nothing_twice(database_url: str) -> None:
    starts: dict[str, int] = {}
    at_work: set[str] = set()

    async def handler(arguments: Arguments, run: JobRun) -> None:
        book = arguments["book"]
        assert book not in at_work
        at_work.add(book)
        starts[book] = starts.get(book, 0) + 1
        await asyncio.sleep(0.005)
        at_work.discard(book)

    handlers: Mapping[str, Handler] = {"summarise": handler}
    async with other_world(database_url) as one, other_world(database_url) as two:
        jobs = [await one.enqueue(Summarise(str(n % 40), alone=True)) for n in range(100)]
        jobs += [await one.enqueue(Summarise(f"free {n}")) for n in range(100)]
        async with (
            running(one.runner(handlers, concurrency=4, listen=True)),
            running(two.runner(handlers, concurrency=4, listen=True)),
        ):
            reports = [await one.reaches(job, "ready") for job in jobs]
    assert {report.attempts for report in reports} == {1}
    assert sum(starts.values()) == 200


async def test_old_jobs_are_put_away_and_their_reports_later(world: SqlWorld) -> None:
    runner = world.runner({"summarise": nothing})
    week, month, fresh = [await world.enqueue(Summarise(book)) for book in "abc"]
    await runner.kick()
    async with world.begin() as queue:
        waiting = await queue.enqueue(Summarise("d"), delay=timedelta(days=1))
    for job, days in ((week, 8), (month, 31), (waiting, 99)):
        await _age(world, job, days)
    await Claims(world.engine).put_away()

    assert await world.board.find(month) is None
    assert (await world.report(week)).status == "ready"
    assert (await world.report(fresh)).attempts == 1
    assert (await world.report(waiting)).status == "pending"
    assert await world.execute("SELECT count(*) FROM procrastinate_jobs") == [(2,)]


async def _claim_by_a_dead_worker(world: SqlWorld) -> None:
    claims = Claims(world.engine)
    assert await claims.claim(await claims.enter(), ["summarise"])
    await world.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 h'")


async def _until_someone_listens(world: SqlWorld) -> None:
    heard = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
    while not await world.execute(heard):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def _kicked(world: SqlWorld, runner: JobRunner) -> UUID:
    job_id = await world.enqueue(Summarise("emma"))
    await runner.kick()
    return job_id


async def _age(world: SqlWorld, job_id: UUID, days: int) -> None:
    await world.execute(
        f"UPDATE job_reports SET created_at = now() - interval '{days} days' WHERE id = '{job_id}'"
    )
