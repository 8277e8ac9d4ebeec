"""Searching inside the books: their passages stemmed by language, and how common words are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

# Those PostgreSQL 14 and later brings a stemmer and a list of little words for.
_LANGUAGES = {
    "da": "danish",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}


def upgrade() -> None:
    for code, language in _LANGUAGES.items():
        op.execute(f"CREATE TEXT SEARCH CONFIGURATION lumina_{code} (COPY = {language})")
        op.execute(
            f"ALTER TEXT SEARCH CONFIGURATION lumina_{code} ALTER MAPPING"
            f" FOR hword, hword_part, word WITH unaccent, {language}_stem"
        )
    # Marks of emphasis are no part of a word, and scripts that put no space between words are
    # searched sign by sign.
    op.execute(
        """
        CREATE FUNCTION lumina_spaced(value text) RETURNS text
        LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
        AS $$ SELECT regexp_replace(translate(value, '_*', '  '),
                '([\\u0e00-\\u0edd\\u1000-\\u109f\\u1780-\\u17ff\\u3040-\\u30ff'
                || '\\u3400-\\u9fff\\uf900-\\ufaff])', ' \\1 ', 'g') $$
        """
    )
    op.create_table(
        "indexed_passages",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id", "ordinal"],
            ["passages.book_id", "passages.ordinal"],
            name="fk_indexed_passages_passage",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("book_id", "ordinal", name="pk_indexed_passages"),
    )
    # Ranking reads each candidate's words once for every word asked for: kept in the row and
    # not compressed, that costs no look-up and no unpacking.
    op.execute("ALTER TABLE indexed_passages ALTER COLUMN words SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE indexed_passages SET (toast_tuple_target = 8160)")
    op.create_index(
        "ix_indexed_passages_words",
        "indexed_passages",
        ["words"],
        postgresql_using="gin",
        # Else whoever searches reads through what was not yet filed.
        postgresql_with={"fastupdate": "off"},
    )
    op.create_table(
        "indexed_languages",
        sa.Column("config", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("config", name="pk_indexed_languages"),
    )
    op.create_table(
        "lexeme_shares",
        sa.Column("lexeme", sa.Text(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("lexeme", name="pk_lexeme_shares"),
    )
    op.create_table(
        "lexeme_counts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("passages", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lexeme_counts"),
    )


def downgrade() -> None:
    op.drop_table("lexeme_counts")
    op.drop_table("lexeme_shares")
    op.drop_table("indexed_languages")
    op.drop_table("indexed_passages")
    op.execute("DROP FUNCTION lumina_spaced(text)")
    for code in _LANGUAGES:
        op.execute(f"DROP TEXT SEARCH CONFIGURATION lumina_{code}")
