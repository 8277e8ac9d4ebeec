from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
)

from app.adapters.postgres.tables.base import Json, Moment, mapper_registry, metadata
from app.adapters.postgres.tables.catalog import books, summaries
from app.domains.recommendations.model import Feedback, Preferences, Showing, StoredModel

preferences = Table(
    "preferences",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("genres", Json, nullable=False),
    Column("authors", Json, nullable=False),
    Column("tags", Json, nullable=False),
    Column("languages", Json, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

# One row a reader, book and day.
views = Table(
    "views",
    metadata,
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("at", Moment, nullable=False, index=True),
)
Index("ix_views_reader", views.c.user_id, views.c.at)

# Since when a reader's deeds may be learnt from again.
forgotten = Table(
    "forgotten",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("at", Moment, nullable=False),
)

showings = Table(
    "showings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("model", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("book_ids", ARRAY(Uuid), nullable=False),
    Column("propensities", ARRAY(Float), nullable=False, server_default="{}"),
    Column("shown_at", Moment, nullable=False, index=True),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("showing_id", ForeignKey("showings.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("action", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("propensity", Float),
    CheckConstraint("action in ('click', 'like', 'dismiss')", name="action"),
)
Index("ix_feedback_reader", feedback.c.user_id, feedback.c.book_id)
Index(
    "uq_feedback_once",
    feedback.c.showing_id,
    feedback.c.book_id,
    feedback.c.action,
    unique=True,
)

models = Table(
    "models",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("storage_key", Text, nullable=False),
    Column("announced_at", Moment, nullable=False),
    Column("books", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("size", BigInteger),
    Column("sha256", Text),
    Column("published_at", Moment),
)
Index("ix_models_newest", models.c.name, models.c.published_at)

# What the revision of the library is summed up from, without reading a book.
Index("ix_books_updated_at", books.c.updated_at)
Index("ix_summaries_updated_at", summaries.c.updated_at)


def map_recommendations() -> None:
    mapper_registry.map_imperatively(Preferences, preferences)
    mapper_registry.map_imperatively(Showing, showings)
    mapper_registry.map_imperatively(Feedback, feedback)
    mapper_registry.map_imperatively(StoredModel, models)
