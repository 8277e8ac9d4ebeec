"""Migrations that let a library in use go on: what they do is linted with squawk as it is
sent to the database, and the newest one runs beside readers of the version before.

A revision that squawk objects to says why it may all the same in `EXCEPTIONS`, or does it in
steps: a column that may be empty, filled in pieces, made NOT NULL by a constraint that is NOT
VALID first and validated in the next revision; an index CONCURRENTLY in an autocommit block;
a column dropped only when no released code reads it.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import psycopg
import pytest
from alembic import command
from sqlalchemy import event
from sqlalchemy.engine import Engine

from app.bootstrap.library import Library
from tests.api.conftest import Shelve, SignIn
from tests.api.conftest import api as api
from tests.api.conftest import drain as drain
from tests.api.conftest import library as library
from tests.api.conftest import shelve as shelve
from tests.api.conftest import sign_in as sign_in
from tests.database import cloned
from tests.integration.test_migrations import config_for, revisions

# Matters of taste, and what is said once for all revisions instead of in each.
NOT_ASKED = {
    "prefer-bigint-over-int": "rows are known by UUIDs; what is counted here fits",
    "prefer-bigint-over-smallint": "stars, shares and dimensions fit",
    "prefer-identity": "rows are known by UUIDs; the queue numbers its own",
    "prefer-text-field": "the tables of the queue are not ours",
    "require-lock-timeout": "the environment sets it, as another test here shows",
    "require-statement-timeout": "an index may take as long as it takes",
}
_EMPTY = "no library held anything yet: the first release has this revision"
_QUEUE = "the queue's own history, run on a database that is new"
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    **{
        ("0001", rule): _QUEUE
        for rule in (
            "adding-foreign-key-constraint",
            "ban-drop-column",
            "ban-drop-constraint",
            "ban-drop-default",
            "ban-drop-function",
            "ban-drop-not-null",
            "ban-drop-table",
            "changing-column-type",
            "renaming-object",
            "require-concurrent-index-deletion",
            "require-enum-value-ordering",
        )
    },
    ("0004", "adding-not-nullable-field"): _EMPTY,
    ("0004", "require-concurrent-index-creation"): _EMPTY,
    ("0006", "require-concurrent-index-creation"): _EMPTY,
    ("0007", "adding-field-with-default"): _EMPTY,
    ("0007", "ban-drop-column"): _EMPTY,
    ("0007", "require-concurrent-index-creation"): _EMPTY,
    ("0007", "require-concurrent-index-deletion"): _EMPTY,
    ("0012", "require-concurrent-index-creation"): _EMPTY,
}
SQUAWK = Path(sys.executable).with_name("squawk")
_OF_ALEMBIC = ("SELECT", "INSERT INTO ALEMBIC_", "UPDATE ALEMBIC_", "CREATE TABLE ALEMBIC_")


def objections(sql: str, folder: Path) -> set[str]:
    """The rules that squawk sees broken."""
    file = folder / "migration.sql"
    file.write_text(sql, "utf-8")
    words = [str(SQUAWK), "--assume-in-transaction", "--pg-version", "14", "--reporter", "json"]
    told = subprocess.run(
        [*words, f"--exclude={','.join(NOT_ASKED)}", str(file)], capture_output=True, text=True
    )
    assert told.stdout.startswith("["), told.stderr
    return {each["rule_name"] for each in json.loads(told.stdout)}


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    with cloned(server_url, template="template1") as url:
        yield url


def sent_by(url: str, revision: str) -> list[str]:
    """What the revision has the database do, without alembic's own book-keeping."""
    sent: list[str] = []

    def note(_: object, __: object, statement: str, parameters: object, *___: object) -> None:
        # Values are for rows; what changes the schema has none.
        if not parameters and not statement.lstrip().upper().startswith(_OF_ALEMBIC):
            sent.append(statement.strip().rstrip(";"))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        command.upgrade(config_for(url), revision)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return sent


def test_no_migration_stops_a_library_in_use(empty_url: str, tmp_path: Path) -> None:
    found = {
        (revision, rule)
        for revision in revisions()
        for rule in objections(";\n".join([*sent_by(empty_url, revision), ""]), tmp_path)
    }
    assert found - EXCEPTIONS.keys() == set()
    assert EXCEPTIONS.keys() - found == set(), "exceptions that nothing needs any more"


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("CREATE INDEX i ON books (title)", "require-concurrent-index-creation"),
        ("DROP INDEX i", "require-concurrent-index-deletion"),
        ("ALTER TABLE books DROP COLUMN title", "ban-drop-column"),
        ("ALTER TABLE books RENAME COLUMN title TO name", "renaming-column"),
        ("ALTER TABLE books ALTER COLUMN copies TYPE bigint", "changing-column-type"),
        ("ALTER TABLE books ADD COLUMN x int NOT NULL", "adding-required-field"),
        ("ALTER TABLE books ADD COLUMN x uuid DEFAULT uuidv7()", "adding-field-with-default"),
        ("ALTER TABLE books ALTER COLUMN title SET NOT NULL", "adding-not-nullable-field"),
        ("ALTER TABLE books ADD CONSTRAINT c CHECK (copies > 0)", "constraint-missing-not-valid"),
        (
            "ALTER TABLE loans ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES books (id)",
            "adding-foreign-key-constraint",
        ),
        ("DROP TABLE books", "ban-drop-table"),
        ("TRUNCATE books CASCADE", "ban-truncate-cascade"),
    ],
)  # fmt: skip
def test_what_would_stop_it_is_noticed(statement: str, rule: str, tmp_path: Path) -> None:
    assert rule in objections(f"{statement};\n", tmp_path)


