"""Connections to Postgres, and what their failures mean to the library."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
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


def open_engine(
    url: str, *, pool_size: int = 10, name: str = "luminalib", statement_timeout: float = 15
) -> AsyncEngine:
    """A pool of connections to `postgresql://…`; connects on first use. A statement that takes
    longer than so many seconds is given up.

    `sslmode` and `sslrootcert` in the url mean what they mean to libpq.
    """
    address = make_url(url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(
        address.difference_update_query(["sslmode", "sslrootcert"]),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        # What readers write stays out of the log.
        hide_parameters=True,
        connect_args={
            "timeout": 5,
            **_encryption(address),
            "server_settings": {
                "application_name": name,
                "statement_timeout": str(round(statement_timeout * 1000)),
                # What is asked here is short: to compile it takes longer than to run it.
                "jit": "off",
                "idle_in_transaction_session_timeout": "30000",
            },
        },
    )
    event.listen(engine.sync_engine, "checkout", _require_open)
    return engine


def _require_open(connection: Any, *_: Any) -> None:
    # The event loop has noticed when a server hung up; to ask it costs three round trips.
    if connection.driver_connection.is_closed():
        raise DisconnectionError


async def read_at_once(session: AsyncSession) -> None:
    """Have what the session reads next be a transaction of its own, each statement: one round
    trip instead of three. For who reads only, and once."""
    if not session.in_transaction():
        await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})


def _encryption(address: URL) -> dict[str, Any]:
    # asyncpg knows the modes by name, but a root certificate only inside a context.
    mode, root = address.query.get("sslmode"), address.query.get("sslrootcert")
    if root is None:
        return {"ssl": mode} if mode else {}
    context = ssl.create_default_context(cafile=str(root))
    context.check_hostname = mode == "verify-full"
    return {"ssl": context}


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
        if meaning := _meaning(error, violations):
            raise meaning from error
        raise


def _meaning(error: DBAPIError, violations: Violations) -> LibraryError | None:
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
    return None
