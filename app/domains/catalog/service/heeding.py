"""Stopping at once when nobody wants the result any more."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from app.domains.catalog.service.memory import RunEnded
from app.shared.errors import Unavailable

Result = TypeVar("Result")


async def heeding(
    work: Coroutine[Any, Any, Result], still_wanted: Callable[[], Awaitable[bool]], *, every: float
) -> Result:
    """The result of the work; asks every so many seconds whether it is still wanted. Where
    it is not, the work is cancelled (a model's connection closed) and RunEnded raised."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_until_unwanted(still_wanted, every))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        watching.result()
        raise RunEnded
    finally:
        await _stop(working)
        await _stop(watching)


async def _until_unwanted(still_wanted: Callable[[], Awaitable[bool]], every: float) -> None:
    while True:
        await asyncio.sleep(every)
        with suppress(Unavailable):
            if not await still_wanted():
                return


async def _stop(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
