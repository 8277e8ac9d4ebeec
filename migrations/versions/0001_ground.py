"""What the tables stand on: extensions, text search, and procrastinate's own tables."""

from importlib import resources

from alembic import op

revision = "0001"
down_revision = None

# The queue's migration files lie in its package, named by version, and are never changed
# once released: these make the schema of procrastinate 3.10, whichever newer one is installed.
_QUEUE_SCHEMA_UP_TO = "03.04.99"


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE EXTENSION IF NOT EXISTS unaccent")
    op.execute("CREATE TEXT SEARCH CONFIGURATION lumina (COPY = simple)")
    op.execute(
        "ALTER TEXT SEARCH CONFIGURATION lumina"
        " ALTER MAPPING FOR hword, hword_part, word WITH unaccent, simple"
    )
    # unaccent() reads a dictionary that could change, so Postgres calls it stable; ours does
    # not change, and a generated column needs immutable.
    op.execute(
        """
        CREATE FUNCTION lumina_fold(value text) RETURNS text
        LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
        AS $$ SELECT lower(public.unaccent('public.unaccent'::regdictionary, value)) $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION lumina_found_by(title text, author text, tags text[], description text)
        RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
        AS $$ SELECT public.lumina_fold(
                title || ' ' || author || ' ' || array_to_string(tags, ' ') || ' '
                || coalesce(description, '')) $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION lumina_fold_all(names text[]) RETURNS text[]
        LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
        AS $$ SELECT array_agg(public.lumina_fold(name)) FROM unnest(names) AS name $$
        """
    )
    for statement in _queue_schema():
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    op.execute("DROP TABLE procrastinate_events, procrastinate_periodic_defers CASCADE")
    op.execute("DROP TABLE procrastinate_jobs, procrastinate_workers CASCADE")
    op.execute(
        """
        DO $$ DECLARE f regprocedure; BEGIN
          FOR f IN SELECT oid FROM pg_proc
                   WHERE proname LIKE 'procrastinate%' AND pronamespace = 'public'::regnamespace
          LOOP EXECUTE 'DROP FUNCTION ' || f || ' CASCADE'; END LOOP;
        END $$
        """
    )
    op.execute("DROP TYPE IF EXISTS procrastinate_job_to_defer_v1")
    op.execute("DROP TYPE IF EXISTS procrastinate_job_event_type, procrastinate_job_status")
    op.execute("DROP FUNCTION lumina_found_by(text, text, text[], text)")
    op.execute("DROP FUNCTION lumina_fold_all(text[])")
    op.execute("DROP FUNCTION lumina_fold(text)")
    op.execute("DROP TEXT SEARCH CONFIGURATION lumina")


def _queue_schema() -> list[str]:
    folder = resources.files("procrastinate.sql") / "migrations"
    files = sorted(f.name for f in folder.iterdir() if f.name.endswith(".sql"))
    wanted = [name for name in files if name < _QUEUE_SCHEMA_UP_TO]
    return [(folder / name).read_text("utf-8").replace("%", "%%") for name in wanted]
