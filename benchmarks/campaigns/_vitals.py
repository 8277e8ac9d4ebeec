"""What a server process holds of the machine, read from /proc; and which way that goes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Vitals:
    """Resident MiB now and at most so far, open descriptors, threads, and seconds of
    a core used."""

    rss: float
    most: float
    descriptors: int
    threads: int
    cpu: float


def vitals_of(pid: int) -> Vitals:
    """Raises OSError when there is no such process."""
    folder = Path(f"/proc/{pid}")
    said = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    fields = (folder / "stat").read_text().rpartition(") ")[2].split()
    return Vitals(
        rss=_mebibytes(said["VmRSS"]),
        most=_mebibytes(said["VmHWM"]),
        descriptors=len(os.listdir(folder / "fd")),
        threads=int(said["Threads"]),
        cpu=(int(fields[11]) + int(fields[12])) / _TICKS,
    )


@dataclass(frozen=True, slots=True)
class Slope:
    """Of a least-squares line, per unit of time, with the half-width of its 95 % interval
    (normal approximation, residuals taken as independent)."""

    per_unit: float
    give: float

    @property
    def least(self) -> float:
        return self.per_unit - self.give


def slope(times: Sequence[float], values: Sequence[float]) -> Slope:
    """Three points at least, not all at the same time."""
    n = len(times)
    middle, mean = sum(times) / n, sum(values) / n
    spread = sum((at - middle) ** 2 for at in times)
    per_unit = sum((t - middle) * (v - mean) for t, v in zip(times, values, strict=True)) / spread
    rest = [v - mean - per_unit * (t - middle) for t, v in zip(times, values, strict=True)]
    variance = sum(each**2 for each in rest) / max(n - 2, 1)
    return Slope(per_unit, _NORMAL_95 * (variance / spread) ** 0.5)


def _mebibytes(said: str) -> float:
    return int(said.split()[0]) / 1024
