"""Saying once a minute how long the queue is, so that whoever scales workers can see it."""

import asyncio
import logging
from typing import NoReturn

from app.ports.jobs import JobBoard
from app.shared.errors import Unavailable

_EVERY = 60.0

log = logging.getLogger(__name__)


async def watch_queue(jobs: JobBoard) -> NoReturn:
    """Log the backlog for as long as the process works; needs SERVER_LOG_LEVEL=info."""
    while True:
        try:
            backlog = await jobs.backlog()
        except Unavailable as error:
            log.warning("The queue cannot be seen: %s", error.detail)
        else:
            log.info(
                "queue",
                extra={
                    "event": "queue",
                    "oldest_job_seconds": round(backlog.oldest_seconds, 1),
                    "pending_jobs": backlog.by_status["pending"],
                    "failed_jobs": backlog.failed_lately,
                },
            )
        await asyncio.sleep(_EVERY)
