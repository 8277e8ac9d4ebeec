"""A server of the demo's own, in a folder that is gone afterwards."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from demo.telling import StoryBroken

ROOT = Path(__file__).resolve().parent.parent
_PATIENCE = 120.0
# Whatever the user's own library is set to, this one is small and nobody else's.
_FOREIGN = (
    "SERVER_", "LUMINA_", "DATABASE_", "STORAGE_", "RECOMMENDER_", "TOKENS_", "ACCOUNTS_",
    "CATALOG_", "LENDING_", "PRIVACY_", "AI_", "JOBS_",
)  # fmt: skip
STALLED_AFTER = 4


class OwnServer:
    """`python -m app serve` on a free loopback port, with its own Postgres."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="lumina-demo-"))
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> float:
        """Start, wait until it is ready, and say after how many seconds it was.
        Raises StoryBroken with the last words of the server."""
        begin = time.monotonic()
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve", "--port", str(self._port)],
                cwd=self.home,
                env=_environment(self.home),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the story, which then ends the server in good order.
                start_new_session=True,
            )
        self._wait_until_ready(self._process, begin + _PATIENCE)
        return time.monotonic() - begin

    def kill(self) -> None:
        """kill -9: no goodbye, no flushing, nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def remove(self) -> None:
        """Stop it and remove all it ever wrote."""
        self.stop()
        for _ in range(20):
            # A Postgres whose owner was killed needs a moment to notice.
            shutil.rmtree(self.home, ignore_errors=True)
            if not self.home.exists():
                return
            time.sleep(0.25)

    def last_words(self, lines: int = 15) -> str:
        log = self.home / "server.log"
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])

    def _wait_until_ready(self, process: subprocess.Popen[bytes], end: float) -> None:
        while time.monotonic() < end:
            if process.poll() is not None:
                raise StoryBroken(f"The server ended by itself:\n{self.last_words()}")
            if _is_ready(self.url):
                return
            time.sleep(0.1)
        raise StoryBroken(f"The server was not ready in {_PATIENCE:.0f} s:\n{self.last_words()}")


def _environment(home: Path) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {
        # The story is about the library, not about waiting: LLM_PROVIDER says otherwise.
        "LLM_PROVIDER": "extractive",
        **kept,
        "LUMINA_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "JOBS_HEARTBEAT": "1",
        "JOBS_STALLED_AFTER": str(STALLED_AFTER),
    }


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
