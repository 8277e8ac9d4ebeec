"""The migrations on a real database: up, down and up again, and the tables they make."""

from collections.abc import Iterator

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.database import ROOT, cloned

# Everything a schema is made of, in words that can be compared.
_SCHEMA = """
  SELECT 'column', table_name || '.' || column_name || ' ' || data_type || ' ' || udt_name || ' '
         || is_nullable || ' ' || coalesce(column_default, '') || ' '
         || coalesce(generation_expression, '')
  FROM information_schema.columns WHERE table_schema = 'public'
  UNION ALL SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public'
  UNION ALL SELECT 'constraint', conrelid::regclass || ' ' || conname || ' '
         || pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT 'function', p.oid::regprocedure || ' ' || md5(p.prosrc) FROM pg_proc p
  LEFT JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
  WHERE pronamespace = 'public'::regnamespace AND d.objid IS NULL
  UNION ALL SELECT 'trigger', tgrelid::regclass || ' ' || pg_get_triggerdef(oid)
  FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 'type', typname::text FROM pg_type t
  WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
  UNION ALL SELECT 'search', cfgname::text FROM pg_ts_config
  WHERE cfgnamespace = 'public'::regnamespace
  UNION ALL SELECT 'extension', extname::text FROM pg_extension
  ORDER BY 1, 2
"""


def config_for(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = url
    return config


def revisions() -> list[str]:
    """From the first to the newest."""
    walked = ScriptDirectory.from_config(config_for("")).walk_revisions()
    return [script.revision for script in walked][::-1]


def schema_of(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        found = connection.execute(_SCHEMA).fetchall()
    return [row for row in found if "alembic_version" not in row[1]]


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """A database of this test that no migration has seen."""
    with cloned(server_url, template="template1") as url:
        yield url


def test_there_is_one_line_of_migrations() -> None:
    script = ScriptDirectory.from_config(config_for(""))
    assert len(script.get_heads()) == 1
    assert revisions() == sorted(revisions())


def test_every_migration_goes_up_down_and_up_again(empty_url: str) -> None:
    config = config_for(empty_url)
    before = schema_of(empty_url)
    for revision in revisions():
        command.upgrade(config, revision)
        after = schema_of(empty_url)
        command.downgrade(config, "-1")
        assert _without_extensions(schema_of(empty_url)) == _without_extensions(before), revision
        command.upgrade(config, revision)
        assert schema_of(empty_url) == after, revision
        before = after


def test_all_the_way_down_leaves_nothing_and_up_again_everything(database_url: str) -> None:
    config = config_for(database_url)
    whole = schema_of(database_url)
    command.downgrade(config, "base")
    assert _without_extensions(schema_of(database_url)) == []
    command.upgrade(config, "head")
    assert schema_of(database_url) == whole


def test_tables_and_migrations_say_the_same(database_url: str) -> None:
    command.check(config_for(database_url))


def test_a_fresh_database_is_the_one_the_tests_use(empty_url: str, database_url: str) -> None:
    command.upgrade(config_for(empty_url), "head")
    assert schema_of(empty_url) == schema_of(database_url)


def test_migrating_what_is_migrated_changes_nothing(database_url: str) -> None:
    before = schema_of(database_url)
    command.upgrade(config_for(database_url), "head")
    assert schema_of(database_url) == before


def _without_extensions(schema: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Extensions may have been there before, so nobody takes them away."""
    return [row for row in schema if row[0] != "extension"]
