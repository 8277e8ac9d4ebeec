"""Soak: an hour of ordinary use with uploads and small faults, and what grows meanwhile."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from benchmarks._machine import percentile
from benchmarks._serving import connected
from benchmarks._shelves import invented_text
from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._grounds import Reader, newcomers, postgres, served
from benchmarks.campaigns._invariants import broken
from benchmarks.campaigns._traffic import SETTINGS, Outcome, Visitor, built, closed_loop, open_loop
from benchmarks.campaigns._vitals import Vitals, slope, vitals_of
from tests.database import cloned, scratch_folder

_MINUTES, _SHARE, _VISITORS = 60, 0.4, 16
_UPLOADS_A_MINUTE, _SAMPLES_A_MINUTE = 12, 6
_MOST_GROWTH = 5.0
# A slope over less than this is that of a library that still warms up.
_ENOUGH_MINUTES = 30
# The pools fill with the first crowd; who stays connected is gone at the end.
_GIVE = {"descriptors": 24, "threads": 12, "connections": 16}
_STATE = """SELECT count(*) AS connections,
    count(*) FILTER (WHERE state LIKE 'idle in transaction%'
      AND now() - state_change > interval '5 seconds') AS lingering
  FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"""
_JOBS = "SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY 1"
_DEAD = """SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'procrastinate_jobs'"""
_CUT_ONE = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle' LIMIT 1"""
_UNREAD = "SELECT count(*) FROM books WHERE ingestion_status IN ('pending', 'running')"


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    vitals: Vitals
    connections: int
    lingering: int
    files: int
    jobs: Counter[str]
    dead: int


@dataclass(slots=True)
class _House:
    url: str
    pid: int
    port: int
    scratch: Path
    keeper: Reader
    dice: random.Random
    samples: list[_Sample] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    uploads: int = 0
    wrong: list[str] = field(default_factory=list)


async def run(
    plan: Plan, server_url: str | None = None, *, minute: float = 60.0
) -> Sequence[Tally]:
    """`minute` is how long one takes, in seconds."""
    use = Tally("minutes of use at 40 % load", plan.count(_MINUTES), "no 5xx but polite 503")
    clean = Tally("minutes after which the data was right", use.planned, "each question has 0 rows")
    held = Tally("things that might grow", 6, f"memory by {_MOST_GROWTH:g} MiB/h at most, no other")
    with postgres(server_url) as server, cloned(server) as url, scratch_folder() as scratch:
        settings = SETTINGS | {"TMPDIR": str(scratch)}
        scratch.chmod(0o777)
        async with served(url, settings, apart=({},)) as grounds:
            town = await built(grounds, books=200, lent=10, readers=8, seed=plan.seed)
            [keeper] = await newcomers(await grounds.connections(1), "keeper")
            dice = random.Random(plan.seed)
            house = _House(url, grounds.pids[0], grounds.ports[0], scratch, keeper, dice)
            async with connected(house.port, _VISITORS) as doors:
                visitors = [Visitor(town, door, n, plan.seed) for n, door in enumerate(doors)]
                await _sample(house)
                peak = await closed_loop(visitors, min(10.0, minute / 4))
                house.wrong += peak.wrong
                outcome = await _used(plan, house, visitors, peak.rate * _SHARE, minute, use, clean)
            await _settled(house, held)
    _tell(use, house, outcome, peak.rate)
    _judge(held, house, minute * use.done / 60)
    for tally in (use, clean, held):
        tally.failures[:] = [f"seed {plan.seed}: {each}" for each in tally.failures]
    return [use, clean, held]


async def _used(
    plan: Plan,
    house: _House,
    visitors: Sequence[Visitor],
    rate: float,
    minute: float,
    use: Tally,
    clean: Tally,
) -> Outcome:
    """Minute after minute; the last one's outcome holds the times of all."""
    whole = Outcome()
    async with (
        _every(minute / _SAMPLES_A_MINUTE, lambda: _sample(house)),
        _every(minute / _UPLOADS_A_MINUTE, lambda: _upload(house)),
    ):
        for number in plan.rounds(use):
            await _fault(house)
            count = max(1, round(rate * minute))
            part = await open_loop(visitors, rate, count, ends=plan.ends, crowded=True)
            whole.seconds += part.seconds
            whole.statuses += part.statuses
            whole.refused_politely += part.refused_politely
            house.wrong += [f"minute {number}: {wrong}" for wrong in part.wrong]
            clean.failures += [f"minute {number}: {each}" for each in await broken(house.url)]
            clean.done += 1
    return whole


