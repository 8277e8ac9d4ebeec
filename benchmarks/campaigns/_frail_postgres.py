"""A real PostgreSQL on one data directory and one port, to be killed and started again."""

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg

from app.adapters.postgres.embedded import EmbeddedPostgres
from app.adapters.postgres.embedded_leftovers import clear_the_way
from app.adapters.postgres.embedded_process import ForegroundProgram, find_binaries
from tests.database import migrate

_PATIENCE = 60.0
_SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "jit=off")


class FrailPostgres:
    """Durable as the library's own: what is committed has been synced."""

    def __init__(self, home: Path) -> None:
        self._data = home / "postgres" / "data"
        self._binaries = find_binaries()
        assert self._binaries is not None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = ""
        self._program: ForegroundProgram | None = None

    def make(self) -> None:
        """The cluster and the migrated database, by the library itself; then start."""
        first = EmbeddedPostgres(self._data)
        first.start()
        try:
            migrate(first.url)
            user, _, rest = first.url.partition("@")
            self.url = f"{user}@127.0.0.1:{self._port}/{rest.rpartition('/')[2]}"
        finally:
            first.stop()
        self._start()

    def strike(self, dice: random.Random) -> float:
        """SIGKILL to the whole server or to one of its backends; the seconds until it answers
        again."""
        began = time.monotonic()
        backends = self._backends() if dice.random() < 0.5 else []
        if backends:
            # The server then ends all others and recovers by itself.
            with suppress(ProcessLookupError):
                os.kill(dice.choice(backends), signal.SIGKILL)
            self._answers()
        else:
            self._kill()
            self._start()
        return time.monotonic() - began

    def stop(self) -> None:
        if self._program:
            self._program.stop()

    def _kill(self) -> None:
        assert self._program
        os.kill(self._program.pid, signal.SIGKILL)
        self._program.wait()

    def _start(self) -> None:
        assert self._binaries
        options = [f"--{setting}" for setting in (*_SETTINGS, f"port={self._port}")]
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            clear_the_way(self._data)
            program = self._binaries / "postgres"
            words = ("-D", str(self._data), *options)
            self._program = ForegroundProgram(program, *words, root=self._data.parent)
            if self._answers():
                return
        raise RuntimeError(f"Postgres did not start: {self._program and self._program.last_lines}")

    def _answers(self) -> bool:
        """Wait for it; False when it ended instead: backends of a killed one may still be
        leaving its memory."""
        assert self._program
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self._program.is_running():
            with suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=2):
                return True
            time.sleep(0.02)
        return False

    def _backends(self) -> list[int]:
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        with psycopg.connect(self.url) as connection:
            own = connection.info.backend_pid
            return [pid for (pid,) in connection.execute(query).fetchall() if pid != own]


@asynccontextmanager
async def frail_postgres(home: Path) -> AsyncIterator[FrailPostgres]:
    server = FrailPostgres(home)
    try:
        await asyncio.to_thread(server.make)
        yield server
    finally:
        await asyncio.to_thread(server.stop)
