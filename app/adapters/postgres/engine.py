"""Connections to Postgres, and what their failures mean to the library."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from app.adapters.postgres.tables import map_entities
from app.shared.errors import Conflict, LibraryError, Unavailable

Sessions = async_sessionmaker[AsyncSession]
Violations = Mapping[str, type[LibraryError]]

# SQLSTATE classes: connection, resources, operator intervention; and single states for
# serialisation, deadlock, lock and statement time-outs.
_PASSING = ("08", "53", "57", "40001", "40P01", "55P03")


class DatabaseUnavailable(Unavailable):
    title = "The database does not answer"


def open_engine(url: str, *, pool_size: int = 10, name: str = "luminalib") -> AsyncEngine:
    """A pool of connections to `postgresql://…`; connects on first use."""
    return create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={
            "timeout": 5,
            "server_settings": {
                "application_name": name,
                "statement_timeout": "15000",
                "idle_in_transaction_session_timeout": "30000",
            },
        },
    )


def sessions_of(engine: AsyncEngine) -> Sessions:
    map_entities()
    return async_sessionmaker(engine, expire_on_commit=False)


@contextmanager
def translated(violations: Violations) -> Iterator[None]:
    """Let out domain errors only: a broken constraint as the error it is mapped to, a
    database that is away or busy as DatabaseUnavailable; anything else is a bug, as it is."""
    try:
        yield
    except (PoolTimeout, OSError, TimeoutError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable from error
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "").startswith(_PASSING):
            raise DatabaseUnavailable from error
        raise
    except DBAPIError as error:
        raise _meaning(error, violations) from error


def _meaning(error: DBAPIError, violations: Violations) -> Exception:
    cause = error.orig.__cause__ if error.orig else None
    constraint = str(getattr(cause, "constraint_name", None) or "")
    if isinstance(error, IntegrityError) and constraint in violations:
        return violations[constraint]()
    if isinstance(error, IntegrityError) and constraint:
        return Conflict(f"The library's rules forbid that ({constraint}).")
    state = str(getattr(error.orig, "sqlstate", "") or "")
    if error.connection_invalidated or state.startswith(_PASSING):
        return DatabaseUnavailable()
    if isinstance(error, (InterfaceError, OperationalError)) and not state:
        return DatabaseUnavailable()
    return error.with_traceback(error.__traceback__)
