"""Databases for tests: one migrated template, cloned for whoever needs real commits."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "migrated"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder that others may pass through to: as root a server may run as nobody.

    In memory where there is room: a clone then takes 10 ms instead of 300 ms on a slow disk.
    """
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1 << 30
    with tempfile.TemporaryDirectory(prefix="library-", dir=memory if roomy else None) as folder:
        yield Path(folder)


def migrate(url: str, revision: str = "head") -> None:
    """Bring the database up to the revision."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, revision)


def create_template(server_url: str) -> None:
    migrate(create_database(server_url, TEMPLATE))


def create_database(server_url: str, name: str, *, template: str = "template1") -> str:
    """A database of that name beside the given one; its url."""
    # copying files beats writing the copy to the log while nothing is synced
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
    return f"{server_url.rpartition('/')[0]}/{name}"


@contextmanager
def cloned(server_url: str, template: str = TEMPLATE) -> Iterator[str]:
    """The url of a copy of the template, which is gone afterwards, whoever still uses it."""
    name = f"test_{uuid4().hex}"
    try:
        yield create_database(server_url, name, template=template)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))
