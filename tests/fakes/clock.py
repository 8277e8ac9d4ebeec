"""Clocks that move when they are told to."""

import asyncio
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from app.ports.clock import Clock


class FrozenClock(Clock):
    def __init__(self, at: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)) -> None:
        self._now = at

    @override
    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class Hours:
    """Seconds that only pass when somebody sleeps them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
