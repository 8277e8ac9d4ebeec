"""What bears out each sentence of a summary."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "summary_evidence",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"],
            ["summaries.book_id"],
            name="fk_summary_evidence_book_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("book_id", name="pk_summary_evidence"),
    )


def downgrade() -> None:
    op.drop_table("summary_evidence")
