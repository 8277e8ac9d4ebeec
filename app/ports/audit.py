"""Who did what that not everybody may do, written down with the deed itself.

Where an act comes from is said once, by the door it came in through (around a request, around
a command), and holds for everything that is done meanwhile.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

Outcome = Literal["done", "refused"]


class Door(StrEnum):
    HTTP = "http"
    COMMAND_LINE = "command_line"
    JOB = "job"


class Act(StrEnum):
    """What is written down; the values are for programs and never change."""

    ACCOUNT_ERASED = "account_erased"
    ADMIN_CREATED = "admin_created"
    AUDIT_READ = "audit_read"
    BOOK_CHANGED = "book_changed"
    BOOK_WITHDRAWN = "book_withdrawn"
    DATA_EXPORTED = "data_exported"
    FILES_SCRUBBED = "files_scrubbed"
    JOB_SEEN = "job_seen"
    LIBRARY_RESTORED = "library_restored"
    LIBRARY_SAVED = "library_saved"
    MODEL_FITTED = "model_fitted"
    ORPHANS_REMOVED = "orphans_removed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    REVIEW_WITHDRAWN = "review_withdrawn"
    REVIEWS_RECOUNTED = "reviews_recounted"
    ROLE_CHANGED = "role_changed"
    SEARCH_REINDEXED = "search_reindexed"
    SESSION_ROBBED = "session_robbed"
    SIGN_IN_THROTTLED = "sign_in_throttled"
    USER_DISABLED = "user_disabled"
    USER_ENABLED = "user_enabled"
    USERS_LISTED = "users_listed"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an act comes from: the door, and behind it whose session at which address."""

    door: Door = Door.JOB
    user_id: UUID | None = None
    session_id: UUID | None = None
    address: str | None = None


NOWHERE = Origin()
_CURRENT: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


@contextmanager
def coming_from(origin: Origin) -> Iterator[None]:
    """Within the block, and in tasks started there, acts come from there."""
    token = _CURRENT.set(origin)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_origin() -> Origin:
    return _CURRENT.get()


@dataclass(frozen=True, slots=True)
class Subject:
    """What the act was done to: a kind (`user`, `book` …) and which of them."""

    kind: str
    id: str


class AuditTrail(ABC):
    """The writing side, a part of every unit of work."""

    @abstractmethod
    async def note(
        self, act: Act, subject: Subject, *, outcome: Outcome = "done", **details: Any
    ) -> None:
        """Write the act into the running transaction, from the current origin: it stays if
        and only if the rest does. `details` are JSON values and never secrets."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    id: UUID
    at: datetime
    origin: Origin
    act: str
    subject: Subject
    outcome: str
    details: Mapping[str, Any]
