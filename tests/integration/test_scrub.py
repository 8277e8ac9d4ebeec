"""Damage on the disk of a library that is running: what readers get, and what `scrub` says."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.server import client_of, home_of_a_library, run_app, serving, wait_until

WHO = {"email": "ann@library.test", "password": "a quiet place to read"}
TEXT = (
    "The keeper lit the lamp. The storm came at night. In the morning the sea was calm. " * 15_000
)
PLACE = 700_000


@pytest.fixture
def home() -> Iterator[Path]:
    with home_of_a_library() as home:
        yield home


def shelved(client: httpx.Client, headers: dict[str, str]) -> str:
    file = {"file": ("lamp.txt", TEXT.encode())}
    answer = client.post("/books", files=file, headers=headers)
    book = str(answer.json()["id"])
    wait_until(
        lambda: (
            client.get(f"/books/{book}", headers=headers).json()["ingestion"]["status"] == "ready"
        )
    )
    return book


def downloaded(client: httpx.Client, path: str, headers: dict[str, str]) -> tuple[bytes, bool]:
    """What came, and whether the answer broke off."""
    came = b""
    with client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        try:
            for chunk in answer.iter_raw():
                came += chunk
        except httpx.RemoteProtocolError:
            return came, True
    return came, False


def test_damage_breaks_a_download_off_and_scrub_names_it(home: Path) -> None:
    with serving(home) as server, client_of(server) as client:
        client.post("/auth/signup", json=WHO).raise_for_status()
        token = client.post("/auth/login", json=WHO).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        book = shelved(client, headers)
        path = f"/books/{book}/content"
        assert downloaded(client, path, headers) == (TEXT.encode(), False)
        clean = run_app(home, "scrub")
        assert clean.returncode == 0, clean.stderr
        assert "0 damaged or gone, 0 orphans, 0 strangers" in clean.stdout

        (stored,) = next(home.rglob("files/books+")).iterdir()
        good = stored.read_bytes()
        stored.write_bytes(good[:PLACE] + b"?" + good[PLACE + 1 :])
        came, broke_off = downloaded(client, path, headers)
        assert broke_off
        assert len(came) <= PLACE
        assert good.startswith(came)
        refused = client.get(path, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (404, "object_damaged")

        found = run_app(home, "scrub")
        assert found.returncode == 1
        assert f"changed: books/{stored.name} lamp {book}" in found.stdout
        stored.write_bytes(good)
        assert run_app(home, "scrub").returncode == 0
        assert downloaded(client, path, headers) == (good, False)

        said = run_app(home, "admin", "audit", "--act", "files_scrubbed")
        events = [json.loads(line) for line in said.stdout.splitlines()]
        assert [event["details"]["damaged"] for event in events] == [0, 1, 0]
        assert {event["origin"]["door"] for event in events} == {"command_line"}
