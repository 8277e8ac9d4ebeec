"""Keys that have to last as long as what was made with them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "kept_keys",
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("purpose", name="pk_kept_keys"),
    )
    # 244 bits from the system's source of randomness, without an extension.
    op.execute(
        "INSERT INTO kept_keys VALUES ('borrowing marks',"
        " uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"
    )


def downgrade() -> None:
    op.drop_table("kept_keys")
