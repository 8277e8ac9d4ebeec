"""A library is copied while it is in use, lost, and made again from the copy."""

import hashlib
import json
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.database import cloned
from tests.integration.server import (
    client_of,
    home_of_a_library,
    run_app,
    serving,
    wait_until,
)

WHO = {"email": "ann@library.test", "password": "a quiet place to read"}
LAMP = "The keeper lit the lamp. The storm came at night. In the morning the sea was calm. " * 30
MILL = "The miller ground the corn. The river rose in spring. His daughter went to town. " * 30


@dataclass(frozen=True)
class Lived:
    """A library that was used and saved while it was open: its home, its backup, its book."""

    home: Path
    safe: Path
    book: str
    summary: dict[str, Any]


@pytest.fixture(scope="module")
def lived() -> Iterator[Lived]:
    with home_of_a_library() as home:
        with serving(home) as server, client_of(server) as client:
            ann = signed_in(client, new=True)
            book = shelved(client, ann, LAMP)
            client.post(f"/books/{book}/borrow", headers=ann).raise_for_status()
            review = {"rating": 4, "text": "The storm is well told."}
            client.post(f"/books/{book}/reviews", json=review, headers=ann).raise_for_status()
            saved = run_app(home, "backup", "safe")
            assert saved.returncode == 0, saved.stderr
            summary = told(client, ann, book)
            server.stop()
        yield Lived(home, home / "safe", book, summary)


@pytest.fixture
def home(lived: Lived) -> Iterator[Path]:
    """A new machine, to which the backup was carried."""
    with home_of_a_library() as home:
        shutil.copytree(lived.safe, home / "safe")
        yield home


def signed_in(client: httpx.Client, *, new: bool = False) -> dict[str, str]:
    if new:
        client.post("/auth/signup", json=WHO).raise_for_status()
    tokens = client.post("/auth/login", json=WHO).raise_for_status().json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def shelved(client: httpx.Client, reader: dict[str, str], text: str) -> str:
    added = client.post("/books", files={"file": ("b.txt", text.encode())}, headers=reader)
    book_id = str(added.raise_for_status().json()["id"])
    wait_until(lambda: told(client, reader, book_id)["status"] == "ready")
    return book_id


def told(client: httpx.Client, reader: dict[str, str], book_id: str) -> dict[str, Any]:
    answer = client.get(f"/books/{book_id}/summary", headers=reader)
    return dict(answer.raise_for_status().json())


def manifest_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "manifest.json").read_text()))


