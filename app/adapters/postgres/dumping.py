"""The whole database in one file and back, by PostgreSQL's own programs."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import AsyncConnection, IsolationLevel, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.adapters.postgres.client_programs import installed, reader_of, run, suited
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
    """Write the database as of one moment to the file (0600), and say what it held at just
    that moment. Others go on writing meanwhile. Raises DumpFailed, ProgramUnsuitable,
    DatabaseUnavailable."""
    async with _snapshot(url) as (connection, snapshot):
        state = await _state(connection)
        program, *_ = suited("pg_dump", await installed("pg_dump"), _version(connection))
        options = [f"--snapshot={snapshot}", "--format=custom", f"--file={target}"]
        await _run(program.path, url, "--no-owner", "--no-privileges", *options)
    return state


async def restore(url: str, source: Path) -> None:
    """Fill the empty database from the file, all or nothing. Raises DatabaseNotEmpty,
    DumpFailed, ProgramUnsuitable, DatabaseUnavailable."""
    program = await reader_of(source, await require_empty(url))
    options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
    await _run(program.path, url, *options, str(source))


async def require_empty(url: str) -> int:
    """The server's major version. Raises DatabaseNotEmpty, DatabaseUnavailable."""
    async with _connected(url) as connection:
        if await _tables(connection):
            raise DatabaseNotEmpty(
                "Restore into an empty one: another LUMINA_HOME, or a new DATABASE_URL."
            )
        return _version(connection)


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


def _version(connection: AsyncConnection) -> int:
    return connection.info.server_version // 10_000


async def _run(program: str, url: str, *options: str) -> None:
    address: dict[str, Any] = conninfo_to_dict(url)
    # In the environment: command lines can be read by everybody on the machine. Without one in
    # the url the operator's own counts, be it there or in a file.
    password = address.pop("password", None)
    secret = {} if password is None else {"PGPASSWORD": str(password)}
    ended = await run(
        program, f"--dbname={make_conninfo(**address)}", *options, env={**os.environ, **secret}
    )
    if ended.code:
        raise DumpFailed(f"{Path(program).name}: {ended.complained}")
