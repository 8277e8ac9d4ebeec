"""Waits in line, which no deadline counts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Waits:
    """`seconds` were spent in lines so far."""

    seconds: float = 0.0


_CURRENT: ContextVar[Waits | None] = ContextVar("waits", default=None)


@contextmanager
def waits_counted() -> Iterator[Waits]:
    """Within the block, waits in line add up in the value."""
    waits = Waits()
    token = _CURRENT.set(waits)
    try:
        yield waits
    finally:
        _CURRENT.reset(token)


@contextmanager
def in_line(clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """The block is a wait in line."""
    began, waits = clock(), _CURRENT.get()
    try:
        yield
    finally:
        if waits:
            waits.seconds += clock() - began
