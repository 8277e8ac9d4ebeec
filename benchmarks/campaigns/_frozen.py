"""A worker that will be stopped in the middle of a job, and what it does when it goes on."""

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.adapters.jobs.outcome import Pace
from app.adapters.jobs.runner import ProcrastinateRunner
from app.adapters.postgres.engine import open_engine
from app.ports.jobs import JobRun

PACE = Pace(heartbeat=0.1, stalled_after=0.8, poll=0.1, first_pause=0.01)
LATE = "its late result does not count"


def work(url: str, signpost: str, heartbeat: float = 0.1) -> None:
    """Run jobs, each of which ends once the signpost is there. A slow heart notices late that
    the lease is gone, so that the late result is sent; a quick one gives up before."""
    logging.basicConfig(level=logging.WARNING)

    async def slow(arguments: Mapping[str, Any], run: JobRun) -> Mapping[str, Any]:
        await run.report(1, 3)
        while not Path(signpost).exists():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.002)
        return {"by": os.getpid()}

    pace = replace(PACE, heartbeat=heartbeat)
    engine = open_engine(url, pool_size=4)
    asyncio.run(ProcrastinateRunner(engine, {"summarise": slow}, pace=pace).run())
