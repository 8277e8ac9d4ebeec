"""Who you are and what you may do."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    MEMBER = "member"
    LIBRARIAN = "librarian"
    ADMIN = "admin"


@dataclass(eq=False, kw_only=True)
class User:
    """Somebody with an account. The e-mail is kept as typed and unique without case."""

    id: UUID
    email: str
    display_name: str
    role: str
    password_hash: str
    disabled: bool
    created_at: datetime

    @property
    def keeps_the_library(self) -> bool:
        """May change what belongs to others: librarians and admins."""
        return self.role in (Role.LIBRARIAN, Role.ADMIN)

    @property
    def governs(self) -> bool:
        return self.role == Role.ADMIN


@dataclass(eq=False, kw_only=True)
class Session:
    """One sign-in: the family of refresh tokens that followed from it. Only the hash of
    the current one is kept."""

    id: UUID
    user_id: UUID
    refresh_hash: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    def alive_at(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at


@dataclass(eq=False, kw_only=True)
class SpentToken:
    refresh_hash: str
    session_id: UUID
    spent_at: datetime
