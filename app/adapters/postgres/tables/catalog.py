from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import composite

from app.adapters.postgres.tables.base import Json, Moment, Texts, mapper_registry, metadata
from app.domains.catalog.model import Book, Content, Ingestion, Summary

books = Table(
    "books",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("title", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("genres", Texts, nullable=False),
    Column("year_published", Integer),
    Column("isbn", Text),
    Column("language", Text),
    Column("tags", Texts, nullable=False),
    Column("description", Text),
    Column("copies", Integer, nullable=False),
    Column("added_by", ForeignKey("users.id", ondelete="SET NULL"), index=True),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("version", Integer, nullable=False),
    Column("storage_key", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("ingestion_status", Text, nullable=False),
    Column("ingestion_done", Integer, nullable=False),
    Column("ingestion_planned", Integer, nullable=False),
    Column("ingestion_error_code", Text),
    Column("ingestion_error_detail", Text),
    Column("words", Integer),
    Column("notes", Texts, nullable=False),
    Column("unsaid", Texts, nullable=False),
    Column(
        "said",
        TSVECTOR,
        Computed(
            "strip(to_tsvector('lumina'::regconfig,"
            " lumina_found_by(title, author, tags, description)))",
            persisted=True,
        ),
    ),
    # Short, so that any part of it can be looked for; a description takes too long.
    Column(
        "named_by",
        Text,
        Computed("lumina_found_by(title, author, tags, NULL)", persisted=True),
    ),
    UniqueConstraint("sha256", name="uq_books_sha256"),
    CheckConstraint("copies between 1 and 10000", name="copies"),
)
Index("ix_books_title", func.lumina_fold(books.c.title), books.c.id)
Index("ix_books_author", func.lumina_fold(books.c.author), books.c.id)
Index("ix_books_language", books.c.language, func.lumina_fold(books.c.title), books.c.id)
# Undated books stand at the end, either way.
UNDATED = {"first": -32_768, "last": 32_767}
for when, year in UNDATED.items():
    Index(
        f"ix_books_year_undated_{when}",
        func.coalesce(books.c.year_published, text(str(year))),
        books.c.id,
    )
Index("ix_books_created_at", books.c.created_at, books.c.id)
Index("ix_books_isbn", books.c.isbn)
for names in ("genres", "tags"):
    Index(f"ix_books_{names}", func.lumina_fold_all(books.c[names]), postgresql_using="gin")
# Else whoever searches reads through what was not yet filed.
_FILED = {"fastupdate": "off"}
Index("ix_books_said", books.c.said, postgresql_using="gin", postgresql_with=_FILED)
Index(
    "ix_books_named_by",
    books.c.named_by,
    postgresql_using="gin",
    postgresql_ops={"named_by": "gin_trgm_ops"},
    postgresql_with=_FILED,
)
# What trigrams do not see: one sign, and two in a row, one of them no plain letter or digit.
Index(
    "ix_books_signs",
    func.lumina_signs(books.c.named_by),
    postgresql_using="gin",
    postgresql_with=_FILED,
)

# How many books have a value, kept by triggers: the sums, and what is not added to them yet.
# `key` is a hash of the value as it is compared, `number` a year.
book_counts = Table(
    "book_counts",
    metadata,
    Column("facet", Text, primary_key=True),
    Column("key", Uuid, primary_key=True),
    Column("label", Text, nullable=False),
    Column("number", Integer),
    Column("count", Integer, nullable=False),
)
Index("ix_book_counts_commonest", book_counts.c.facet, book_counts.c["count"])
book_count_changes = Table(
    "book_count_changes",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("facet", Text, nullable=False),
    Column("key", Uuid, nullable=False),
    Column("label", Text, nullable=False),
    Column("number", Integer),
    Column("change", Integer, nullable=False),
)
Index("ix_book_count_changes_key", book_count_changes.c.facet, book_count_changes.c.key)

# The words of titles, authors and tags, where the one that was meant is looked up: kept by
# triggers, and not forgotten with a book.
known_words = Table("known_words", metadata, Column("word", Text, primary_key=True))
Index("ix_known_words_near", func.lumina_near(known_words.c.word), postgresql_using="gin")

# Where each book stands by its rating, kept by triggers; unrated books at -1.
standings = Table(
    "standings",
    metadata,
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), primary_key=True),
    Column("rating", Float, nullable=False),
)
Index("ix_standings_rating", standings.c.rating, standings.c.book_id)

# One row a copy: an open loan refers to it, so that no copy is lent that is not there.
copies = Table(
    "copies",
    metadata,
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
)

chapters = Table(
    "chapters",
    metadata,
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("title", Text, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("page", Integer),
)

# The text of a book, cut between sentences; the passages in order are the whole text.
passages = Table(
    "passages",
    metadata,
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("chapter", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("words", TSVECTOR, Computed("to_tsvector('lumina'::regconfig, text)", persisted=True)),
)
Index("ix_passages_words", passages.c.words, postgresql_using="gin")

# Files that were announced before their first byte was written and belong to no book yet.
announced_files = Table(
    "announced_files",
    metadata,
    Column("storage_key", Text, primary_key=True),
    Column("announced_at", Moment, nullable=False, index=True),
)

summaries = Table(
    "summaries",
    metadata,
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), primary_key=True),
    Column("run", Uuid, nullable=False),
    Column("status", Text, nullable=False),
    Column("done", Integer, nullable=False),
    Column("planned", Integer, nullable=False),
    Column("presentation", Json),
    Column("error", Json),
    Column("updated_at", Moment, nullable=False),
)

# What bears out each sentence shown: looked at far less often than the summary itself.
summary_evidence = Table(
    "summary_evidence",
    metadata,
    Column("book_id", ForeignKey("summaries.book_id", ondelete="CASCADE"), primary_key=True),
    Column("evidence", Json, nullable=False),
)

summary_nodes = Table(
    "summary_nodes",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("output", Json, nullable=False),
    Column("degraded", Boolean, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("tokens_in", Integer, nullable=False),
    Column("tokens_out", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
)

Index("ix_summary_nodes_created_at", summary_nodes.c.created_at)

# Which book grew from which nodes; a node no book uses may go.
summary_uses = Table(
    "summary_uses",
    metadata,
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "key", ForeignKey("summary_nodes.key", ondelete="CASCADE"), primary_key=True, index=True
    ),
)


def map_catalog() -> None:
    mapper_registry.map_imperatively(
        Book,
        books,
        exclude_properties={"said", "named_by"},
        properties={
            "content": composite(
                Content,
                *(books.c[c] for c in ("storage_key", "media_type", "size", "sha256", "filename")),
            ),
            "ingestion": composite(
                Ingestion,
                *(
                    books.c[f"ingestion_{c}"]
                    for c in ("status", "done", "planned", "error_code", "error_detail")
                ),
            ),
        },
    )
    mapper_registry.map_imperatively(Summary, summaries)
