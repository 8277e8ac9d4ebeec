"""Whether two databases, or a database and its files, hold the same."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config

from app.adapters.storage.local import LocalStorage
from benchmarks.campaigns._patrons import Ledger
from tests.database import ROOT

# Rows of processes that run.
_PASSING = {"procrastinate_workers": "false"}
_COLUMNS = """SELECT table_name, column_name FROM information_schema.columns
  JOIN pg_tables ON tablename = table_name AND schemaname = table_schema
  WHERE table_schema = 'public' ORDER BY table_name, column_name"""

Columns = Mapping[str, Sequence[str]]


async def columns_of(url: str) -> Columns:
    """The columns of every table."""
    connection = await asyncpg.connect(url)
    try:
        found: dict[str, list[str]] = {}
        for table, column in await connection.fetch(_COLUMNS):
            found.setdefault(table, []).append(column)
        return found
    finally:
        await connection.close()


async def checksums(url: str, columns: Columns) -> dict[str, tuple[int, str]]:
    """The number of rows of each of these tables, and a digest of these columns of all of
    them, whatever their order."""
    connection = await asyncpg.connect(url)
    try:
        return {table: await _sum(connection, table, names) for table, names in columns.items()}
    finally:
        await connection.close()


async def _sum(connection: Any, table: str, names: Sequence[str]) -> tuple[int, str]:
    listed = ", ".join(f'"{name}"' for name in names)
    query = f"""SELECT count(*), coalesce(md5(string_agg(row, '' ORDER BY row)), '')
      FROM (SELECT md5(to_jsonb(t)::text) AS row FROM
        (SELECT {listed} FROM "{table}" WHERE {_PASSING.get(table, "true")}) AS t) AS rows"""
    count, digest = await connection.fetchrow(query)
    return int(count), str(digest)


def unlike(what: str, wanted: Mapping[str, object], found: Mapping[str, object]) -> list[str]:
    return [
        f"{what}: {name} is {found.get(name)} and not {wanted.get(name)}"
        for name in sorted({*wanted, *found})
        if wanted.get(name) != found.get(name)
    ]


async def wrong_files(url: str, files: Path) -> list[str]:
    """Books whose bytes are not there as they were."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT storage_key, sha256 FROM books")
    finally:
        await connection.close()
    storage = LocalStorage(files)
    found = {key: await _digest(storage, key) for key, _ in rows}
    return unlike("a file", dict(rows), found)


async def _digest(storage: LocalStorage, key: str) -> str:
    digest = hashlib.sha256()
    try:
        async for piece in await storage.read(key):
            digest.update(piece)
    except Exception as error:
        return repr(error)
    return digest.hexdigest()


async def forgotten(url: str, ledger: Ledger) -> list[str]:
    """What had been acknowledged and is not there."""
    connection = await asyncpg.connect(url)
    try:
        books = dict(await connection.fetch("SELECT id::text, sha256 FROM books"))
        loans = dict(await connection.fetch("SELECT id::text, returned_at IS NULL FROM loans"))
        reviews = {row[0] for row in await connection.fetch("SELECT id::text FROM reviews")}
    finally:
        await connection.close()
    hashes = {id: hashlib.sha256(text.encode()).hexdigest() for id, text in ledger.books.items()}
    lost = [f"the book {id} was lost" for id in hashes if books.get(id) != hashes[id]]
    lost += [f"the loan {id} was lost" for id in ledger.loans if id not in loans]
    returned = [id for id, is_over in ledger.loans.items() if is_over]
    lost += [f"the loan {id} is open again" for id in returned if loans.get(id)]
    return lost + [f"the review {id} was lost" for id in ledger.reviews if id not in reviews]


async def taken_down(url: str, revision: str) -> None:
    """Bring the schema back to an older revision."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = url
    await asyncio.to_thread(command.downgrade, config, revision)
