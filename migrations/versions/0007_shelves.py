"""Shelves of any size: maintained counts, one order by rating, and the words of the books."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

_UNDATED = {"first": -32768, "last": 32767}


def upgrade() -> None:
    _count()
    _rate()
    _word()
    _sort()


def downgrade() -> None:
    for when in _UNDATED:
        op.drop_index(f"ix_books_year_undated_{when}", "books")
    op.drop_index("ix_books_language", "books")
    op.create_index("ix_books_year_published", "books", ["year_published", "id"])
    op.drop_index("ix_books_signs", "books")
    op.drop_index("ix_books_named_by", "books")
    op.create_index(
        "ix_books_named_by",
        "books",
        ["named_by"],
        postgresql_using="gin",
        postgresql_ops={"named_by": "gin_trgm_ops"},
    )
    op.drop_column("books", "said")
    op.add_column(
        "books",
        sa.Column(
            "found_by",
            sa.Text(),
            sa.Computed("lumina_found_by(title, author, tags, description)", persisted=True),
        ),
    )
    op.create_index(
        "ix_books_found_by",
        "books",
        ["found_by"],
        postgresql_using="gin",
        postgresql_ops={"found_by": "gin_trgm_ops"},
    )
    for table, trigger in (("rating_stats", "rate"), ("books", "count_added")):
        op.execute(f"DROP TRIGGER lumina_{trigger} ON {table}")
    for trigger in ("count_gone", "count_changed"):
        op.execute(f"DROP TRIGGER lumina_{trigger} ON books")
    op.drop_table("standings")
    op.drop_table("known_words")
    op.drop_table("book_count_changes")
    op.drop_table("book_counts")
    for function in (
        "lumina_rate()",
        "lumina_count_added()",
        "lumina_count_gone()",
        "lumina_count_changed()",
        "lumina_settle_counts()",
        "lumina_words(text)",
        "lumina_values(text, text[], text[], text, integer)",
        "lumina_near(text)",
        "lumina_signs(text)",
    ):
        op.execute(f"DROP FUNCTION {function}")


def _count() -> None:
    """Books are counted by what is said of them. Whoever adds one appends changes, so that
    nobody waits for another's row; now and then somebody adds the changes up."""
    op.create_table(
        "book_counts",
        sa.Column("facet", sa.Text(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("facet", "key", name="pk_book_counts"),
    )
    op.create_index("ix_book_counts_commonest", "book_counts", ["facet", "count"])
    op.create_table(
        "book_count_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("facet", sa.Text(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_book_count_changes"),
    )
    op.create_index("ix_book_count_changes_key", "book_count_changes", ["facet", "key"])
    op.create_table(
        "known_words",
        sa.Column("word", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("word", name="pk_known_words"),
    )
    # What is left of a word when any one sign is taken away. Two words of which one edit makes
    # the other have one of these in common (Garbe, SymSpell, 2012).
    op.execute(
        """
        CREATE FUNCTION lumina_near(word text) RETURNS text[]
        LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
        AS $$ SELECT CASE WHEN length(word) BETWEEN 3 AND 40 THEN
                (SELECT array_agg(DISTINCT left(word, n - 1) || substr(word, n + 1))
                 FROM generate_series(1, length(word)) AS n) || word
              ELSE ARRAY[word] END $$
        """
    )
    op.create_index(
        "ix_known_words_near", "known_words", [sa.text("lumina_near(word)")], postgresql_using="gin"
    )
    op.execute(
        """
        CREATE FUNCTION lumina_values(author text, genres text[], tags text[], language text,
                                      year integer)
        RETURNS TABLE (facet text, key uuid, label text, number integer)
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        AS $$
          SELECT DISTINCT ON (said.facet, md5(said.folded))
            said.facet, md5(said.folded)::uuid, said.label, said.number
          FROM (
            SELECT 'all' AS facet, '' AS folded, '' AS label, NULL::integer AS number
            UNION ALL SELECT 'author', public.lumina_fold(author), author, NULL
            UNION ALL SELECT 'genre', public.lumina_fold(name), name, NULL FROM unnest(genres) name
            UNION ALL SELECT 'tag', public.lumina_fold(name), name, NULL FROM unnest(tags) name
            UNION ALL SELECT 'language', language, language, NULL WHERE language IS NOT NULL
            UNION ALL SELECT 'year', year::text, year::text, year WHERE year IS NOT NULL
          ) AS said
        $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION lumina_words(named_by text) RETURNS SETOF text
        LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
        AS $$ SELECT unnest(tsvector_to_array(to_tsvector('public.lumina'::regconfig, named_by))) $$
        """
    )
    # Only who holds the lock adds up, and nobody waits for it.
    op.execute(
        """
        CREATE FUNCTION lumina_settle_counts() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
          IF NOT pg_try_advisory_xact_lock(7205759403792793) THEN RETURN; END IF;
          WITH moved AS (DELETE FROM public.book_count_changes RETURNING *),
          sums AS (
            SELECT facet, key, min(label) AS label, min(number) AS number, sum(change) AS change
            FROM moved GROUP BY facet, key HAVING sum(change) <> 0
          )
          INSERT INTO public.book_counts AS known (facet, key, label, number, count)
          SELECT facet, key, label, number, change FROM sums
          ON CONFLICT (facet, key) DO UPDATE SET count = known.count + excluded.count;
        END $$
        """
    )
    for name, rows, change in (("added", "added", 1), ("gone", "gone", -1)):
        op.execute(
            f"""
            CREATE FUNCTION lumina_count_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE changes bigint;
            BEGIN
              INSERT INTO public.book_count_changes (facet, key, label, number, change)
              SELECT v.facet, v.key, min(v.label), min(v.number), {change} * count(*)
              FROM {rows} AS b, public.lumina_values(
                b.author, b.genres, b.tags, b.language, b.year_published) AS v
              GROUP BY v.facet, v.key;
              GET DIAGNOSTICS changes = ROW_COUNT;
              {_FIRST_SEEN if change > 0 else ""}
              IF changes > 1000 OR random() < 0.03 THEN
                PERFORM public.lumina_settle_counts();
              END IF;
              RETURN NULL;
            END $$
            """  # noqa: S608
        )
    op.execute(
        """
        CREATE FUNCTION lumina_count_changed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          INSERT INTO public.book_count_changes (facet, key, label, number, change)
          SELECT facet, key, min(label), min(number), sum(change) FROM (
            SELECT v.*, 1 AS change FROM public.lumina_values(
              new.author, new.genres, new.tags, new.language, new.year_published) AS v
            UNION ALL
            SELECT v.*, -1 FROM public.lumina_values(
              old.author, old.genres, old.tags, old.language, old.year_published) AS v
          ) AS said GROUP BY facet, key HAVING sum(change) <> 0;
          INSERT INTO public.known_words (word)
          SELECT word FROM public.lumina_words(new.named_by) AS word ORDER BY word
          ON CONFLICT DO NOTHING;
          RETURN NULL;
        END $$
        """
    )
    op.create_table(
        "standings",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("rating", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_standings_book_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("book_id", name="pk_standings"),
    )
    op.execute(
        """
        INSERT INTO book_count_changes (facet, key, label, number, change)
        SELECT v.facet, v.key, min(v.label), min(v.number), count(*)
        FROM books AS b, lumina_values(
          b.author, b.genres, b.tags, b.language, b.year_published) AS v
        GROUP BY v.facet, v.key
        """
    )
    op.execute("SELECT lumina_settle_counts()")
    op.execute(
        "INSERT INTO known_words SELECT DISTINCT word FROM books, lumina_words(named_by) AS word"
    )
    op.execute(
        "CREATE TRIGGER lumina_count_added AFTER INSERT ON books REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION lumina_count_added()"
    )
    op.execute(
        "CREATE TRIGGER lumina_count_gone AFTER DELETE ON books REFERENCING OLD TABLE AS gone"
        " FOR EACH STATEMENT EXECUTE FUNCTION lumina_count_gone()"
    )
    op.execute(
        "CREATE TRIGGER lumina_count_changed"
        " AFTER UPDATE OF title, author, genres, tags, language, year_published ON books"
        " FOR EACH ROW EXECUTE FUNCTION lumina_count_changed()"
    )


# Words in one order, so that those who add the same ones wait for each other and no longer.
_FIRST_SEEN = """
              INSERT INTO public.standings (book_id, rating) SELECT id, -1 FROM added;
              INSERT INTO public.known_words (word)
              SELECT DISTINCT word FROM added, public.lumina_words(named_by) AS word
              ORDER BY word ON CONFLICT DO NOTHING;
"""


def _rate() -> None:
    """One index to sort by rating, the books without one included."""
    op.execute(
        """
        INSERT INTO standings SELECT b.id, coalesce(r.total::float8 / nullif(r.count, 0), -1)
        FROM books AS b LEFT JOIN rating_stats AS r ON r.book_id = b.id
        """
    )
    op.create_index("ix_standings_rating", "standings", ["rating", "book_id"])
    op.execute(
        """
        CREATE FUNCTION lumina_rate() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_OP = 'DELETE' THEN
            UPDATE public.standings SET rating = -1 WHERE book_id = old.book_id;
          ELSE
            UPDATE public.standings
            SET rating = coalesce(new.total::float8 / nullif(new.count, 0), -1)
            WHERE book_id = new.book_id;
          END IF;
          RETURN NULL;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER lumina_rate AFTER INSERT OR UPDATE OR DELETE ON rating_stats"
        " FOR EACH ROW EXECUTE FUNCTION lumina_rate()"
    )


def _word() -> None:
    op.drop_column("books", "found_by")
    op.add_column(
        "books",
        sa.Column(
            "said",
            postgresql.TSVECTOR(),
            sa.Computed(
                "strip(to_tsvector('lumina'::regconfig,"
                " lumina_found_by(title, author, tags, description)))",
                persisted=True,
            ),
        ),
    )
    # Whoever searches would read through what was not yet filed.
    filed = {"fastupdate": "off"}
    op.create_index(
        "ix_books_said", "books", ["said"], postgresql_using="gin", postgresql_with=filed
    )
    op.drop_index("ix_books_named_by", "books")
    op.create_index(
        "ix_books_named_by",
        "books",
        ["named_by"],
        postgresql_using="gin",
        postgresql_ops={"named_by": "gin_trgm_ops"},
        postgresql_with=filed,
    )
    # What trigrams do not see: one sign, and two in a row, one of them no plain letter or digit.
    op.execute(
        """
        CREATE FUNCTION lumina_signs(value text) RETURNS text[]
        LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
        AS $$
          SELECT coalesce(array_agg(DISTINCT gram), '{}') FROM (
            SELECT sign AS gram FROM string_to_table(left(value, 2000), NULL) AS sign
            UNION ALL
            SELECT sign || lead(sign) OVER () FROM string_to_table(left(value, 2000), NULL) AS sign
          ) AS grams WHERE gram ~ '[^a-z0-9 ]'
        $$
        """
    )
    op.create_index(
        "ix_books_signs",
        "books",
        [sa.text("lumina_signs(named_by)")],
        postgresql_using="gin",
        postgresql_with=filed,
    )


def _sort() -> None:
    op.drop_index("ix_books_year_published", "books")
    for when, year in _UNDATED.items():
        key = sa.text(f"coalesce(year_published, {year})")
        op.create_index(f"ix_books_year_undated_{when}", "books", [key, "id"])
    op.create_index("ix_books_language", "books", ["language", sa.text("lumina_fold(title)"), "id"])
