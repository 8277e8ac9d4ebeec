"""Workers, API and Postgres killed with -9 while readers and jobs go on; workers frozen.

What was acknowledged is written down outside of the library and compared at the end.
"""

import asyncio
import os
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import httpx

from benchmarks.campaigns._after_the_storm import differences
from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._children import readers_of
from benchmarks.campaigns._frail_postgres import FrailPostgres, frail_postgres
from benchmarks.campaigns._frozen_rounds import thawed
from benchmarks.campaigns._nursery import Life, Nursery, nursery
from benchmarks.campaigns._patrons import Ledger, Patron
from tests.database import scratch_folder
from tests.integration.server import environment

_KILLS = {"worker": 500, "api": 100, "postgres": 50}
_JOBS, _FREEZES = 10_000, 1_000
_WORKERS, _PATRONS = 3, 6
# No job may still be in the hands it was in when the last kill fell.
_STUCK_AFTER = 60.0
_DRAIN = 900.0
_SETTINGS = {
    "JOBS_EMBEDDED": "false",
    "JOBS_HEARTBEAT": "0.5",
    "JOBS_STALLED_AFTER": "5",
    "LENDING_LIMIT": "1000",
    "SERVER_KEEP_ALIVE": "3600",
}
_DONE = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
_HELD = "SELECT id, attempts FROM procrastinate_jobs WHERE status = 'doing'"
_WAITING = """SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'
  OR (status = 'todo' AND coalesce(scheduled_at, now()) <= now() + interval '5 minutes'
      AND task_name <> 'count_words')"""


async def run(plan: Plan) -> Sequence[Tally]:
    with scratch_folder() as home:
        async with nursery() as lives, frail_postgres(home) as postgres:
            stormy = await _storm(plan, lives, home, postgres)
            return [*stormy, await thawed(plan, lives, plan.count(_FREEZES), postgres.url)]


async def _storm(
    plan: Plan, lives: Nursery, home: Path, postgres: FrailPostgres
) -> Sequence[Tally]:
    targets = [name for name, full in _KILLS.items() for _ in range(plan.count(full))]
    dice = random.Random(plan.seed)
    dice.shuffle(targets)
    kills = Tally("kills of workers, API and Postgres", len(targets), "no process is an orphan")
    passes = "0 lost, 0 doubled, 0 stuck: the ledger is what the library holds"
    jobs = Tally("jobs through the kills", plan.count(_JOBS), passes)
    async with _Staff(lives, home, postgres, dice) as staff:
        async with staff.visitors(plan.seed) as ledger:
            await staff.be_killed(plan, kills, targets)
            await staff.reach(plan, jobs)
        await staff.finish(jobs, ledger)
        jobs.failures += await differences(postgres.url, home / "var" / "files", ledger)
    kills.failures += await staff.left_behind()
    for tally in (kills, jobs):
        tally.failures[:] = [f"seed {plan.seed}: {failure}" for failure in tally.failures]
    return [kills, jobs]


