"""One stretch of work under one lease: claim, run, renew the lease, put back on leaving."""

import asyncio
import logging
from contextlib import suppress
from time import monotonic

from app.adapters.jobs.attempt import Attempts
from app.adapters.jobs.claims import Claims, LeaseLost
from app.adapters.jobs.outage import Outage
from app.adapters.jobs.outcome import Claim, Pace
from app.shared.errors import Unavailable

log = logging.getLogger(__name__)


class Shift:
    """procrastinate's own worker is not used: while it drains a queue it stops its heartbeats
    as soon as nothing is left to fetch, so that its last jobs are taken for stalled and run
    twice; and a job whose end it could not write stays running for as long as it lives.

    Claims are made by one task only, `work`, so it knows which jobs it holds unknowingly.
    """

    def __init__(
        self,
        claims: Claims,
        attempts: Attempts,
        *,
        concurrency: int,
        pace: Pace,
        wake: asyncio.Event,
        outage: Outage,
    ) -> None:
        self._claims = claims
        self._attempts = attempts
        self._concurrency = concurrency
        self._pace = pace
        self._wake = wake
        self._outage = outage
        self._running: dict[asyncio.Task[None], int] = {}
        self._lease_lost = False
        self._recover_at = 0.0

    async def work(self, *, until_idle: bool) -> None:
        """Run jobs until cancelled or, if asked, until none is due; then put back the rest.

        Raises Unavailable when the database is away at the start, or for so long that the
        lease is lost; a shorter outage is waited out.
        """
        self._wake.clear()
        self._worker_id = await self._claims.enter()
        heart = asyncio.create_task(self._keep_lease())
        try:
            while await self._turn() or self._running or not until_idle:
                await self._rest()
        finally:
            heart.cancel()
            await self._leave()

    async def _turn(self) -> bool:
        """Claim what there is to claim; True when there is a reason to look again."""
        if self._lease_lost:
            raise LeaseLost
        self._wake.clear()
        try:
            await self._recover()
            await self._claim()
        except LeaseLost:
            raise
        except Unavailable as error:
            self._outage.noted(error)
            return True
        self._outage.over()
        return self._wake.is_set()

    async def _recover(self) -> None:
        if monotonic() >= self._recover_at:
            running = list(self._running.values())
            await self._claims.recover(self._worker_id, running, self._pace.stalled_after)
            self._recover_at = monotonic() + self._pace.heartbeat

    async def _claim(self) -> None:
        while len(self._running) < self._concurrency:
            claim = await self._claims.claim(self._worker_id, self._attempts.kinds)
            if claim is None:
                return
            self._start(claim)

    def _start(self, claim: Claim) -> None:
        task = asyncio.create_task(self._attempts.run(claim), name=f"{claim.kind} {claim.queue_id}")
        self._running[task] = claim.queue_id
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("%s could not be settled", task.get_name(), exc_info=error)

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.poll):
                await self._wake.wait()

    async def _keep_lease(self) -> None:
        valid_until = monotonic() + self._pace.stalled_after
        while monotonic() < valid_until:
            await asyncio.sleep(self._pace.heartbeat)
            asked = monotonic()
            try:
                if not await self._claims.beat(self._worker_id):
                    break
                valid_until = asked + self._pace.stalled_after
            except Exception as error:
                self._outage.noted(error)
        self._lease_lost = True
        self._wake.set()

    async def _leave(self) -> None:
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=self._pace.patience_on_leaving)
        try:
            async with asyncio.timeout(self._pace.patience_on_leaving):
                await self._claims.leave(self._worker_id)
        except Exception as error:
            # Who cannot say goodbye is missed after a while: the jobs are taken for stalled.
            self._outage.noted(error)
