"""Runs procrastinate's queue in Postgres, in as many processes as wanted."""

import asyncio
import logging
from collections.abc import Mapping
from typing import NoReturn

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from app.adapters.jobs.attempt import Attempts
from app.adapters.jobs.claims import Claims
from app.adapters.jobs.outage import Outage
from app.adapters.jobs.outcome import Pace
from app.adapters.jobs.shift import Shift
from app.adapters.postgres.jobs import NEW_JOB_CHANNEL
from app.ports.jobs import Farewell, Handler, JobRunner

_LISTENER_CHECK_SECONDS = 30
_PUT_AWAY_SECONDS = 3600

log = logging.getLogger(__name__)


class ProcrastinateRunner(JobRunner):
    """Give it an engine of its own (four connections are plenty, one of them listens), so
    that heartbeats never queue behind requests.

    Cancelling puts running jobs back at once and without a strike; a job of a killed process
    is taken up by any other after `pace.stalled_after` plus `pace.heartbeat` seconds at most.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        handlers: Mapping[str, Handler],
        *,
        farewells: Mapping[str, Farewell] | None = None,
        concurrency: int = 2,
        pace: Pace | None = None,
        listen: bool = True,
    ) -> None:
        self._engine = engine
        self._claims = Claims(engine)
        self._pace = pace or Pace()
        self._attempts = Attempts(self._claims, handlers, farewells or {}, self._pace)
        self._concurrency = concurrency
        self._listen = listen
        self._wake = asyncio.Event()
        self._busy = asyncio.Lock()
        self._outage = Outage()

    @override
    async def kick(self) -> None:
        self._wake.set()
        if self._busy.locked():
            return
        async with self._busy:
            while self._wake.is_set():
                try:
                    await self._shift().work(until_idle=True)
                except Exception as error:
                    # The jobs are safe in the database: a later kick or worker finds them.
                    self._outage.noted(error)
                    return

    @override
    async def run(self) -> None:
        async with self._busy, asyncio.TaskGroup() as side:
            side.create_task(self._put_away_now_and_then())
            if self._listen:
                side.create_task(self._listen_for_ever())
            await self._work_for_ever()

    def _shift(self) -> Shift:
        return Shift(
            self._claims,
            self._attempts,
            concurrency=self._concurrency,
            pace=self._pace,
            wake=self._wake,
            outage=self._outage,
        )

    async def _work_for_ever(self) -> NoReturn:
        while True:
            try:
                await self._shift().work(until_idle=False)
            except Exception as error:
                self._outage.noted(error)
            await self._breathe()

    async def _listen_for_ever(self) -> NoReturn:
        while True:
            try:
                await self._hear()
            except Exception as error:
                log.debug("Polling goes on, listening does not: %s", error)
            await self._breathe()

    async def _hear(self) -> None:
        """Wake the shift at every new job, until the connection is gone."""
        async with self._engine.connect() as pooled:
            connection = (await pooled.get_raw_connection()).driver_connection
            assert isinstance(connection, asyncpg.Connection)
            gone = asyncio.Event()
            connection.add_termination_listener(lambda _: gone.set())
            await connection.add_listener(NEW_JOB_CHANNEL, lambda *_: self._wake.set())
            self._wake.set()
            try:
                await _until_gone(connection, gone)
            finally:
                await pooled.invalidate()

    async def _put_away_now_and_then(self) -> NoReturn:
        while True:
            try:
                await self._claims.put_away()
            except Exception as error:
                self._outage.noted(error)
            await asyncio.sleep(_PUT_AWAY_SECONDS)

    async def _breathe(self) -> None:
        await asyncio.sleep(min(self._pace.poll, self._pace.pause(0)))


async def _until_gone(
    connection: "asyncpg.Connection[asyncpg.Record]", gone: asyncio.Event
) -> None:
    while not gone.is_set():
        try:
            async with asyncio.timeout(_LISTENER_CHECK_SECONDS):
                await gone.wait()
        except TimeoutError:
            await connection.execute("SELECT 1", timeout=_LISTENER_CHECK_SECONDS)
