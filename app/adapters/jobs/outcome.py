"""How an attempt at a job may end, and how long to wait before the next one."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

MAX_STARTS = 5

Strikes = Literal["kept", "forgiven", "undone"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A job in our hands. `worker_id` and `attempts` (the starts before this one) are the
    fence: once another worker has the job, nothing we say of it counts any more.

    `strikes` counts the starts, this one included, since the job last moved on; `done` is how
    far it ever came.
    """

    queue_id: int
    worker_id: int
    attempts: int
    kind: str
    arguments: Mapping[str, Any]
    report_id: UUID
    strikes: int
    done: int
    owner_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """`result` is JSON text."""

    result: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Later:
    """Put back for `pause` seconds."""

    pause: float
    code: str
    detail: str
    strikes: Strikes = "kept"


Outcome = Done | Failed | Later


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The runner's times, all in seconds.

    A worker that gave no sign for `stalled_after` has lost its jobs; as all look for such
    jobs every `heartbeat`, a killed worker's job is taken up after their sum at most.
    """

    heartbeat: float = 5.0
    stalled_after: float = 30.0
    poll: float = 5.0
    first_pause: float = 2.0
    longest_pause: float = 300.0
    patience_on_leaving: float = 5.0

    def pause(self, times: int) -> float:
        """The wait after the `times`-th failure in a row (from 0): exponential, capped, with
        jitter so that what failed together does not come back together."""
        whole = min(self.longest_pause, self.first_pause * 3.0 ** min(times, 30))
        return whole * random.uniform(0.7, 1.0)
