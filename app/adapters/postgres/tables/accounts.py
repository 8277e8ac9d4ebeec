from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    func,
)

from app.adapters.postgres.tables.base import Moment, mapper_registry, metadata
from app.domains.accounts.model import Session, SpentToken, User

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("disabled", Boolean, nullable=False, server_default="false"),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("role in ('member', 'librarian', 'admin')", name="role"),
)
Index("uq_users_email", func.lower(users.c.email), unique=True)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("refresh_hash", Text, nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

# Refresh tokens that were exchanged already: one of them coming back means theft.
spent_tokens = Table(
    "spent_tokens",
    metadata,
    Column("refresh_hash", Text, primary_key=True),
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("spent_at", Moment, nullable=False),
)

# Failed sign-ins by account (its lower-case e-mail, known or not, so that guessing slows down
# equally) and by address of the network.
failed_logins = Table(
    "failed_logins",
    metadata,
    Column("account", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("window_started_at", Moment, nullable=False),
)


def map_accounts() -> None:
    mapper_registry.map_imperatively(User, users)
    mapper_registry.map_imperatively(Session, sessions)
    mapper_registry.map_imperatively(SpentToken, spent_tokens)
