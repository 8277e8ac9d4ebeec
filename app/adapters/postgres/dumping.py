"""The whole database in one file and back, by PostgreSQL's own programs."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import AsyncConnection, IsolationLevel, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.adapters.postgres.embedded_process import find_binaries
from app.adapters.postgres.engine import DatabaseUnavailable
from app.shared.errors import Conflict, Unavailable

# What refers to stored files: key, size, SHA-256, and whether their absence is a loss. What is
# announced may be gone again, and a model can be fitted anew.
_REFERENCES: Mapping[str, str] = {
    "books": "SELECT storage_key, size, sha256, true FROM books",
    "announced_files": "SELECT storage_key, NULL, NULL, false FROM announced_files",
    "models": "SELECT storage_key, size, sha256, false FROM models",
}


class DumpFailed(Unavailable):
    title = "The database could not be dumped or restored"


class DatabaseNotEmpty(Conflict):
    title = "There is a library in that database already"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A stored object the database refers to; `needed` unless its absence is no loss."""

    key: str
    size: int | None
    sha256: str | None
    needed: bool


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What one moment's database holds: revision, rows by table, and files it refers to."""

    revision: str
    rows: Mapping[str, int]
    files: Sequence[KeptFile]


async def dump(url: str, target: Path) -> DatabaseState:
    """Write the database as of one moment to the file, and say what it held at just that
    moment. Others go on writing meanwhile. Raises DumpFailed, DatabaseUnavailable."""
    async with _snapshot(url) as (connection, snapshot):
        state = await _state(connection)
        options = [f"--snapshot={snapshot}", "--format=custom", f"--file={target}"]
        await _run("pg_dump", url, "--no-owner", "--no-privileges", *options)
    return state


async def restore(url: str, source: Path) -> None:
    """Fill the empty database from the file, all or nothing. Raises DatabaseNotEmpty,
    DumpFailed, DatabaseUnavailable."""
    async with _connected(url) as connection:
        if await _tables(connection):
            raise DatabaseNotEmpty(
                "Restore into an empty one: another LUMINA_HOME, or a new DATABASE_URL."
            )
    options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
    await _run("pg_restore", url, *options, str(source))


async def state_of(url: str) -> DatabaseState:
    """What the database holds now."""
    async with _snapshot(url) as (connection, _):
        return await _state(connection)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[AsyncConnection]:
    try:
        connection = await AsyncConnection.connect(url)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(str(error)) from error
    async with connection:
        yield connection


@asynccontextmanager
async def _snapshot(url: str) -> AsyncIterator[tuple[AsyncConnection, str]]:
    async with _connected(url) as connection:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        row = await (await connection.execute("SELECT pg_export_snapshot()")).fetchone()
        assert row is not None
        yield connection, row[0]


async def _state(connection: AsyncConnection) -> DatabaseState:
    rows = {table: await _count(connection, table) for table in await _tables(connection)}
    if "alembic_version" not in rows:
        raise DumpFailed("There is no library in that database yet: run migrate.")
    version = await (await connection.execute("SELECT version_num FROM alembic_version")).fetchone()
    referring = " UNION ".join(_REFERENCES[table] for table in _REFERENCES if table in rows)
    kept = await (await connection.execute(referring.encode())).fetchall()
    return DatabaseState(version[0] if version else "", rows, [KeptFile(*row) for row in kept])


async def _tables(connection: AsyncConnection) -> list[str]:
    named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    return [row[0] for row in await (await connection.execute(named)).fetchall()]


async def _count(connection: AsyncConnection, table: str) -> int:
    counted = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    row = await (await connection.execute(counted)).fetchone()
    return int(row[0]) if row else 0


async def _run(program: str, url: str, *options: str) -> None:
    address: dict[str, Any] = conninfo_to_dict(url)
    # In the environment: command lines can be read by everybody on the machine.
    secret = {"PGPASSWORD": str(address.pop("password", ""))}
    process = await asyncio.create_subprocess_exec(
        _found(program),
        f"--dbname={make_conninfo(**address)}",
        *options,
        env={**os.environ, **secret},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise DumpFailed(f"{program}: {said.decode(errors='replace').strip()}")


def _found(program: str) -> str:
    binaries = find_binaries()
    found = shutil.which(program, path=str(binaries)) if binaries else shutil.which(program)
    if found is None:
        raise DumpFailed(f"{program} is not installed; it comes with PostgreSQL's programs.")
    return found
