"""A worker is stopped, another does its job, the first goes on: nothing it says counts."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from app.ports.jobs import JobRun
from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._frozen import LATE, PACE
from benchmarks.campaigns._nursery import Life, Nursery
from tests.contracts.job_worlds import SqlWorld, Summarise
from tests.database import scratch_folder
from tests.integration.job_support import Arguments, running

_ENDED = "SELECT count(*) FROM procrastinate_events WHERE type = 'succeeded'"
_PATIENCE = 60.0
_ROUNDS_OF_A_LIFE = 2
# The slow one first: it sends its late result, where the quick one knows better.
_HEARTBEATS = (600.0, 0.1)


async def thawed(plan: Plan, lives: Nursery, planned: int, url: str) -> Tally:
    """So many rounds on a migrated database nobody else works on."""
    tally = Tally("workers frozen past their lease", planned, "0 results overwritten")
    dice = random.Random(plan.seed)
    with scratch_folder() as home:
        world = SqlWorld(url, pace=PACE)
        worker = _Frozen(lives, url, home)
        by_other = 0
        try:
            for turn in plan.rounds(tally):
                if turn % _ROUNDS_OF_A_LIFE == 0:
                    await worker.replace(_HEARTBEATS[turn // _ROUNDS_OF_A_LIFE % 2])
                round_ = _Round(world, worker, dice)
                fault = await round_.fault(turn)
                tally.hold(not fault, f"seed {plan.seed}, round {turn}: {fault}")
                by_other += round_.by_other
        finally:
            await worker.end()
            await world.close()
    tally.figures = {"done by another": f"{by_other:,}", "late results refused": f"{worker.late:,}"}
    return tally


class _Frozen:
    """The worker that is stopped, as often as one lasts."""

    def __init__(self, lives: Nursery, url: str, home: Path) -> None:
        self._lives, self._url, self._home = lives, url, home
        self._life: Life | None = None
        self.signpost = home / "signpost"
        self.late = 0

    async def replace(self, heartbeat: float) -> None:
        await self.end()
        given = (self._url, str(self.signpost), heartbeat)
        self._life = await self._lives.bear(
            "benchmarks.campaigns._frozen:work",
            *given,
            folder=self._home,
            environment=dict(os.environ),
        )

    def send(self, number: signal.Signals) -> None:
        assert self._life
        self._life.send(number)

    async def end(self) -> None:
        if self._life:
            await self._life.kill()
            self.late += self._life.complained.count(LATE)


class _Round:
    def __init__(self, world: SqlWorld, frozen: _Frozen, dice: random.Random) -> None:
        self._world, self._frozen, self._dice = world, frozen, dice
        self.by_other = False

    async def fault(self, turn: int) -> str:
        """What went wrong, if anything."""
        ended = await self._ended()
        job = await self._world.enqueue(Summarise(str(turn), alone=True))
        await self._freeze(job)
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._continued(job, ended)
        except TimeoutError:
            return f"stuck as {(await self._world.report(job)).status}"
        finally:
            self._frozen.send(signal.SIGCONT)
            self._frozen.signpost.unlink(missing_ok=True)

    async def _continued(self, job: UUID, ended: int) -> str:
        done = asyncio.Event()

        async def quick(arguments: Arguments, run: JobRun) -> Arguments:
            done.set()
            return {"by": "another"}

        async with running(self._world.runner({"summarise": quick})):
            # Where it was frozen with the job already done, or holding its row, nobody comes.
            with suppress(TimeoutError):
                async with asyncio.timeout(3 * PACE.stalled_after):
                    await done.wait()
            self.by_other = done.is_set()
            if self.by_other:
                await self._world.reaches(job, "ready")
            self._frozen.signpost.touch()
            self._frozen.send(signal.SIGCONT)
            await self._world.reaches(job, "ready")
        first = await self._world.report(job)
        await self._works_again()
        later = await self._world.report(job)
        if (first.result, first.attempts, first.done) != (later.result, later.attempts, later.done):
            return f"{first} was overwritten: {later}"
        if self.by_other and later.result != {"by": "another"}:
            return f"the result of who did it is {later.result}"
        times = await self._ended() - ended - 1
        return "" if times == 1 else f"it ended {times} times"

    async def _works_again(self) -> None:
        """Whoever was frozen does another job; by then whatever it had to say is said."""
        next_job = await self._world.enqueue(Summarise("next", alone=True))
        await self._world.reaches(next_job, "ready")

    async def _freeze(self, job: UUID) -> None:
        """In the middle of the work most times, else at any moment around it."""
        if self._dice.random() < 0.7:
            await self._world.reaches(job, "running")
        await asyncio.sleep(self._dice.uniform(0, 0.03))
        self._frozen.send(signal.SIGSTOP)

    async def _ended(self) -> int:
        [[count]] = await self._world.execute(_ENDED)
        return int(str(count))
