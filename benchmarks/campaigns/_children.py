"""Processes that end: what they cost, and which outlive whoever started them."""

import json
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.adapters.extraction import child as reading_child

_SCRIPT = os.fsencode(reading_child.__file__)
_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class Cost:
    """Most memory at any moment in MiB, and seconds of processor."""

    mebibytes: float
    seconds: float


class _Scales:
    """The kernel counts what we had ourselves at the fork with a child's most memory. Where
    that hides the child's own, the last of our looks at it counts, 50 a second."""

    def __init__(self) -> None:
        self.costs: list[Cost] = []
        self._seen: dict[int, int] = {}
        self._children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)

    def wait(self, pid: int, options: int) -> tuple[int, int]:
        found, status, usage = os.wait4(pid, options)
        if found:
            most, seen = usage.ru_maxrss, self._seen.pop(found, 0)
            own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            memory = most if most > own else seen or most
            self.costs.append(Cost(memory / 1024, usage.ru_utime + usage.ru_stime))
        return found, status

    def start(self) -> None:
        self._looking.start()

    def stop(self) -> None:
        self._over.set()
        self._looking.join()

    def _look(self) -> None:
        while not self._over.wait(_EVERY):
            with suppress(OSError):
                for pid in self._children.read_text().split():
                    self._seen[int(pid)] = _most_memory(pid) or self._seen.get(int(pid), 0)


def _most_memory(pid: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


@contextmanager
def children_weighed() -> Iterator[list[Cost]]:
    """What each child cost that asyncio starts in this thread and collects meanwhile."""
    plain, scales = os.waitpid, _Scales()
    os.waitpid = scales.wait
    scales.start()
    try:
        yield scales.costs
    finally:
        scales.stop()
        os.waitpid = plain


def readers_of(*parents: int) -> list[int]:
    """The processes that read files for these processes, be those alive or dead."""
    return [pid for pid, parent in _readers() if parent in parents]


def _readers() -> Iterator[tuple[int, int]]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if _SCRIPT in words:
            yield int(process.name), int(json.loads(words[words.index(_SCRIPT) + 1])["parent"])
