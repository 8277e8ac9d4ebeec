"""Who borrowed what without a list of it, the audit log, and what stored files must be."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "borrowing_marks",
        sa.Column("mark", sa.LargeBinary(), nullable=False),
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_borrowing_marks_book_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("mark", name="pk_borrowing_marks"),
    )
    op.create_index("ix_borrowing_marks_book_id", "borrowing_marks", ["book_id"])
    _audit_log()
    _stored_files()


def _audit_log() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        # No foreign keys: what was done stays when those go who did it.
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
    )
    op.create_index("ix_audit_events_at", "audit_events", ["at"])
    op.create_index("ix_audit_events_actor", "audit_events", ["actor_id", "id"])
    op.create_index("ix_audit_events_object", "audit_events", ["object_id", "id"])
    # Whoever owns the database can drop all of it; this is against slips and the library itself.
    op.execute(
        """
        CREATE FUNCTION lumina_keep_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' AND current_setting('lumina.sweeps_audit', true) = 'yes' THEN
                RETURN OLD;
            END IF;
            RAISE EXCEPTION 'audit events are not changed' USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER keep_audit_events BEFORE UPDATE OR DELETE ON audit_events"
        " FOR EACH ROW EXECUTE FUNCTION lumina_keep_audit_events()"
    )
    op.execute(
        "CREATE TRIGGER keep_all_audit_events BEFORE TRUNCATE ON audit_events"
        " FOR EACH STATEMENT EXECUTE FUNCTION lumina_keep_audit_events()"
    )


def _stored_files() -> None:
    op.create_table(
        "stored_files",
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("block_size", sa.Integer(), nullable=True),
        sa.Column("blocks", sa.LargeBinary(), nullable=True),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("damage", sa.Text(), nullable=True),
        sa.Column("damaged_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("storage_key", name="pk_stored_files"),
    )
    # Digests are random bytes: to compress them costs time and gains nothing.
    op.execute("ALTER TABLE stored_files ALTER COLUMN blocks SET STORAGE EXTERNAL")
    op.create_index("ix_stored_files_checked_at", "stored_files", ["checked_at", "storage_key"])
    op.create_table(
        "scrub_rounds",
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("begun_at", name="pk_scrub_rounds"),
    )
    # Their blocks are added when they are first read whole.
    op.execute(
        "INSERT INTO stored_files (storage_key, size, sha256, stored_at)"
        " SELECT storage_key, size, sha256, created_at FROM books"
        " UNION ALL SELECT storage_key, size, sha256, published_at FROM models"
        " WHERE published_at IS NOT NULL"
        " ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    op.drop_table("scrub_rounds")
    op.drop_table("stored_files")
    op.drop_table("audit_events")
    op.execute("DROP FUNCTION lumina_keep_audit_events()")
    op.drop_table("borrowing_marks")