@asynccontextmanager
async def _every(seconds: float, do: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    async def go_on() -> None:
        while True:
            await do()
            await asyncio.sleep(seconds)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sample(house: _House) -> None:
    connection = await asyncpg.connect(house.url)
    try:
        state = await connection.fetchrow(_STATE)
        jobs = Counter({status: int(n) for status, n in await connection.fetch(_JOBS)})
        dead = int(await connection.fetchval(_DEAD) or 0)
    finally:
        await connection.close()
    files = sum(1 for _ in house.scratch.rglob("*"))
    vitals = await asyncio.to_thread(vitals_of, house.pid)
    sample = _Sample(time.monotonic(), vitals, state[0], state[1], files, jobs, dead)
    house.samples.append(sample)


async def _upload(house: _House) -> None:
    try:
        await house.keeper.shelve(invented_text(house.dice, 20_000).decode(), copies=5)
        house.uploads += 1
    except RuntimeError as error:
        if "503" not in str(error):
            house.wrong.append(f"upload: {error}")


async def _fault(house: _House) -> None:
    """A client that leaves in the middle, a connection of the database cut, or a file that is
    none of what it says."""
    kind = house.dice.choice(["client gone", "connection cut", "broken file"])
    house.faults[kind] += 1
    match kind:
        case "client gone":
            _, writer = await asyncio.open_connection("127.0.0.1", house.port)
            writer.write(
                b"POST /auth/login HTTP/1.1\r\nHost: library\r\nContent-Length: 99\r\n\r\n{"
            )
            await writer.drain()
            writer.transport.abort()
        case "connection cut":
            connection = await asyncpg.connect(house.url)
            await connection.execute(_CUT_ONE)
            await connection.close()
        case _:
            text = f"%PDF-1.7\n{house.dice.random()}\ntrailer << /Root 1 0 R >>\n%%EOF"
            answer = await house.keeper.door.ask("POST", "/books", *await house.keeper.upload(text))
            if answer.status not in (202, 415, 422):
                house.wrong.append(f"broken file: {answer.status}")


async def _settled(house: _House, held: Tally) -> None:
    """All books read, and a last look once everybody has left."""
    connection = await asyncpg.connect(house.url)
    end = time.monotonic() + 120
    while await connection.fetchval(_UNREAD) and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    held.hold(not await connection.fetchval(_UNREAD), "books are not read")
    await connection.close()
    await asyncio.sleep(2)
    await _sample(house)


def _tell(use: Tally, house: _House, outcome: Outcome, peak: float) -> None:
    use.failures += house.wrong
    ranks = [percentile(outcome.seconds, share) for share in (0.5, 0.99)]
    use.figures = {
        "requests": f"{len(outcome.seconds):,} at {peak * _SHARE:.0f}/s",
        "answers": ", ".join(f"{s} {n:,}" for s, n in sorted(outcome.statuses.items())),
        "ms (p50, p99)": ", ".join(f"{rank:.0f}" for rank in ranks),
        "uploads": f"{house.uploads:,}",
        "faults": ", ".join(f"{kind} {n}" for kind, n in sorted(house.faults.items())),
    }


def _judge(held: Tally, house: _House, minutes: float) -> None:
    warm = house.samples[len(house.samples) // 3 : -1]
    first, last = house.samples[0], house.samples[-1]
    at_first, now = _counted(first), _counted(last)
    for name, before in at_first.items():
        held.hold(now[name] <= before + _GIVE[name], f"{name} were {before}, are {now[name]}")
        held.figures[name] = f"{before} to {now[name]}"
    lingering = max(each.lingering for each in house.samples)
    held.hold(not lingering, f"{lingering} transactions were left open for 5 s")
    held.hold(not last.files, f"{last.files} files are left in the temporary folder")
    held.hold(not last.jobs["failed"], f"{last.jobs['failed']} jobs failed")
    held.figures["rows of jobs"] = f"{last.jobs.total():,}, {last.dead:,} dead"
    _judge_memory(held, warm, minutes)
    held.done = held.planned


def _counted(sample: _Sample) -> dict[str, int]:
    vitals = sample.vitals
    return {
        "descriptors": vitals.descriptors,
        "threads": vitals.threads,
        "connections": sample.connections,
    }


def _judge_memory(held: Tally, warm: Sequence[_Sample], minutes: float) -> None:
    found = slope([each.at / 3600 for each in warm], [each.vitals.rss for each in warm])
    growth = f"{found.per_unit:+.1f} ± {found.give:.1f} MiB/h"
    held.figures["memory"] = f"{warm[0].vitals.rss:.0f} to {warm[-1].vitals.rss:.0f} MiB, {growth}"
    if minutes >= _ENOUGH_MINUTES:
        held.hold(found.per_unit <= _MOST_GROWTH, f"memory grows by {growth}")
    else:
        held.figures["memory"] += f" over {minutes:.1f} minutes, too few to judge"
