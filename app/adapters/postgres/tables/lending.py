from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Uuid,
)

from app.adapters.postgres.tables.base import Moment, mapper_registry, metadata
from app.domains.lending.model import Loan

# An open loan holds on to its copy, its book and its reader (the generated columns are null
# once it is returned); a returned one goes with the book and forgets the reader.
loans = Table(
    "loans",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), nullable=False),
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
Index("ix_loans_reader", loans.c.user_id, loans.c.borrowed_at.desc(), loans.c.id)
Index("ix_loans_book", loans.c.book_id, loans.c.user_id)


def map_lending() -> None:
    mapper_registry.map_imperatively(
        Loan, loans, exclude_properties={"open_book_id", "open_copy_number"}
    )