class _Staff:
    """An API and some workers, each born again when it is gone."""

    def __init__(
        self, lives: Nursery, home: Path, postgres: FrailPostgres, dice: random.Random
    ) -> None:
        self._lives, self._home, self._postgres, self._dice = lives, home, postgres, dice
        self._scratch = home / "scratch"
        self._posts: dict[str, Life] = {}
        self._pids: list[int] = []
        self._endings: Counter[str] = Counter()
        self._tending: list[asyncio.Task[None]] = []
        self._port = _free_port()

    async def __aenter__(self) -> "_Staff":
        self._scratch.mkdir()
        os.chmod(self._home, 0o755)
        posts = {f"worker {n}": ["worker"] for n in range(_WORKERS)}
        posts["api"] = ["serve", "--port", str(self._port)]
        self._tending = [asyncio.create_task(self._tend(*post)) for post in posts.items()]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tending:
            task.cancel()
        await asyncio.gather(*self._tending, return_exceptions=True)
        for life in self._posts.values():
            await life.kill()

    async def _tend(self, post: str, words: list[str]) -> None:
        settings = {
            **_SETTINGS,
            "DATABASE_URL": self._postgres.url,
            "SERVER_PORT": str(self._port),
            "TMPDIR": str(self._scratch),
        }
        given = environment(self._home, settings)
        while True:
            life = await self._lives.bear(
                "app.__main__:run", words, folder=self._home, environment=given
            )
            self._posts[post] = life
            self._pids.append(life.pid)
            status = await life.end()
            if status != -9:
                # It began while the database was away; who runs it starts it again.
                last = (life.complained.strip().splitlines() or [""])[-1]
                self._endings[f"{post.split()[0]} ended with {status}: {last[:120]}"] += 1
                await asyncio.sleep(0.2)
            life.forget()

    @asynccontextmanager
    async def visitors(self, seed: int) -> AsyncIterator[Ledger]:
        """Readers who come and go until the end of the block, and then finish their visit."""
        ledger, shared = Ledger(), list[str]()
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{self._port}", trust_env=False, timeout=20
                )
            )
            await self._listening(client)
            patrons = [
                Patron(client, f"patron{n}", random.Random(f"{seed}:{n}"), ledger)
                for n in range(_PATRONS)
            ]
            for patron in patrons:
                await patron.sign_up()
            visits = [asyncio.create_task(patron.keep_busy(shared)) for patron in patrons]
            try:
                yield ledger
            finally:
                for patron in patrons:
                    patron.wants.clear()
                await asyncio.gather(*visits)

    async def be_killed(self, plan: Plan, kills: Tally, targets: Sequence[str]) -> None:
        began, down = time.monotonic(), list[float]()
        for turn in plan.rounds(kills):
            await asyncio.sleep(self._dice.uniform(0.1, 0.6))
            if targets[turn] == "postgres":
                down.append(await asyncio.to_thread(self._postgres.strike, self._dice))
            else:
                await self._strike(targets[turn])
        minutes = (time.monotonic() - began) / 60
        kills.figures["kills per minute"] = f"{kills.done / minutes:.0f}"
        if down:
            kills.figures["Postgres away (s, most)"] = f"{max(down):.1f}"

    async def _strike(self, kind: str) -> None:
        posts = [post for post in self._posts if post.startswith(kind)]
        await self._posts[self._dice.choice(posts)].kill()

    async def reach(self, plan: Plan, jobs: Tally) -> None:
        """Let readers go on until as many jobs are done as were planned."""
        while plan.has_time and await self._asked(_DONE) < jobs.planned:  # noqa: ASYNC110
            await asyncio.sleep(1)

    async def finish(self, jobs: Tally, ledger: Ledger) -> None:
        held = set(await self._rows(_HELD))
        jobs.hold(await self._let_go(held), f"jobs are stuck: {held}")
        end = time.monotonic() + _DRAIN
        while await self._asked(_WAITING) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        jobs.done = min(await self._asked(_DONE), jobs.planned)
        jobs.figures |= {
            "jobs done": f"{await self._asked(_DONE):,}",
            "acknowledged": f"{len(ledger.books):,} books, {len(ledger.loans):,} loans, "
            f"{len(ledger.reviews):,} reviews, {len(ledger.jobs):,} jobs by name",
            "answers lost": f"{ledger.broken_off:,}",
            "503": f"{ledger.refused:,}",
        }
        if self._endings:
            jobs.figures["restarted"] = "; ".join(
                f"{n} × {how}" for how, n in self._endings.items()
            )

    async def _let_go(self, held: set[tuple[int, ...]]) -> bool:
        end = time.monotonic() + _STUCK_AFTER
        while held & set(await self._rows(_HELD)):
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.2)
        return True

    async def left_behind(self) -> list[str]:
        await asyncio.sleep(2)
        found = [f"an orphan: {words}" for words in self._lives.orphans()]
        found += [f"process {pid} still reads a file" for pid in readers_of(*self._pids)]
        return found + [f"left in the temporary folder: {n}" for n in os.listdir(self._scratch)]

    async def _listening(self, client: httpx.AsyncClient) -> None:
        for _ in range(600):
            try:
                (await client.get("/readyz")).raise_for_status()
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
            else:
                return
        raise RuntimeError(f"The library did not start: {self._posts['api'].complained}")

    async def _asked(self, query: str) -> int:
        return int((await self._rows(query))[0][0])

    async def _rows(self, query: str) -> list[tuple[int, ...]]:
        connection = await asyncpg.connect(self._postgres.url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
