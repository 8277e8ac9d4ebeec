"""What every campaign is asked, and what it answers.

A campaign is a module of this package with a docstring whose first line says what it does and
`async def run(plan: Plan) -> Sequence[Tally]`. The same seed and scale do the same again.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of the full campaign to run, from which seed, until when.

    `ends` is a reading of `time.monotonic`: a campaign stops there in good order, and then
    fewer were done than planned.
    """

    seed: int = 0
    scale: float = 1.0
    ends: float = float("inf")

    def count(self, full: int) -> int:
        """This plan's share of the full number: one at least."""
        return max(1, round(full * self.scale))

    @property
    def has_time(self) -> bool:
        return time.monotonic() < self.ends

    def rounds(self, tally: "Tally") -> Iterator[int]:
        """The numbers of the planned rounds while there is time, each counted as done once
        its body ended without a failure of the campaign's own."""
        for number in range(tally.planned):
            if not self.has_time:
                return
            yield number
            tally.done += 1


@dataclass(slots=True)
class Tally:
    """One line of the record: what was to be done, what was done, and what went wrong."""

    what: str
    planned: int
    passes: str
    done: int = 0
    failures: list[str] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)

    def hold(self, truth: object, otherwise: str) -> None:
        """Count a failure, in words that let it be replayed, unless `truth` is true."""
        if not truth:
            self.failures.append(otherwise)

    @property
    def has_passed(self) -> bool:
        return self.done >= self.planned and not self.failures
