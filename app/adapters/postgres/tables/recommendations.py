from sqlalchemy import ARRAY, CheckConstraint, Column, ForeignKey, Index, Table, Text, Uuid

from app.adapters.postgres.tables.base import Json, Moment, mapper_registry, metadata
from app.domains.recommendations.model import Feedback, Preferences, Showing

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

showings = Table(
    "showings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("model", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("book_ids", ARRAY(Uuid), nullable=False),
    Column("shown_at", Moment, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("showing_id", ForeignKey("showings.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("book_id", ForeignKey("books.id", ondelete="CASCADE"), nullable=False),
    Column("action", Text, nullable=False),
    Column("at", Moment, nullable=False),
    CheckConstraint("action in ('click', 'like', 'dismiss')", name="action"),
)
Index("ix_feedback_reader", feedback.c.user_id, feedback.c.book_id)


def map_recommendations() -> None:
    mapper_registry.map_imperatively(Preferences, preferences)
    mapper_registry.map_imperatively(Showing, showings)
    mapper_registry.map_imperatively(Feedback, feedback)