def test_what_is_done_in_steps_is_let_through(tmp_path: Path) -> None:
    steps = """
        ALTER TABLE books ADD COLUMN shelf text;
        ALTER TABLE books ADD CONSTRAINT c CHECK (shelf IS NOT NULL) NOT VALID;
        CREATE TABLE shelves (id uuid PRIMARY KEY, name text NOT NULL);
        CREATE INDEX i ON shelves (name);
    """
    assert objections(steps, tmp_path) == set()


def test_a_migration_waits_for_no_lock_and_asks_again(empty_url: str) -> None:
    """It gives up after two seconds, lets through who stands behind it, and comes back."""
    command.upgrade(config_for(empty_url), "0006")
    with psycopg.connect(empty_url) as reader, psycopg.connect(empty_url, autocommit=True) as eye:
        reader.execute("SELECT count(*) FROM books")
        asyncio.run(_migrated_beside(reader, eye, empty_url))


async def _migrated_beside(reader: psycopg.Connection, eye: psycopg.Connection, url: str) -> None:
    migrating = asyncio.create_task(asyncio.to_thread(command.upgrade, config_for(url), "0007"))
    async with asyncio.timeout(60):
        for waiting in (True, False):
            while _somebody_waits(eye) is not waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert not migrating.done()
        reader.rollback()
        await migrating


def _somebody_waits(eye: psycopg.Connection) -> bool:
    asked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'books'::regclass"
    found = eye.execute(asked).fetchone()
    return found is not None and found[0] > 0


# Beside the version before


async def test_the_newest_migration_loses_nothing_of_who_goes_on_meanwhile(
    library: Library, database_url: str, shelve: Shelve, sign_in: SignIn
) -> None:
    """Readers and writers who know the schema before, on tables that are filled: nobody is
    refused, and what was acknowledged is there."""
    book = (await shelve())["id"]
    ann = await sign_in("ann")
    user = await library.services.accounts.authenticate(ann["Authorization"].split()[1])
    await library.services.lending.borrow(user[0], UUID(book))
    await library.services.lending.give_back(user[0], UUID(book))
    await asyncio.to_thread(command.downgrade, config_for(database_url), "-1")
    crowd = Crowd(database_url)
    await crowd.settle()
    going_on = [asyncio.create_task(crowd.go_on()) for _ in range(4)]
    await crowd.reached(40)
    await asyncio.to_thread(command.upgrade, config_for(database_url), "head")
    await crowd.reached(len(crowd.acknowledged) + 40)
    crowd.enough = True
    await asyncio.gather(*going_on)
    connection = await asyncpg.connect(database_url)
    try:
        kept = {row["id"] for row in await connection.fetch("SELECT id FROM loans")}
    finally:
        await connection.close()
    assert set(crowd.acknowledged) <= kept
    assert len(kept) == crowd.filled + len(crowd.acknowledged)


class Crowd:
    """Copies a finished loan again and again, with the columns it had before, and reads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._columns: Sequence[str] = ()
        self.filled = 0
        self.acknowledged: list[UUID] = []
        self.enough = False

    async def settle(self) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            rows = await connection.fetch(
                "SELECT column_name FROM information_schema.columns"
                " WHERE table_name = 'loans' AND is_generated = 'NEVER' AND column_name <> 'id'"
            )
            self._columns = [row["column_name"] for row in rows]
            filled = self._copying("gen_random_uuid()", "generate_series(1, 5000)")
            await connection.execute(filled)
            self.filled = await connection.fetchval("SELECT count(*) FROM loans")
        finally:
            await connection.close()

    async def go_on(self) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            while not self.enough:
                loan = uuid4()
                await connection.execute(self._copying("$1::uuid", "generate_series(1, 1)"), loan)
                self.acknowledged.append(loan)
                await connection.fetch(
                    f"SELECT {', '.join(self._columns)} FROM loans ORDER BY id DESC LIMIT 20"
                )
        finally:
            await connection.close()

    async def reached(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.acknowledged) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def _copying(self, new_id: str, times: str) -> str:
        columns = ", ".join(self._columns)
        return (
            f"INSERT INTO loans (id, {columns}) SELECT {new_id}, {columns}"
            f" FROM (SELECT * FROM loans WHERE returned_at IS NOT NULL LIMIT 1) one, {times}"
        )
