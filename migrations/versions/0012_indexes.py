"""What is tidied up is found by an index, and a claim knows whose it is."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("remembered_replies", sa.Column("holder", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_remembered_replies_unanswered",
        "remembered_replies",
        ["claimed_at"],
        postgresql_where=sa.text("status IS NULL"),
    )
    op.create_index("ix_summary_nodes_created_at", "summary_nodes", ["created_at"])
    op.create_index(
        "ix_audit_events_erasures",
        "audit_events",
        ["id"],
        postgresql_where=sa.text("act = 'account_erased'"),
    )


def downgrade() -> None:
    op.drop_index("ix_audit_events_erasures", "audit_events")
    op.drop_index("ix_summary_nodes_created_at", "summary_nodes")
    op.drop_index("ix_remembered_replies_unanswered", "remembered_replies")
    op.drop_column("remembered_replies", "holder")
