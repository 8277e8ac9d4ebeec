"""A worker process to be killed: python -m tests.integration.job_worker URL HANDLER."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any

from app.adapters.jobs.outcome import Pace
from app.adapters.jobs.runner import ProcrastinateRunner
from app.adapters.postgres.engine import open_engine
from app.ports.jobs import JobRun

FRAGILE = Pace(heartbeat=0.1, stalled_after=1.0, poll=0.1, first_pause=0.01)


async def hang(arguments: Mapping[str, Any], run: JobRun) -> None:
    await asyncio.Event().wait()


async def die(arguments: Mapping[str, Any], run: JobRun) -> None:
    os._exit(7)


async def die_further_on(arguments: Mapping[str, Any], run: JobRun) -> None:
    # every start comes one step further than the one before
    mark = int(os.environ["STARTS"])
    await run.report(mark, 100)
    os._exit(7)


async def main(url: str, handler: str) -> None:
    handlers = {"summarise": globals()[handler]}
    await ProcrastinateRunner(open_engine(url, pool_size=4), handlers, pace=FRAGILE).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
