"""What every test may ask for: a real database. What none may have: the network."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from app.adapters.postgres.embedded import EmbeddedPostgres
from app.shared.calling import as_called
from tests.database import cloned, create_template, scratch_folder


def pytest_configure(config: pytest.Config) -> None:
    """`run.py test FILE` means the file of the folder it was called in, if that has it."""
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        config.args = [_seen_by_caller(word) for word in config.args]


def _seen_by_caller(word: str) -> str:
    file, separator, test = word.partition("::")
    path = as_called(file)
    return f"{path}{separator}{test}" if path.exists() else word


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server of this test run, with the database `migrated` on it."""
    with scratch_folder() as folder:
        server = EmbeddedPostgres(folder / "data", durable=False)
        server.start()
        try:
            create_template(server.url)
            yield server.url
        finally:
            server.stop()


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """A migrated, empty database of this test alone."""
    with cloned(server_url) as url:
        yield url


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for method in ("connect", "connect_ex"):
            patch.setattr(socket.socket, method, _guarded(getattr(socket.socket, method)))
        yield


def _guarded(connect: Any) -> Any:
    def checked(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            raise AssertionError(f"Tests talk to this machine only, not to {address!r}")
        return connect(self, address)

    return checked


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
