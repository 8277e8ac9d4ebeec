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


async def require_migrated(sessions: Sessions) -> str:
    """The revision of the database; raises DatabaseUnavailable when it is older than this
    code. A newer one, which this code cannot know, is fine: migrations only add what the
    code before them can live with, so that an upgrade can be rolled back."""
    script = ScriptDirectory.from_config(_config())
    older = {one.revision for one in script.walk_revisions()} - {script.get_current_head()}
    with translated({}):
        async with sessions() as session:
            version = text("SELECT version_num FROM alembic_version")
            found = (await session.execute(version)).scalar_one_or_none()
    if found is None or found in older:
        raise DatabaseUnavailable(f"The database is at revision {found}: run migrate.")
    return str(found)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
