"""The library as people run it: `python -m app …` in processes of its own, in a home of its own.

Nothing of this machine's environment reaches them; settings come as variables or in the
`.env` of the folder they run in.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx

from tests.database import scratch_folder

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
_ADDRESS = re.compile(r"listens on (http://\S+)")
_QUICK = {
    "LLM_PROVIDER": "extractive",
    "ACCOUNTS_BCRYPT_ROUNDS": "4",
    "JOBS_HEARTBEAT": "0.3",
    "JOBS_STALLED_AFTER": "1",
}


class AppProcess:
    """One `python -m app …` under `home`; its words are in `said` and `complained`."""

    def __init__(self, home: Path, *arguments: str, settings: Mapping[str, str]) -> None:
        name = f"{arguments[0]}-{uuid4().hex}"
        self._said, self._complained = home / f"{name}.said", home / f"{name}.complained"
        with self._said.open("wb") as said, self._complained.open("wb") as complained:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app", *arguments],
                cwd=home,
                env=environment(home, settings),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=complained,
            )

    @property
    def said(self) -> str:
        return self._said.read_text(errors="replace")

    @property
    def complained(self) -> str:
        return self._complained.read_text(errors="replace")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        self._process.send_signal(number)
        return self.exit_code()

    def exit_code(self) -> int:
        return self._process.wait(PATIENCE)


class LibraryServer(AppProcess):
    """`python -m app serve` on a free port; returns once it listens."""

    def __init__(self, home: Path, *arguments: str, settings: Mapping[str, str]) -> None:
        words = ("serve", *(arguments or ("--port", "0")))
        super().__init__(home, *words, settings=settings)
        try:
            wait_until(lambda: bool(_ADDRESS.search(self.said)) or not self.is_running)
            found = _ADDRESS.search(self.said.partition("\n")[0])
            if found is None:
                raise AssertionError(f"The server did not start:\n{self.complained}")
        except BaseException:
            self.kill()
            raise
        self.url = found[1]


def environment(home: Path, settings: Mapping[str, str]) -> dict[str, str]:
    given = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)}
    return given | {"LUMINA_HOME": str(home / "var"), **_QUICK, **settings}


@contextmanager
def home_of_a_library() -> Iterator[Path]:
    """A folder, empty at first; no server of it and none of its databases stays."""
    with scratch_folder() as home:
        yield home
        wait_until(lambda: not postgres_of(home))


@contextmanager
def serving(home: Path, *arguments: str, **settings: str) -> Iterator[LibraryServer]:
    server = LibraryServer(home, *arguments, settings=settings)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def working(home: Path, **settings: str) -> Iterator[AppProcess]:
    """`python -m app worker`."""
    worker = AppProcess(home, "worker", settings=settings)
    try:
        yield worker
    finally:
        worker.kill()


def run_app(
    home: Path, *arguments: str, said: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """`python -m app …` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=home,
        env=environment(home, settings),
        input=said,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def client_of(server: LibraryServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, trust_env=False, timeout=30)


def postgres_of(home: Path) -> list[int]:
    """The processes of databases under the home, by their words and where they work."""
    listed = subprocess.run(["ps", "-eww", "-o", "pid=,command="], capture_output=True, text=True)
    processes = [line.split(None, 1) for line in listed.stdout.splitlines()]
    return [
        int(pid)
        for pid, words in processes
        if "postgres" in words and str(home) in words + _folder_of(pid)
    ]


def _folder_of(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def wait_until(holds: Callable[[], bool], *, patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise AssertionError("What was waited for did not come")
        time.sleep(0.02)
