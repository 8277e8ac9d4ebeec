"""Bringing a database to the schema this code expects."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.adapters.postgres.engine import DatabaseUnavailable, Sessions, translated

_MIGRATIONS = Path(__file__).resolve().parents[3] / "migrations"


def migrate(url: str) -> None:
    """Apply what is missing; two that start at once do it one after the other. Blocks."""
    config = _config()
    config.attributes["url"] = url
    command.upgrade(config, "head")


async def require_newest(sessions: Sessions) -> str:
    """The revision of the database; raises DatabaseUnavailable when it is not the newest."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    with translated({}):
        async with sessions() as session:
            found = (
                await session.execute(text("SELECT version_num FROM alembic_version"))
            ).scalar_one_or_none()
    if found != newest:
        raise DatabaseUnavailable(f"The database is at {found}, not {newest}: run migrate.")
    return str(found)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
