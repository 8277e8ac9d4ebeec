"""The library: accounts, books and their text, loans, reviews, recommendations, reports of jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "announced_files",
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("storage_key", name="pk_announced_files"),
    )
    op.create_index("ix_announced_files_announced_at", "announced_files", ["announced_at"])
    op.create_table(
        "failed_logins",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("window_started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_failed_logins"),
    )
    op.create_table(
        "summary_nodes",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("output", postgresql.JSONB(), nullable=False),
        sa.Column("degraded", sa.Boolean(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("tokens_in", sa.Integer(), nullable=False),
        sa.Column("tokens_out", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_summary_nodes"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role in ('member', 'librarian', 'admin')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_index("uq_users_email", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "books",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("genres", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("year_published", sa.Integer(), nullable=True),
        sa.Column("isbn", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("copies", sa.Integer(), nullable=False),
        sa.Column("added_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("ingestion_status", sa.Text(), nullable=False),
        sa.Column("ingestion_done", sa.Integer(), nullable=False),
        sa.Column("ingestion_planned", sa.Integer(), nullable=False),
        sa.Column("ingestion_error_code", sa.Text(), nullable=True),
        sa.Column("ingestion_error_detail", sa.Text(), nullable=True),
        sa.Column("words", sa.Integer(), nullable=True),
        sa.Column("notes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("unsaid", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "found_by",
            sa.Text(),
            sa.Computed("lumina_found_by(title, author, tags, description)", persisted=True),
            nullable=True,
        ),
        sa.Column(
            "named_by",
            sa.Text(),
            sa.Computed("lumina_found_by(title, author, tags, NULL)", persisted=True),
            nullable=True,
        ),
        sa.CheckConstraint("copies between 1 and 10000", name=op.f("ck_books_copies")),
        sa.ForeignKeyConstraint(
            ["added_by"], ["users.id"], name="fk_books_added_by", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_books"),
        sa.UniqueConstraint("sha256", name="uq_books_sha256"),
    )
    op.create_index("ix_books_added_by", "books", ["added_by"])
    op.create_index("ix_books_author", "books", [sa.text("lumina_fold(author)"), "id"])
    op.create_index("ix_books_created_at", "books", ["created_at", "id"])
    op.create_index(
        "ix_books_found_by",
        "books",
        ["found_by"],
        postgresql_using="gin",
        postgresql_ops={"found_by": "gin_trgm_ops"},
    )
    op.create_index(
        "ix_books_named_by",
        "books",
        ["named_by"],
        postgresql_using="gin",
        postgresql_ops={"named_by": "gin_trgm_ops"},
    )
    op.create_index("ix_books_isbn", "books", ["isbn"])
    for column in ("genres", "tags"):
        folded = sa.text(f"lumina_fold_all({column})")
        op.create_index(f"ix_books_{column}", "books", [folded], postgresql_using="gin")
    op.create_index("ix_books_title", "books", [sa.text("lumina_fold(title)"), "id"])
    op.create_index("ix_books_year_published", "books", ["year_published", "id"])
    op.create_table(
        "job_reports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("queue_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("planned", sa.Integer(), server_default="1", nullable=False),
        sa.Column("strikes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("result", postgresql.JSONB(), nullable=True),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name="fk_job_reports_owner_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_job_reports"),
        sa.UniqueConstraint("queue_id", name="uq_job_reports_queue_id"),
    )
    op.create_index("ix_job_reports_owner_id", "job_reports", ["owner_id"])
    op.create_table(
        "preferences",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("genres", postgresql.JSONB(), nullable=False),
        sa.Column("authors", postgresql.JSONB(), nullable=False),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        sa.Column("languages", postgresql.JSONB(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_preferences_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name="pk_preferences"),
    )
    op.create_table(
        "remembered_replies",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_remembered_replies_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "key", name="pk_remembered_replies"),
    )
    op.create_index("ix_remembered_replies_claimed_at", "remembered_replies", ["claimed_at"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("refresh_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_sessions_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("refresh_hash", name="uq_sessions_refresh_hash"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "showings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("book_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_showings_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_showings"),
    )
    op.create_index("ix_showings_user_id", "showings", ["user_id"])
    op.create_table(
        "aspect_stats",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("aspect", sa.Text(), nullable=False),
        sa.Column("positive", sa.Integer(), nullable=False),
        sa.Column("negative", sa.Integer(), nullable=False),
        sa.Column("mixed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_aspect_stats_book_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("book_id", "aspect", name="pk_aspect_stats"),
    )
    op.create_table(
        "chapters",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_chapters_book_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("book_id", "ordinal", name="pk_chapters"),
    )
    op.create_table(
        "consensus",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("basis", postgresql.JSONB(), nullable=False),
        sa.Column("reviews_covered", sa.Integer(), nullable=False),
        sa.Column("retractions", sa.Integer(), nullable=False),
        sa.Column("vouched", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("degraded", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_consensus_book_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("book_id", name="pk_consensus"),
    )
    op.create_table(
        "copies",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_copies_book_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("book_id", "number", name="pk_copies"),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("showing_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "action in ('click', 'like', 'dismiss')", name=op.f("ck_feedback_action")
        ),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_feedback_book_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["showing_id"], ["showings.id"], name="fk_feedback_showing_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_feedback_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_reader", "feedback", ["user_id", "book_id"])
    op.create_table(
        "passages",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("chapter", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "words",
            postgresql.TSVECTOR(),
            sa.Computed("to_tsvector('lumina'::regconfig, text)", persisted=True),
            nullable=True,
        ),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_passages_book_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("book_id", "ordinal", name="pk_passages"),
    )
    op.create_index("ix_passages_words", "passages", ["words"], postgresql_using="gin")
    op.create_table(
        "rating_stats",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("stars_1", sa.Integer(), nullable=False),
        sa.Column("stars_2", sa.Integer(), nullable=False),
        sa.Column("stars_3", sa.Integer(), nullable=False),
        sa.Column("stars_4", sa.Integer(), nullable=False),
        sa.Column("stars_5", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_rating_stats_book_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("book_id", name="pk_rating_stats"),
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("read_revision", sa.Integer(), nullable=False),
        sa.Column("read_by", sa.Text(), nullable=True),
        sa.Column("read_degraded", sa.Boolean(), nullable=False),
        sa.CheckConstraint("rating between 1 and 5", name=op.f("ck_reviews_rating")),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_reviews_book_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_reviews_user_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
        sa.UniqueConstraint("book_id", "user_id", name="uq_reviews_reader"),
    )
    op.create_index("ix_reviews_newest", "reviews", ["book_id", "created_at", "id"])
    op.create_index("ix_reviews_rating", "reviews", ["book_id", "rating", "id"])
    op.create_index("ix_reviews_user_id", "reviews", ["user_id"])
    op.create_table(
        "spent_tokens",
        sa.Column("refresh_hash", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="fk_spent_tokens_session_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("refresh_hash", name="pk_spent_tokens"),
    )
    op.create_index("ix_spent_tokens_session_id", "spent_tokens", ["session_id"])
    op.create_table(
        "summaries",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("run", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("planned", sa.Integer(), nullable=False),
        sa.Column("presentation", postgresql.JSONB(), nullable=True),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_summaries_book_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("book_id", name="pk_summaries"),
    )
    op.create_table(
        "summary_uses",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_summary_uses_book_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["key"], ["summary_nodes.key"], name="fk_summary_uses_key", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("book_id", "key", name="pk_summary_uses"),
    )
    op.create_index("ix_summary_uses_key", "summary_uses", ["key"])
    op.create_table(
        "loans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("copy_number", sa.Integer(), nullable=True),
        sa.Column("borrowed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("renewals", sa.Integer(), nullable=False),
        sa.Column(
            "open_book_id",
            sa.Uuid(),
            sa.Computed("CASE WHEN returned_at IS NULL THEN book_id END", persisted=True),
            nullable=True,
        ),
        sa.Column(
            "open_copy_number",
            sa.Integer(),
            sa.Computed("CASE WHEN returned_at IS NULL THEN copy_number END", persisted=True),
            nullable=True,
        ),
        sa.Column(
            "returned_book_id",
            sa.Uuid(),
            sa.Computed("CASE WHEN returned_at IS NOT NULL THEN book_id END", persisted=True),
            nullable=True,
        ),
        sa.CheckConstraint("returned_at >= borrowed_at", name=op.f("ck_loans_order")),
        sa.CheckConstraint(
            "returned_at IS NOT NULL OR (copy_number IS NOT NULL AND user_id IS NOT NULL)",
            name=op.f("ck_loans_open"),
        ),
        sa.ForeignKeyConstraint(
            ["returned_book_id"],
            ["books.id"],
            name="fk_loans_returned_book_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["open_book_id", "open_copy_number"],
            ["copies.book_id", "copies.number"],
            name="fk_loans_open_copy",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_loans_user_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_loans"),
    )
    op.create_index("ix_loans_book", "loans", ["book_id", "user_id"])
    op.create_index("ix_loans_returned_book_id", "loans", ["returned_book_id"])
    op.create_index("ix_loans_reader", "loans", ["user_id", "borrowed_at", "id"])
    op.create_index(
        "uq_loans_open_copy", "loans", ["open_book_id", "open_copy_number"], unique=True
    )
    op.create_index(
        "uq_loans_open_reader",
        "loans",
        ["book_id", "user_id"],
        unique=True,
        postgresql_where=sa.text("returned_at IS NULL"),
    )
    op.create_table(
        "review_opinions",
        sa.Column("review_id", sa.Uuid(), nullable=False),
        sa.Column("sentence", sa.Integer(), nullable=False),
        sa.Column("aspect", sa.Text(), nullable=False),
        sa.Column("polarity", sa.Text(), nullable=False),
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column(
            "telling",
            sa.Boolean(),
            sa.Computed("char_length(quote) BETWEEN 30 AND 200", persisted=True),
            nullable=True,
        ),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_review_opinions_book_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["review_id"], ["reviews.id"], name="fk_review_opinions_review_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("review_id", "sentence", "aspect", name="pk_review_opinions"),
    )
    op.create_index(
        "ix_review_opinions_exemplars",
        "review_opinions",
        ["book_id", "aspect", "polarity", "telling", "review_id", "sentence"],
    )


def downgrade() -> None:
    op.drop_table("review_opinions")
    op.drop_table("loans")
    op.drop_table("summary_uses")
    op.drop_table("summaries")
    op.drop_table("spent_tokens")
    op.drop_table("reviews")
    op.drop_table("rating_stats")
    op.drop_table("passages")
    op.drop_table("feedback")
    op.drop_table("copies")
    op.drop_table("consensus")
    op.drop_table("chapters")
    op.drop_table("aspect_stats")
    op.drop_table("showings")
    op.drop_table("sessions")
    op.drop_table("remembered_replies")
    op.drop_table("preferences")
    op.drop_table("job_reports")
    op.drop_table("books")
    op.drop_table("users")
    op.drop_table("summary_nodes")
    op.drop_table("failed_logins")
    op.drop_table("announced_files")
