from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
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
        "found_by",
        Text,
        Computed("lumina_found_by(title, author, tags, description)", persisted=True),
    ),
    # Short, so that a typo can be looked for in all of them; a description takes too long.
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
Index("ix_books_year_published", books.c.year_published, books.c.id)
Index("ix_books_created_at", books.c.created_at, books.c.id)
Index("ix_books_isbn", books.c.isbn)
for names in ("genres", "tags"):
    Index(f"ix_books_{names}", func.lumina_fold_all(books.c[names]), postgresql_using="gin")
for line in ("found_by", "named_by"):
    Index(
        f"ix_books_{line}",
        books.c[line],
        postgresql_using="gin",
        postgresql_ops={line: "gin_trgm_ops"},
    )

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
        exclude_properties={"found_by", "named_by"},
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
