"""Keys that are kept beside what was made with them."""

import asyncpg
from sqlalchemy import select
from sqlalchemy.exc import ProgrammingError

from app.adapters.postgres.engine import DatabaseUnavailable, Sessions, translated
from app.adapters.postgres.tables.keys import kept_keys


async def kept_key(sessions: Sessions, purpose: str) -> bytes | None:
    """The key of the library for that; None while its database is away, or older than it."""
    found = select(kept_keys.c.key).where(kept_keys.c.purpose == purpose)
    try:
        with translated({}):
            async with sessions() as session:
                return await session.scalar(found)
    except (DatabaseUnavailable, ProgrammingError, asyncpg.PostgresError):
        return None
