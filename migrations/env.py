"""Alembic's environment: one connection, one transaction a revision, no long waits."""

import os

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from app.adapters.postgres.tables import map_entities, metadata

map_entities()


def migrate() -> None:
    url = context.config.attributes.get("url") or os.environ["DATABASE_URL"]
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect() as connection:
        # Two that start at once migrate one after the other.
        connection.execute(text("SELECT pg_advisory_lock(5112026)"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            include_name=lambda name, *_: not str(name).startswith("procrastinate_"),
            transaction_per_migration=True,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


migrate()
