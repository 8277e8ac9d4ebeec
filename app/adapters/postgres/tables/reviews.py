from sqlalchemy import (
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
)

from app.adapters.postgres.tables.base import Json, Moment, mapper_registry, metadata
from app.domains.reviews.model import Consensus, Review

reviews = Table(
    "reviews",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="SET NULL"), index=True),
    Column("rating", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("read_revision", Integer, nullable=False),
    Column("read_by", Text),
    Column("read_with", Text),
    Column("read_degraded", Boolean, nullable=False),
    Column("words_key", Text, nullable=False),
    Column("language", Text),
    UniqueConstraint("book_id", "user_id", name="uq_reviews_reader"),
    CheckConstraint("rating between 1 and 5", name="rating"),
)
Index("ix_reviews_newest", reviews.c.book_id, reviews.c.created_at, reviews.c.id)
Index("ix_reviews_rating", reviews.c.book_id, reviews.c.rating, reviews.c.id)
Index("ix_reviews_words_key", reviews.c.words_key)

review_opinions = Table(
    "review_opinions",
    metadata,
    Column("review_id", ForeignKey("reviews.id", ondelete="CASCADE"), primary_key=True),
    Column("sentence", Integer, primary_key=True),
    Column("aspect", Text, primary_key=True),
    Column("polarity", Text, nullable=False),
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), nullable=False),
    Column("quote", Text, nullable=False),
    Column("telling", Boolean, Computed("char_length(quote) BETWEEN 30 AND 200", persisted=True)),
)
# Walked backwards: the telling sentences of the newest reviews come first.
Index(
    "ix_review_opinions_exemplars",
    *(
        review_opinions.c[name]
        for name in ("book_id", "aspect", "polarity", "telling", "review_id", "sentence")
    ),
)

rating_stats = Table(
    "rating_stats",
    metadata,
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    *(Column(f"stars_{n}", Integer, nullable=False) for n in range(1, 6)),
)

aspect_stats = Table(
    "aspect_stats",
    metadata,
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), primary_key=True),
    Column("aspect", Text, primary_key=True),
    Column("positive", Integer, nullable=False),
    Column("negative", Integer, nullable=False),
    Column("mixed", Integer, nullable=False),
)

consensus = Table(
    "consensus",
    metadata,
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), primary_key=True),
    Column("status", Text, nullable=False),
    Column("text", Text),
    Column("basis", Json, nullable=False),
    Column("reviews_covered", Integer, nullable=False),
    Column("retractions", Integer, nullable=False),
    Column("vouched", Integer, nullable=False),
    Column("provider", Text),
    Column("model", Text),
    Column("prompt", Text),
    Column("degraded", Boolean, nullable=False),
    Column("updated_at", Moment, nullable=False),
)


def map_reviews() -> None:
    mapper_registry.map_imperatively(Review, reviews)
    mapper_registry.map_imperatively(Consensus, consensus)
