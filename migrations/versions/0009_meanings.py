"""Passages by their meaning, where PostgreSQL has pgvector; nothing else needs it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "embedding_models",
        sa.Column("id", sa.SmallInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column(
            "used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name="pk_embedding_models"),
        sa.UniqueConstraint("reference", name="uq_embedding_models_reference"),
    )
    # A function, because the extension may come to the server long after this: whoever has
    # vectors to keep asks again. Half vectors came with pgvector 0.7, filtered searches that
    # go on until enough is found with 0.8.
    op.execute(
        """
        CREATE FUNCTION lumina_open_vectors() RETURNS boolean
        LANGUAGE plpgsql AS $$
        BEGIN
          IF to_regclass('passage_vectors') IS NOT NULL THEN
            RETURN true;
          END IF;
          PERFORM pg_advisory_xact_lock(5112027);
          BEGIN
            CREATE EXTENSION IF NOT EXISTS vector;
          EXCEPTION
            WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
              RETURN false;
          END;
          IF (SELECT string_to_array(extversion, '.')::int[] < '{0,8}'
              FROM pg_extension WHERE extname = 'vector') THEN
            RETURN false;
          END IF;
          CREATE TABLE IF NOT EXISTS passage_vectors (
            book_id uuid NOT NULL,
            ordinal integer NOT NULL,
            model smallint NOT NULL,
            content bytea NOT NULL,
            vector halfvec NOT NULL,
            CONSTRAINT pk_passage_vectors PRIMARY KEY (book_id, ordinal, model),
            CONSTRAINT fk_passage_vectors_passage FOREIGN KEY (book_id, ordinal)
              REFERENCES passages (book_id, ordinal) ON DELETE CASCADE,
            CONSTRAINT fk_passage_vectors_model FOREIGN KEY (model)
              REFERENCES embedding_models (id)
          ) WITH (toast_tuple_target = 8160);
          CREATE INDEX IF NOT EXISTS ix_passage_vectors_content
            ON passage_vectors (model, content);
          RETURN true;
        END $$
        """
    )
    op.execute("SELECT lumina_open_vectors()")


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS passage_vectors")
    op.execute("DROP FUNCTION lumina_open_vectors()")
    op.drop_table("embedding_models")
