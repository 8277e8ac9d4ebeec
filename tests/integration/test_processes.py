"""Servers, workers and commands as processes: how they start, share, and end."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy.engine import make_url

from app.adapters.postgres.embedded import EmbeddedPostgres
from app.adapters.postgres.embedded_process import ForegroundProgram, find_binaries
from tests.fakes.ollama_server import OllamaServer
from tests.integration.server import (
    client_of,
    home_of_a_library,
    postgres_of,
    run_app,
    serving,
    wait_until,
    working,
)

PASSWORD = "a quiet place to read"
TEXT = "The keeper lit the lamp. The storm came at night. In the morning the sea was calm. " * 40


@pytest.fixture
def home() -> Iterator[Path]:
    with home_of_a_library() as home:
        yield home


def signed_in(client: httpx.Client, name: str = "ann", *, new: bool = True) -> dict[str, str]:
    who = {"email": f"{name}@library.test", "password": PASSWORD}
    if new:
        client.post("/auth/signup", json=who).raise_for_status()
    tokens = client.post("/auth/login", json=who).raise_for_status().json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def upload(client: httpx.Client, headers: dict[str, str], text: str = TEXT) -> str:
    files = {"file": ("lamp.txt", text.encode())}
    added = client.post("/books", files=files, headers=headers).raise_for_status()
    return str(added.json()["id"])


def summary(client: httpx.Client, headers: dict[str, str], book_id: str) -> dict[str, Any]:
    answer = client.get(f"/books/{book_id}/summary", headers=headers)
    return dict(answer.raise_for_status().json())


def wait_for_summary(
    client: httpx.Client, headers: dict[str, str], book_id: str, status: str = "ready"
) -> None:
    wait_until(lambda: summary(client, headers, book_id)["status"] == status)


def database_under(home: Path) -> str:
    """The url of the embedded database a server runs."""
    return str(json.loads((home / "var/postgres/postgres.json").read_text())["url"])


def jobs_of(url: str, kind: str) -> list[tuple[str, int | None]]:
    with psycopg.connect(url) as connection:
        wanted = "SELECT status::text, worker_id FROM procrastinate_jobs WHERE task_name = %s"
        return connection.execute(wanted, (kind,)).fetchall()


# Sharing the work


def test_a_worker_beside_a_server_makes_the_summary(home: Path, database_url: str) -> None:
    apart = {"DATABASE_URL": database_url, "JOBS_EMBEDDED": "false"}
    with serving(home, **apart) as server, client_of(server) as client:
        headers = signed_in(client)
        book_id = upload(client, headers)
        assert summary(client, headers, book_id)["status"] == "pending"
        with working(home, **apart) as worker:
            wait_for_summary(client, headers, book_id)
            assert worker.stop() == 0
        assert summary(client, headers, book_id)["coverage"] == 1.0


def test_two_servers_and_two_workers_are_one_library(home: Path, database_url: str) -> None:
    apart = {"DATABASE_URL": database_url, "JOBS_EMBEDDED": "false"}
    with (
        serving(home, **apart) as one,
        serving(home, **apart) as two,
        working(home, **apart),
        working(home, **apart),
        client_of(one) as here,
        client_of(two) as there,
    ):
        headers = signed_in(here)
        books = [upload(here, headers, f"{n}. {TEXT}") for n in range(4)]
        for book_id in books:
            wait_for_summary(there, headers, book_id)
        assert there.get("/users/me", headers=headers).status_code == 200
        assert here.post("/auth/signout", headers=headers).status_code == 204
        assert there.get("/users/me", headers=headers).status_code == 401


# Starting and ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_told_to_end_puts_its_work_back(
    home: Path, database_url: str, number: signal.Signals
) -> None:
    with OllamaServer(delay=30) as model:
        slow = {"LLM_PROVIDER": "ollama", "LLM_BASE_URL": model.url, "DATABASE_URL": database_url}
        with serving(home, **slow) as server, client_of(server) as client:
            headers = signed_in(client)
            book_id = upload(client, headers)
            wait_until(lambda: len(model.chats) > 0)
            assert jobs_of(database_url, "summarise_book")[0][0] == "doing"
            assert server.stop(number) == 0
            assert server.complained == ""
        assert jobs_of(database_url, "summarise_book") == [("todo", None)]
    with serving(home, DATABASE_URL=database_url) as server, client_of(server) as client:
        wait_for_summary(client, headers, book_id)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_told_to_end_puts_its_work_back(
    home: Path, database_url: str, number: signal.Signals
) -> None:
    with OllamaServer(delay=30) as model:
        slow = {"LLM_PROVIDER": "ollama", "LLM_BASE_URL": model.url, "DATABASE_URL": database_url}
        with serving(home, **slow, JOBS_EMBEDDED="false") as server, client_of(server) as client:
            upload(client, signed_in(client))
            with working(home, **slow) as worker:
                wait_until(lambda: len(model.chats) > 0)
                assert worker.stop(number) == 0
        assert jobs_of(database_url, "summarise_book") == [("todo", None)]


def test_the_next_start_finds_what_was_there(home: Path) -> None:
    with serving(home) as server, client_of(server) as client:
        headers = signed_in(client)
        book_id = upload(client, headers)
        wait_for_summary(client, headers, book_id)
        assert server.stop() == 0
    assert not postgres_of(home)
    with serving(home) as server, client_of(server) as client:
        assert summary(client, headers, book_id)["status"] == "ready"


def test_a_second_server_attaches_to_the_database_of_the_first(home: Path) -> None:
    with serving(home) as first, client_of(first) as here:
        headers = signed_in(here)
        with serving(home) as second, client_of(second) as there:
            assert there.get("/users/me", headers=headers).status_code == 200
            assert second.stop() == 0
        assert here.get("/users/me", headers=headers).status_code == 200


def test_a_taken_port_is_one_clear_line(home: Path, database_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run_app(home, "serve", "--port", port, DATABASE_URL=database_url)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert port in done.stderr


def test_a_database_that_is_not_there_is_named(home: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"postgresql://lumina:xyzzy@127.0.0.1:{probe.getsockname()[1]}/lumina"
    for command in ("serve", "migrate"):
        done = run_app(home, command, DATABASE_URL=nobody)
        assert done.returncode == 1
        assert "database" in done.stderr.lower()
        assert "Traceback" not in done.stderr
        assert "xyzzy" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_database_without_tables_asks_for_the_migration(
    home: Path, server_url: str, command: str
) -> None:
    done = run_app(home, command, **{**SAFE, "DATABASE_URL": server_url})
    assert done.returncode == 1
    assert "migrate" in done.stderr
    assert "Traceback" not in done.stderr


# Settings


SAFE = {
    "SERVER_ENVIRONMENT": "production",
    "TOKENS_SECRET": "correct horse battery staple, and more",
    "DATABASE_URL": "postgresql://keeper:k7Hq2-wPz9@127.0.0.1:1/library",
    "ACCOUNTS_BCRYPT_ROUNDS": "12",
}


SECRETS = {"TOKENS_SECRET", "DATABASE_URL", "STORAGE_SECRET_KEY", "ACCOUNTS_ADMIN_PASSWORD"}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"TOKENS_SECRET": ""}, "TOKENS_SECRET"),
        ({"TOKENS_SECRET": "change-me-change-me-change-me-change-me"}, "TOKENS_SECRET"),
        ({"TOKENS_SECRET": "too short"}, "TOKENS_SECRET"),
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://lumina:lumina@db/lumina"}, "DATABASE_URL"),
        ({"STORAGE_SECRET_KEY": "changeme"}, "STORAGE_SECRET_KEY"),
        ({"ACCOUNTS_ADMIN_PASSWORD": "password1234"}, "ACCOUNTS_ADMIN_PASSWORD"),
        ({"ACCOUNTS_ADMIN_PASSWORD": "short"}, "ACCOUNTS_ADMIN_PASSWORD"),
        ({"ACCOUNTS_BCRYPT_ROUNDS": "4"}, "ACCOUNTS_BCRYPT_ROUNDS"),
        ({"SERVER_ENVIRONMENT": "prodution"}, "SERVER_ENVIRONMENT"),
        ({"SERVER_PORT": "99999"}, "SERVER_PORT"),
        ({"LLM_PROVIDER": "gpt"}, "LLM_PROVIDER"),
        ({"STORAGE_PROVIDER": "tape"}, "STORAGE_PROVIDER"),
        ({"RECOMMENDER_PROVIDER": "oracle"}, "RECOMMENDER_PROVIDER"),
    ],
)
def test_a_bad_configuration_is_refused_by_name(
    home: Path, wrong: dict[str, str], named: str
) -> None:
    done = run_app(home, "serve", **{**SAFE, **wrong})
    assert done.returncode == 2
    assert f"{named}:" in done.stderr
    assert "Traceback" not in done.stderr
    secrets = [value for name, value in {**SAFE, **wrong}.items() if name in SECRETS and value]
    assert not any(value in done.stderr for value in secrets)


@pytest.mark.parametrize("name", ["LLM_PROVDER", "LMM_PROVIDER", "DATABASE_URI"])
def test_a_typo_in_the_env_file_is_named(home: Path, name: str) -> None:
    (home / ".env").write_text(f"SERVER_PORT=0\n{name}=ollama\n")
    done = run_app(home, "serve")
    assert done.returncode == 2
    assert f"{name}: there is no such setting" in done.stderr


def test_the_env_file_is_read(home: Path, database_url: str) -> None:
    (home / ".env").write_text(f"SERVER_PORT=0\nDATABASE_URL={database_url}\nLENDING_LIMIT=1\n")
    with serving(home, "--host", "127.0.0.1") as server, client_of(server) as client:
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_a_port_that_is_none_is_refused(home: Path, port: str) -> None:
    done = run_app(home, "serve", f"--port={port}")
    assert done.returncode == 2
    assert "port" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_auto_finds_the_ollama_that_is_there(home: Path, database_url: str) -> None:
    with OllamaServer(models=("mistral:latest", "llama3:8b")) as model:
        auto = {"LLM_PROVIDER": "auto", "LLM_BASE_URL": model.url, "DATABASE_URL": database_url}
        with serving(home, **auto) as server, client_of(server) as client:
            wait_until(lambda: "Ctrl-C" in server.said)
            assert "Summaries are made by ollama (llama3:8b" in server.said
            assert client.get("/readyz").json()["parts"]["model"]["detail"] == "ollama:llama3:8b"
    with serving(home, **auto) as server:
        wait_until(lambda: "Ctrl-C" in server.said)
        assert "Summaries are made by extractive" in server.said


# Accounts from the command line


def test_roles_are_granted_beside_a_running_server(home: Path) -> None:
    with serving(home) as server, client_of(server) as client:
        headers = signed_in(client)
        assert client.get("/users", headers=headers).status_code == 403
        done = run_app(home, "admin", "grant", "ann@library.test", "admin")
        assert (done.returncode, done.stdout) == (0, "ann@library.test is admin now.\n")
        assert client.get("/users", headers=headers).status_code == 200
        created = run_app(home, "admin", "create", "bob@library.test", "--password", PASSWORD)
        assert created.returncode == 0, created.stderr
        assert client.get("/users/me", headers=signed_in(client, "bob", new=False)).is_success


def test_the_first_admin_is_made_before_any_server_ran(home: Path) -> None:
    created = run_app(home, "admin", "create", "ann@library.test", "--password", PASSWORD)
    assert created.returncode == 0, created.stderr
    assert not postgres_of(home)
    granted = run_app(home, "admin", "grant", "nobody@library.test", "admin")
    assert (granted.returncode, granted.stdout) == (1, "")
    assert "There is no such user" in granted.stderr
    weak = run_app(home, "admin", "create", "bob@library.test", "--password", "12345678")
    assert weak.returncode == 2
    with serving(home) as server, client_of(server) as client:
        me = client.get("/users/me", headers=signed_in(client, new=False))
        assert me.json()["role"] == "admin"


# A database that goes and comes back


def test_a_database_that_goes_is_a_503_until_it_is_back(home: Path) -> None:
    database = EmbeddedPostgres(home / "postgres" / "data", durable=False)
    database.start()
    try:
        url = database.url
        with serving(home, DATABASE_URL=url) as server, client_of(server) as client:
            headers = signed_in(client)
            book_id = upload(client, headers)
            wait_for_summary(client, headers, book_id)
            database.stop()
            for _ in range(3):
                _refused_as_unavailable(client, headers, book_id)
            assert client.get("/healthz").status_code == 200
            missing = client.get("/readyz")
            assert missing.status_code == 503
            assert "database" in missing.json()["detail"]
            with _again(home, url):
                wait_until(lambda: client.get("/readyz").status_code == 200)
                assert client.get("/users/me", headers=headers).status_code == 200
                second = upload(client, headers, f"Another one. {TEXT}")
                wait_for_summary(client, headers, second)
                assert server.stop() == 0
            assert "Traceback" not in server.complained
    finally:
        database.stop()


def _refused_as_unavailable(client: httpx.Client, headers: dict[str, str], book_id: str) -> None:
    who = {"email": "ann@library.test", "password": PASSWORD}
    key = headers | {"Idempotency-Key": "again"}
    for answer in (
        client.get("/books", headers=headers),
        client.get(f"/books/{book_id}", headers=headers),
        client.post(f"/books/{book_id}/borrow", headers=key),
        client.post("/books", files={"file": ("a.txt", b"A text.")}, headers=headers),
        client.post("/auth/login", json=who),
        client.post("/auth/signup", json=who),
        client.post("/auth/refresh", json={"refresh_token": "x" * 43}),
    ):
        assert answer.status_code == 503, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["code"] == "unavailable"


@contextmanager
def _again(home: Path, url: str) -> Iterator[None]:
    """The database once more, at the address it had."""
    binaries, port = find_binaries(), make_url(url).port
    assert binaries
    where = ["-D", str(home / "postgres/data"), f"--port={port}", "--listen_addresses=127.0.0.1"]
    words = [*where, "--unix_socket_directories="]
    server = ForegroundProgram(binaries / "postgres", *words, root=home / "postgres")
    try:
        yield
    finally:
        server.stop()
