"""A process dies at each named point; what is left behind heals, and the reader can go on.

The points are in `_crash_points.py`, the adapters that die there in `_dying.py`.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg

from benchmarks.campaigns._after_the_storm import wounds
from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._crash_points import POINTS, Point
from benchmarks.campaigns._deeds import DEEDS, Deed
from benchmarks.campaigns._dying import Fate
from benchmarks.campaigns._grounds import database
from benchmarks.campaigns._mortal_library import LATER, Mortal, opened_mortal
from benchmarks.campaigns._nursery import Nursery, nursery
from tests.database import scratch_folder

_TIMES = 50
_PATIENCE = 60.0
_PASSES = "each dies there; then 0 orphans both ways, all heals, the reader goes on"
# The lease of the dead runs out.
_LEASES_END = "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"
_OPEN = """SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'
  OR (status = 'todo' AND coalesce(scheduled_at, now()) <= now() + interval '1 minute'
      AND task_name <> 'count_words')"""


async def run(plan: Plan, server_url: str | None = None) -> Sequence[Tally]:
    tally = Tally(f"deaths at {len(POINTS)} points", plan.count(_TIMES * len(POINTS)), _PASSES)
    # One order for a seed, in which every point comes before any comes again.
    order = random.Random(plan.seed).sample(POINTS, len(POINTS))
    with scratch_folder() as home, database(server_url) as url:
        os.chmod(home, 0o755)
        async with nursery() as lives, AsyncExitStack() as stack:
            healthy = await stack.enter_async_context(opened_mortal(url, home, Fate()))
            later = await stack.enter_async_context(opened_mortal(url, home, Fate(), ahead=LATER))
            ward = _Ward(lives, home, url, healthy, later)
            for turn in plan.rounds(tally):
                point = order[turn % len(order)]
                for fault in await ward.faults(point):
                    words = f"seed {plan.seed}, death {turn}, {point.name}: {fault}"
                    tally.failures.append(words)
        tally.figures = ward.figures()
    return [tally]


class _Ward:
    """Where they die, and what they leave is looked after."""

    def __init__(
        self, lives: Nursery, home: Path, url: str, healthy: Mortal, later: Mortal
    ) -> None:
        self._lives, self._home, self._url = lives, home, url
        self._healthy, self._later = healthy, later
        self._scratch = home / "scratch"
        self._scratch.mkdir()
        self._died: Counter[str] = Counter()
        self._healing: list[float] = []

    async def faults(self, point: Point) -> list[str]:
        """What is wrong after one death."""
        try:
            async with asyncio.timeout(_PATIENCE):
                async with DEEDS[point.deed](self._healthy, self._home) as deed:
                    if fault := await self._die(point, deed):
                        return [fault]
                    began = time.monotonic()
                    await self._heal()
                    self._healing.append(time.monotonic() - began)
                    found = await wounds(self._url, self._home / "files")
                    found += await deed.go_on(self._healthy)
                    await self._quiet()
                    return [*found, *await wounds(self._url, self._home / "files")]
        except TimeoutError:
            return ["it did not come to rest in a minute"]

    async def _die(self, point: Point, deed: Deed) -> str:
        life = await self._lives.bear(
            "benchmarks.campaigns._mortal_library:live",
            *(self._url, str(self._home), point.place, deed.kind, deed.told),
            folder=self._home,
            environment={"PATH": os.environ["PATH"], "TMPDIR": str(self._scratch)},
        )
        status, said = await life.end(), life.said
        complained = life.complained
        life.forget()
        if status != -9 or f"died {point.place}" not in said:
            return f"it ended with {status} and never came there: {said[:200]} {complained[-600:]}"
        self._died[point.name] += 1
        return ""

    async def _heal(self) -> None:
        """What the library does by itself: the jobs go on, and a day later it sweeps."""
        await self._asked(_LEASES_END)
        await self._quiet()
        await self._later.services.ingestion.sweep()
        await self._later.services.fitting.sweep()
        await self._later.services.indexing.ask_for_unfinished()
        await self._quiet()

    async def _quiet(self) -> None:
        await self._healthy.runner.kick()
        while await self._asked(_OPEN):
            await asyncio.sleep(0.05)
            await self._healthy.runner.kick()

    async def _asked(self, query: str) -> int:
        connection = await asyncpg.connect(self._url)
        try:
            return int(await connection.fetchval(query) or 0)
        finally:
            await connection.close()

    def figures(self) -> dict[str, str]:
        if not self._healing:
            return {}
        return {
            "points reached": f"{len(self._died)} of {len(POINTS)}",
            "fewest deaths at a point": str(min(self._died[point.name] for point in POINTS)),
            "seconds to heal (most)": f"{max(self._healing):.1f}",
            "left in the temporary folder": str(len(os.listdir(self._scratch))),
        }
