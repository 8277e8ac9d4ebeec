"""What every job queue, board and runner promises, the ones in memory and the real ones."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from typing_extensions import override

from app.ports.budget import Payer, current_payer
from app.ports.jobs import JobRun
from app.shared.errors import Conflict, NotFound, Unavailable
from app.shared.ids import new_id
from tests.contracts.job_worlds import Embed, InMemoryWorld, JobWorld, SqlWorld, Summarise


@pytest.fixture(params=["memory", "postgres"])
def world_url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("database_url") if request.param == "postgres" else None


@pytest.fixture
async def world(world_url: str | None) -> AsyncIterator[JobWorld]:
    if world_url is None:
        yield InMemoryWorld()
        return
    postgres = SqlWorld(world_url)
    yield postgres
    await postgres.close()


class Ledger:
    """A handler that notes what it was asked to do."""

    def __init__(self) -> None:
        self.books: list[str] = []

    async def __call__(self, arguments: Mapping[str, Any], run: JobRun) -> Mapping[str, Any] | None:
        self.books.append(arguments["book"])
        return None


async def test_a_job_exists_when_its_transaction_committed(world: JobWorld) -> None:
    job_id = await world.enqueue(Summarise("emma"))

    report = await world.report(job_id)
    assert (report.kind, report.status, report.attempts) == ("summarise", "pending", 0)
    assert (report.done, report.planned) == (0, 1)
    assert (report.result, report.error, report.owner_id) == (None, None, None)
    assert report.created_at.tzinfo is not None


async def test_a_job_of_a_transaction_that_failed_never_was(world: JobWorld) -> None:
    written = []

    async def fail() -> None:
        async with world.begin() as queue:
            written.append(await queue.enqueue(Summarise("emma")))
            raise Conflict

    with pytest.raises(Conflict):
        await fail()
    ledger = Ledger()
    await world.runner({"summarise": ledger}).kick()
    assert await world.board.find(written[0]) is None
    assert ledger.books == []


async def test_what_a_job_asks_of_a_model_is_paid_by_it_and_its_owner(world: JobWorld) -> None:
    ann, payers = await world.member(), []

    async def ask(arguments: Mapping[str, Any], run: JobRun) -> None:
        payers.append(current_payer())

    async with world.begin() as queue:
        job_id = await queue.enqueue(Summarise("emma"), owner=ann)
    nobodys = await world.enqueue(Summarise("persuasion"))
    await world.runner({"summarise": ask}).kick()
    assert set(payers) == {Payer(job_id, ann), Payer(nobodys, None)}
    assert current_payer() == Payer()


async def test_a_job_is_not_seen_before_its_transaction_commits(world: JobWorld) -> None:
    ledger = Ledger()
    runner = world.runner({"summarise": ledger})
    async with world.begin() as queue:
        job_id = await queue.enqueue(Summarise("emma"))
        await runner.kick()
        assert await world.board.find(job_id) is None
    assert ledger.books == []

    await runner.kick()
    assert ledger.books == ["emma"]


async def test_nobody_knows_an_unknown_job(world: JobWorld) -> None:
    assert await world.board.find(new_id()) is None


async def test_a_job_remembers_who_asked_for_it(world: JobWorld) -> None:
    ann = await world.member()
    async with world.begin() as queue:
        job_id = await queue.enqueue(Summarise("emma"), owner=ann)
    assert (await world.report(job_id)).owner_id == ann


async def test_a_finished_job_shows_its_result(world: JobWorld) -> None:
    async def handler(arguments: Mapping[str, Any], run: JobRun) -> Mapping[str, Any]:
        await run.report(2, 5)
        seen = await world.report(run.job_id)
        return {"status": seen.status, "attempts": seen.attempts, "book": arguments["book"]}

    job_id = await world.enqueue(Summarise("emma"))
    report = await world.ends(world.runner({"summarise": handler}), job_id)

    assert report.status == "ready"
    assert report.result == {"status": "running", "attempts": 1, "book": "emma"}
    assert (report.done, report.planned, report.attempts) == (5, 5, 1)


async def test_asking_twice_joins_the_pending_job(world: JobWorld) -> None:
    first = await world.enqueue(Summarise("emma", once=True))
    again = await world.enqueue(Summarise("emma", once=True))
    other = await world.enqueue(Summarise("ulysses", once=True))
    ledger = Ledger()
    await world.runner({"summarise": ledger}).kick()

    assert first == again != other
    assert sorted(ledger.books) == ["emma", "ulysses"]


async def test_asking_twice_in_one_transaction_makes_one_job(world: JobWorld) -> None:
    async with world.begin() as queue:
        first = await queue.enqueue(Summarise("emma", once=True))
        assert await queue.enqueue(Summarise("emma", once=True)) == first


async def test_asking_while_the_job_runs_makes_a_new_one(world: JobWorld) -> None:
    jobs: list[UUID] = []

    async def handler(arguments: Mapping[str, Any], run: JobRun) -> None:
        if len(jobs) == 1:
            jobs.append(await world.enqueue(Summarise("emma", once=True)))

    jobs.append(await world.enqueue(Summarise("emma", once=True)))
    await world.runner({"summarise": handler}).kick()

    assert jobs[0] != jobs[1]
    assert [(await world.report(job)).status for job in jobs] == ["ready", "ready"]


async def test_jobs_with_the_same_lock_run_one_after_the_other(world: JobWorld) -> None:
    running, most = 0, 0

    async def handler(arguments: Mapping[str, Any], run: JobRun) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    jobs = [await world.enqueue(Summarise("emma", alone=True)) for _ in range(4)]
    await world.runner({"summarise": handler}).kick()

    assert most == 1
    assert {(await world.report(job)).status for job in jobs} == {"ready"}


async def test_what_can_wait_starts_behind_what_came_later(world: JobWorld) -> None:
    for book in ("emma", "persuasion"):
        await world.enqueue(Embed(book))
    for book in ("middlemarch", "villette"):
        await world.enqueue(Summarise(book))
    ledger = Ledger()
    await world.runner({"summarise": ledger, "embed": ledger}, concurrency=1).kick()
    assert ledger.books == ["middlemarch", "villette", "emma", "persuasion"]


async def test_a_delayed_job_is_not_due_yet(world: JobWorld) -> None:
    ledger = Ledger()
    runner = world.runner({"summarise": ledger})
    async with world.begin() as queue:
        job_id = await queue.enqueue(Summarise("emma", once=True), delay=timedelta(hours=1))
    await runner.kick()
    assert (await world.report(job_id)).status == "pending"

    assert await world.enqueue(Summarise("emma", once=True)) == job_id
    await runner.kick()
    assert (await world.report(job_id)).status == "ready"


async def test_a_delayed_job_does_not_hold_up_others_of_its_lock(world: JobWorld) -> None:
    ledger = Ledger()
    async with world.begin() as queue:
        await queue.enqueue(Summarise("emma", alone=True), delay=timedelta(hours=1))
        due = await queue.enqueue(Summarise("emma", alone=True))
    await world.runner({"summarise": ledger}).kick()
    assert (await world.report(due)).status == "ready"


class Failing:
    def __init__(self, error: Exception) -> None:
        self.starts = 0
        self._error = error

    async def __call__(self, arguments: Mapping[str, Any], run: JobRun) -> None:
        self.starts += 1
        raise self._error


class Secret(Exception):
    @override
    def __str__(self) -> str:
        return "password=hunter2"


async def test_a_failing_job_is_tried_five_times_and_says_why(world: JobWorld) -> None:
    handler = Failing(Conflict("The book has no text."))
    job_id = await world.enqueue(Summarise("emma"))
    report = await world.ends(world.runner({"summarise": handler}), job_id)

    assert (report.status, handler.starts, report.attempts) == ("failed", 5, 5)
    assert report.error == {"code": "conflict", "detail": "The book has no text."}


async def test_a_bug_does_not_show_its_inside(world: JobWorld) -> None:
    job_id = await world.enqueue(Summarise("emma"))
    report = await world.ends(world.runner({"summarise": Failing(Secret())}), job_id)

    assert report.error is not None
    assert report.error["code"] == "internal_error"
    assert "hunter2" not in str(report.error)


async def test_a_job_whose_subject_is_gone_has_nothing_to_do(world: JobWorld) -> None:
    job_id = await world.enqueue(Summarise("emma"))
    report = await world.ends(world.runner({"summarise": Failing(NotFound())}), job_id)
    assert (report.status, report.result, report.error) == ("ready", {"skipped": True}, None)


async def test_a_job_waits_for_what_is_unavailable_as_long_as_it_takes(world: JobWorld) -> None:
    starts = 0
    waiting: list[Any] = []

    async def handler(arguments: Mapping[str, Any], run: JobRun) -> Mapping[str, Any]:
        nonlocal starts
        starts += 1
        waiting.append((await world.report(run.job_id)).error)
        if starts < 9:
            raise Unavailable("The model is asleep.", retry_after=0)
        return {"starts": starts}

    job_id = await world.enqueue(Summarise("emma"))
    report = await world.ends(world.runner({"summarise": handler}), job_id)

    assert (report.status, report.result, report.error) == ("ready", {"starts": 9}, None)
    assert waiting[-1] == {"code": "unavailable", "detail": "The model is asleep."}


async def test_a_job_that_is_told_when_to_come_back_waits_so_long(world: JobWorld) -> None:
    handler = Failing(Unavailable(retry_after=3600))
    runner = world.runner({"summarise": handler})
    job_id = await world.enqueue(Summarise("emma"))
    await runner.kick()
    await asyncio.sleep(0.1)
    await runner.kick()

    assert handler.starts == 1
    assert (await world.report(job_id)).status == "pending"


async def test_a_job_that_moves_on_is_not_given_up(world: JobWorld) -> None:
    starts = 0

    async def handler(arguments: Mapping[str, Any], run: JobRun) -> None:
        nonlocal starts
        starts += 1
        for step in range(starts + 1):
            await run.report(step, 12)
        if starts < 10:
            raise RuntimeError

    job_id = await world.enqueue(Summarise("emma"))
    report = await world.ends(world.runner({"summarise": handler}), job_id)
    assert (report.status, starts) == ("ready", 10)


async def test_walking_the_same_way_again_is_not_moving_on(world: JobWorld) -> None:
    starts = 0

    async def handler(arguments: Mapping[str, Any], run: JobRun) -> None:
        nonlocal starts
        starts += 1
        for step in range(4):
            await run.report(step, 9)
        raise RuntimeError

    job_id = await world.enqueue(Summarise("emma"))
    report = await world.ends(world.runner({"summarise": handler}), job_id)

    assert (report.status, report.done, report.planned) == ("failed", 3, 9)
    assert starts == 1 + 5  # the first one moved on and does not count


async def test_a_failing_job_gives_way_to_a_newer_one(world: JobWorld) -> None:
    jobs: list[UUID] = []

    async def handler(arguments: Mapping[str, Any], run: JobRun) -> None:
        if len(jobs) == 1:
            jobs.append(await world.enqueue(Summarise("emma", once=True, alone=True)))
            raise RuntimeError

    jobs.append(await world.enqueue(Summarise("emma", once=True, alone=True)))
    runner = world.runner({"summarise": handler})
    first, second = [await world.ends(runner, job) for job in jobs]

    assert (first.status, second.status) == ("cancelled", "ready")
    assert first.error is not None
    assert first.error["code"] == "superseded"


async def test_a_kick_during_a_run_makes_it_look_again(world: JobWorld) -> None:
    ledger = Ledger()

    async def handler(arguments: Mapping[str, Any], run: JobRun) -> None:
        await ledger(arguments, run)
        if arguments["book"] == "emma":
            await world.enqueue(Summarise("ulysses"))
            await runner.kick()

    runner = world.runner({"summarise": handler})
    await world.enqueue(Summarise("emma"))
    await runner.kick()
    assert ledger.books == ["emma", "ulysses"]


async def test_the_backlog_counts_what_is_due_and_what_is_not(world: JobWorld) -> None:
    empty = await world.board.backlog()
    assert (empty.by_status["pending"], empty.failed_lately, empty.oldest_seconds) == (0, 0, 0)
    await world.enqueue(Summarise("emma"))
    async with world.begin() as queue:
        await queue.enqueue(Summarise("later"), delay=timedelta(hours=1))
    await asyncio.sleep(0.05)

    backlog = await world.board.backlog()
    assert backlog.by_status["pending"] == 2
    assert 0 < backlog.oldest_seconds < 60
