"""Of several versions of PostgreSQL's programs the one is taken that suits the server."""

import os
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.adapters.postgres.client_programs import ProgramUnsuitable, installed, reader_of, suited
from app.adapters.postgres.dumping import dump


def program(folder: Path, name: str, version: str, *, reads: bool = True) -> Path:
    """A program that knows its version, and whether it can list an archive."""
    folder.mkdir()
    script = folder / name
    said = (
        f"case $1 in --version) echo '{name} (PostgreSQL) {version}';; *) exit {1 - reads};; esac"
    )
    script.write_text(f"#!/bin/sh\n{said}\n")
    script.chmod(0o755)
    return folder


async def chosen(folders: list[Path], server: int) -> str:
    return suited("pg_dump", await installed("pg_dump", folders), server)[0].path


async def test_the_oldest_that_is_no_older_than_the_server_is_taken(tmp_path: Path) -> None:
    folders = [
        program(tmp_path / "newest", "pg_dump", "19beta1"),
        program(tmp_path / "older", "pg_dump", "16.2 (Debian 16.2-1)"),
        program(tmp_path / "newer", "pg_dump", "18.6"),
    ]
    assert await chosen(folders, 16) == str(tmp_path / "older" / "pg_dump")
    assert await chosen(folders, 17) == str(tmp_path / "newer" / "pg_dump")
    assert await chosen(folders, 19) == str(tmp_path / "newest" / "pg_dump")


async def test_what_is_there_is_told_when_all_are_too_old(tmp_path: Path) -> None:
    with pytest.raises(ProgramUnsuitable) as refused:
        await chosen([program(tmp_path / "older", "pg_dump", "16.2")], 18)
    assert "PostgreSQL 18" in str(refused.value)
    assert f"16 ({tmp_path}/older/pg_dump)" in str(refused.value)


async def test_what_is_put_on_the_path_counts_beside_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = program(tmp_path / "bin", "pg_dump", "99.1")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert suited("pg_dump", await installed("pg_dump"), 99)[0].path == str(folder / "pg_dump")


async def test_a_backup_too_new_for_one_program_is_read_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    folder = program(tmp_path / "bin", "pg_restore", "9.6", reads=False)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    await dump(database_url, tmp_path / "new.dump")
    assert (await installed("pg_restore"))[0].path == str(folder / "pg_restore")
    assert (await reader_of(tmp_path / "new.dump", 9)).version > 9


async def test_a_password_the_url_lacks_is_the_operators_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    address: dict[str, Any] = conninfo_to_dict(database_url)
    monkeypatch.setenv("PGPASSWORD", str(address.pop("password")))
    await dump(make_conninfo(**address), tmp_path / "library.dump")
    monkeypatch.delenv("PGPASSWORD")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(make_conninfo(**address))
