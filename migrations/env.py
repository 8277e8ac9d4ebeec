"""Alembic's environment: one connection, one transaction a revision, no long waits."""

import os
import time

from alembic import context
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from app.adapters.postgres.tables import map_entities, metadata

# Who waits for a table holds up everybody who comes behind: better to let them through and
# to ask again.
_LOCK_TIMEOUT = "2s"
_PAUSES = (1, 2, 4, 8, 15)

map_entities()


def migrate() -> None:
    url = context.config.attributes.get("url") or os.environ["DATABASE_URL"]
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect() as connection:
        # Two that start at once migrate one after the other.
        connection.execute(text("SELECT pg_advisory_lock(5112026)"))
        connection.execute(text(f"SET lock_timeout = '{_LOCK_TIMEOUT}'"))
        connection.commit()
        _insist(connection)
    engine.dispose()


def _insist(connection: Connection) -> None:
    for pause in (*_PAUSES, None):
        try:
            _run(connection)
            break
        except OperationalError as error:
            if pause is None or not isinstance(error.orig, LockNotAvailable):
                raise
        connection.rollback()
        time.sleep(pause)


def _run(connection: Connection) -> None:
    """What is still to be done: a revision that went through stays."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=lambda name, *_: not str(name).startswith("procrastinate_"),
        transaction_per_migration=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


migrate()
