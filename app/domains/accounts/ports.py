"""What the accounts room needs from outside."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domains.accounts.model import Failures, Session, SpentToken, User
from app.domains.accounts.model.audit import AuditQuery
from app.ports.audit import AuditEvent
from app.ports.work import UnitOfWork
from app.shared.pages import Page, PageRequest


class UserRepository(ABC):
    """Changes to what it hands out are kept when the work ends."""

    @abstractmethod
    def add(self, user: User) -> None:
        """EmailTaken at the end of the work when the address is in use, without case."""

    @abstractmethod
    async def by_email(self, email: str) -> User | None:
        """Whoever has this address, compared without case."""

    @abstractmethod
    async def hold(self, user_id: UUID) -> User | None:
        """The user as they are now; nobody else holds them until the work ends."""

    @abstractmethod
    async def hold_admins(self) -> Sequence[User]:
        """All who govern, held until the work ends, always in the same order."""

    @abstractmethod
    async def page(self, q: str | None, request: PageRequest) -> Page[User]:
        """In the order of signing up; `q` is a part of the address or the name."""

    @abstractmethod
    async def remove(self, user: User) -> None:
        """Erase the user and all that is only theirs; OpenLoans while something is lent."""


class SessionRepository(ABC):
    @abstractmethod
    def add(self, session: Session) -> None: ...

    @abstractmethod
    async def standing(self, session_id: UUID, user_id: UUID) -> tuple[User, Session] | None:
        """The session and whose it is, in one read."""

    @abstractmethod
    async def hold(self, refresh_hash: str) -> Session | None:
        """The session that goes on with this token. Of many who ask at once one gets it;
        the others wait for the end of that work and find the token exchanged."""

    @abstractmethod
    def spend(self, token: SpentToken) -> None: ...

    @abstractmethod
    async def end_robbed(self, refresh_hash: str) -> Session | None:
        """End the session that exchanged this token before; it, if there was one."""

    @abstractmethod
    async def end(self, session_id: UUID) -> None: ...

    @abstractmethod
    async def end_all(self, user_id: UUID, *, but: UUID | None = None) -> None: ...

    @abstractmethod
    async def forget_expired(self, now: datetime) -> None: ...


class FailedSignIns(ABC):
    """Counted by what they were tried on or where they came from, a name of any kind."""

    @abstractmethod
    async def of(self, name: str, *, since: datetime) -> Failures | None:
        """The window that is running, if it began at or after `since`."""

    @abstractmethod
    async def count(self, name: str, *, now: datetime, since: datetime) -> Failures:
        """Count one more, in a new window when the old one began before `since`. Of many
        at once each gets its own number."""

    @abstractmethod
    async def clear(self, name: str) -> None: ...

    @abstractmethod
    async def forget(self, *, before: datetime) -> None:
        """Drop the windows that began earlier."""


class PersonalData(ABC):
    """All that is kept of one person."""

    sections: Sequence[str]

    @abstractmethod
    async def page(
        self, section: str, user: User, *, after: Sequence[Any] | None, limit: int
    ) -> tuple[Sequence[Mapping[str, Any]], Sequence[Any] | None]:
        """At most `limit` things of a section behind the place `after`, without secrets; and
        the place to go on from, unless they were the last."""


class AuditLog(ABC):
    """The reading side of what every work's `audit` writes."""

    @abstractmethod
    async def page(self, query: AuditQuery, request: PageRequest) -> Page[AuditEvent]:
        """The newest first. Raises InvalidCursor."""

    @abstractmethod
    async def sweep(self, before: datetime, limit: int) -> int:
        """Remove events from before, `limit` at most; how many. Nothing else removes any."""


class AccountsWork(UnitOfWork):
    users: UserRepository
    sessions: SessionRepository
    failed_sign_ins: FailedSignIns
    audit_log: AuditLog
    personal_data: PersonalData


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password was right; `renewed` is a hash to keep instead of an outdated one."""

    right: bool
    renewed: str | None = None


class PasswordHasher(ABC):
    """Slow on purpose. Both raise Unavailable, at once, when too many are waiting."""

    @abstractmethod
    async def hash(self, password: str) -> str:
        """A salted hash of all of the password, whatever its length and characters."""

    @abstractmethod
    async def verify(self, password: str, kept: str | None) -> Verdict:
        """Compare with a kept hash. None stands for an unknown user: never right, at the
        same cost."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    token: str
    expires_in: int
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Claims:
    user_id: UUID
    session_id: UUID


class TokenIssuer(ABC):
    @abstractmethod
    def issue(self, claims: Claims, now: datetime) -> AccessToken: ...

    @abstractmethod
    def verify(self, token: str, now: datetime) -> Claims:
        """What the token claims; InvalidToken for everything this issuer did not make, or
        made too long ago."""
