"""Recommending: what was viewed, what was forgotten, how likely each book was shown, and the
fitted models."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "views",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_views_book_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_views_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("book_id", "user_id", "day", name="pk_views"),
    )
    op.create_index("ix_views_at", "views", ["at"])
    op.create_index("ix_views_reader", "views", ["user_id", "at"])
    op.create_table(
        "forgotten",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_forgotten_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name="pk_forgotten"),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("books", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
    )
    op.create_index("ix_models_newest", "models", ["name", "published_at"])
    op.add_column(
        "showings",
        sa.Column("propensities", sa.ARRAY(sa.Float()), server_default="{}", nullable=False),
    )
    op.create_index("ix_showings_shown_at", "showings", ["shown_at"])
    op.add_column("feedback", sa.Column("propensity", sa.Float(), nullable=True))
    op.create_index("ix_feedback_book_id", "feedback", ["book_id"])
    # The latest of what was said more than once is what counted.
    op.execute(
        "DELETE FROM feedback WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER"
        " (PARTITION BY showing_id, book_id, action ORDER BY at DESC, id DESC) AS place"
        " FROM feedback) AS said WHERE place > 1)"
    )
    op.create_index(
        "uq_feedback_once", "feedback", ["showing_id", "book_id", "action"], unique=True
    )
    op.create_index("ix_books_updated_at", "books", ["updated_at"])
    op.create_index("ix_summaries_updated_at", "summaries", ["updated_at"])


def downgrade() -> None:
    op.drop_index("ix_summaries_updated_at", "summaries")
    op.drop_index("ix_books_updated_at", "books")
    op.drop_index("uq_feedback_once", "feedback")
    op.drop_index("ix_feedback_book_id", "feedback")
    op.drop_column("feedback", "propensity")
    op.drop_index("ix_showings_shown_at", "showings")
    op.drop_column("showings", "propensities")
    op.drop_table("models")
    op.drop_table("forgotten")
    op.drop_table("views")
