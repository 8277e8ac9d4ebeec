"""A clock that moves when it is told to."""

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
