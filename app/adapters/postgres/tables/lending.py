from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Uuid,
)

from app.adapters.postgres.tables.base import Moment, mapper_registry, metadata
from app.domains.lending.model import Loan

# An open loan holds on to its copy and so to its book, a returned one goes with the book. Both
# hang on generated columns that are null in the other case: a cascade from book_id itself
# would take open loans along before the copies they hold on to are asked.
loans = Table(
    "loans",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("book_id", Uuid, nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="SET NULL")),
    Column("copy_number", Integer),
    Column("borrowed_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("returned_at", Moment),
    Column("renewals", Integer, nullable=False),
    Column(
        "open_book_id",
        Uuid,
        Computed("CASE WHEN returned_at IS NULL THEN book_id END", persisted=True),
    ),
    Column(
        "open_copy_number",
        Integer,
        Computed("CASE WHEN returned_at IS NULL THEN copy_number END", persisted=True),
    ),
    Column(
        "returned_book_id",
        ForeignKey("books.id", ondelete="CASCADE"),
        Computed("CASE WHEN returned_at IS NOT NULL THEN book_id END", persisted=True),
        index=True,
    ),
    ForeignKeyConstraint(
        ["open_book_id", "open_copy_number"],
        ["copies.book_id", "copies.number"],
        name="fk_loans_open_copy",
        ondelete="RESTRICT",
    ),
    CheckConstraint(
        "returned_at IS NOT NULL OR (copy_number IS NOT NULL AND user_id IS NOT NULL)", name="open"
    ),
    CheckConstraint("returned_at >= borrowed_at", name="order"),
)
Index("uq_loans_open_copy", loans.c.open_book_id, loans.c.open_copy_number, unique=True)
Index(
    "uq_loans_open_reader",
    loans.c.book_id,
    loans.c.user_id,
    unique=True,
    postgresql_where=loans.c.returned_at.is_(None),
)
Index("ix_loans_reader", loans.c.user_id, loans.c.borrowed_at, loans.c.id)
Index("ix_loans_book", loans.c.book_id, loans.c.user_id)

# That somebody borrowed a book, for who knows who they are and holds the library's key: a list
# of it says nothing.
borrowing_marks = Table(
    "borrowing_marks",
    metadata,
    Column("mark", LargeBinary, primary_key=True),
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), nullable=False, index=True),
)


def map_lending() -> None:
    mapper_registry.map_imperatively(
        Loan,
        loans,
        exclude_properties={"open_book_id", "open_copy_number", "returned_book_id"},
    )
