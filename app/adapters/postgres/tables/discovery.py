from sqlalchemy import Column, Float, ForeignKeyConstraint, Index, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import TSVECTOR

from app.adapters.postgres.tables.base import metadata

# The words of each passage, stemmed by its book's language, which `config` names.
indexed_passages = Table(
    "indexed_passages",
    metadata,
    Column("book_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("config", Text, nullable=False),
    Column("words", TSVECTOR, nullable=False),
    ForeignKeyConstraint(
        ["book_id", "ordinal"],
        ["passages.book_id", "passages.ordinal"],
        name="fk_indexed_passages_passage",
        ondelete="CASCADE",
    ),
)
Index(
    "ix_indexed_passages_words",
    indexed_passages.c.words,
    postgresql_using="gin",
    postgresql_with={"fastupdate": "off"},
)

# The configurations in use: a question is stemmed by each of them.
indexed_languages = Table("indexed_languages", metadata, Column("config", Text, primary_key=True))

# In what share of the passages a word is found, by a sample; words that are not here are rare.
lexeme_shares = Table(
    "lexeme_shares",
    metadata,
    Column("lexeme", Text, primary_key=True),
    Column("share", Float, nullable=False),
)

# How many passages there were when words were last counted: one row.
lexeme_counts = Table(
    "lexeme_counts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("passages", Integer, nullable=False),
)
