from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, Uuid

from app.adapters.postgres.tables.base import Json, Moment, metadata

# What people may ask about a job of the queue: the queue's own tables belong to procrastinate.
job_reports = Table(
    "job_reports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("queue_id", BigInteger, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("owner_id", ForeignKey("users.id", ondelete="SET NULL"), index=True),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("planned", Integer, nullable=False, server_default="1"),
    Column("strikes", Integer, nullable=False, server_default="0"),
    Column("result", Json),
    Column("error", Json),
    Column("created_at", Moment, nullable=False),
)

# Answers given under an Idempotency-Key; without `status` the first request still runs.
remembered_replies = Table(
    "remembered_replies",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text),
    Column("status", Integer),
    Column("headers", Json),
    Column("body", Text),
    Column("claimed_at", Moment, nullable=False),
    Column("holder", Uuid),
)
Index("ix_remembered_replies_claimed_at", remembered_replies.c.claimed_at)
Index(
    "ix_remembered_replies_unanswered",
    remembered_replies.c.claimed_at,
    postgresql_where=remembered_replies.c.status.is_(None),
)
