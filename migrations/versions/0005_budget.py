"""The budget of the language model: tokens taken, by who pays."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "taken_tokens",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_taken_tokens"),
    )


def downgrade() -> None:
    op.drop_table("taken_tokens")