def digests(folder: Path) -> set[str]:
    return {hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def counts(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        tables = [row[0] for row in connection.execute(named).fetchall()]
        return {t: connection.execute(f"SELECT count(*) FROM {t}").fetchall()[0][0] for t in tables}


def test_a_lost_library_is_made_again_and_goes_on(home: Path, lived: Lived) -> None:
    restored = run_app(home, "restore", "safe")

    assert restored.returncode == 0, restored.stderr
    with serving(home) as server, client_of(server) as client:
        ann = signed_in(client)
        content = client.get(f"/books/{lived.book}/content", headers=ann).raise_for_status()
        assert content.text == LAMP
        assert told(client, ann, lived.book) == lived.summary
        [loan] = client.get("/users/me/loans", headers=ann).json()["items"]
        assert (loan["book_id"], loan["returned_at"]) == (lived.book, None)
        [review] = client.get(f"/books/{lived.book}/reviews", headers=ann).json()["items"]
        assert review["text"] == "The storm is well told."
        again = client.post(f"/books/{lived.book}/borrow", headers=ann)
        assert again.json()["code"] == "already_borrowed"
        shelved(client, ann, MILL)
        _copies_only_what_is_new(home)
        server.stop()


def _copies_only_what_is_new(home: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (home / "safe/files").rglob("*") if p.is_file()}
    assert run_app(home, "backup", "safe").returncode == 0
    after = {p: p.stat().st_mtime_ns for p in (home / "safe/files").rglob("*") if p.is_file()}
    assert before.items() <= after.items()
    assert len(after) > len(before)
    assert len(list((home / "safe").glob("database-*.dump"))) == 1


def test_a_drill_gives_back_every_row_and_every_byte(home: Path, server_url: str) -> None:
    with cloned(server_url, "template0") as empty:
        restored = run_app(home, "restore", "safe", DATABASE_URL=empty)
        assert restored.returncode == 0, restored.stderr
        manifest = manifest_of(home / "safe")
        noted = {"audit_events": manifest["rows"]["audit_events"] + 1}
        assert counts(empty) == manifest["rows"] | noted
    assert manifest["rows"]["books"] == len(manifest["files"]) == 1
    assert digests(home / "var/files") >= {file["sha256"] for file in manifest["files"]}


def test_a_restore_that_failed_half_way_can_be_tried_again(home: Path) -> None:
    obstacle = home / "var" / "files"
    obstacle.parent.mkdir()
    obstacle.write_text("no folder")
    failed = run_app(home, "restore", "safe")
    assert failed.returncode == 1, failed.stderr

    obstacle.unlink()
    again = run_app(home, "restore", "safe")

    assert again.returncode == 0, again.stderr
    wanted = {file["sha256"] for file in manifest_of(home / "safe")["files"]}
    assert wanted
    assert digests(home / "var/files") >= wanted


def test_a_backup_is_for_nobody_but_its_owner(lived: Lived) -> None:
    paths = [lived.safe, *lived.safe.rglob("*")]
    assert len(paths) > 4
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("place", ["var", "var/files/safe", "."])
def test_a_backup_never_lands_in_the_library_itself(lived: Lived, place: str) -> None:
    before = digests(lived.home / "var/files")
    refused = run_app(lived.home, "backup", place)
    assert refused.returncode == 2
    assert "A backup needs a folder of its own" in refused.stderr
    assert digests(lived.home / "var/files") == before


def test_a_library_that_is_there_is_not_written_over(lived: Lived) -> None:
    refused = run_app(lived.home, "restore", "safe")
    assert refused.returncode == 1
    assert "There is a library in that database already" in refused.stderr


@pytest.mark.parametrize("part", ["database-*.dump", "files/**/*"])
def test_a_damaged_backup_is_refused_before_anything_is_written(home: Path, part: str) -> None:
    victim = next(path for path in (home / "safe").glob(part) if path.is_file())
    damaged = bytearray(victim.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    victim.write_bytes(damaged)

    refused = run_app(home, "restore", "safe")

    assert refused.returncode == 2
    assert "is damaged" in refused.stderr
    assert not (home / "var").exists()


def test_a_folder_without_a_backup_is_refused(home: Path) -> None:
    refused = run_app(home, "restore", "nowhere")
    assert refused.returncode == 2
    assert "no manifest.json" in refused.stderr


def test_a_file_that_was_damaged_is_named_and_the_rest_is_saved(lived: Lived) -> None:
    book = stored_book(lived)
    book.write_bytes(b"something else")
    try:
        saved = run_app(lived.home, "backup", "other")
    finally:
        book.write_bytes(LAMP.encode())

    assert saved.returncode == 1
    assert "Some files are damaged or gone" in saved.stderr
    manifest = manifest_of(lived.home / "other")
    assert len(manifest["damaged"]) == 1
    assert manifest["rows"]["books"] == 1


def test_a_file_that_was_lost_is_named_even_where_the_backup_has_it(lived: Lived) -> None:
    book = stored_book(lived)
    shutil.copytree(lived.safe, lived.home / "again")
    book.unlink()
    try:
        saved = run_app(lived.home, "backup", "again")
    finally:
        book.write_bytes(LAMP.encode())

    assert saved.returncode == 1
    assert "(the backup has it)" in saved.stderr
    manifest = manifest_of(lived.home / "again")
    assert [file["key"] for file in manifest["files"]] == manifest["damaged"]
    assert hashlib.sha256(LAMP.encode()).hexdigest() in digests(lived.home / "again")


def stored_book(lived: Lived) -> Path:
    wanted = hashlib.sha256(LAMP.encode()).hexdigest()
    stored = (p for p in (lived.home / "var/files").rglob("*") if p.is_file())
    [book] = [p for p in stored if hashlib.sha256(p.read_bytes()).hexdigest() == wanted]
    return book
