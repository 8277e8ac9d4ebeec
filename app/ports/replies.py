"""Answers remembered under an Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from uuid import UUID

from app.shared.errors import Conflict, Invalid


class FirstStillRuns(Conflict):
    code = "idempotency_conflict"
    title = "The first request with this key is still running"


class KeyUsedOtherwise(Invalid):
    code = "idempotency_conflict"
    title = "This key belongs to a request with another body"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it went out; `fingerprint` is a hash of the request it answers."""

    fingerprint: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


class ReplyMemory(ABC):
    """Remembers the answers of the last 24 hours, by user and key."""

    @abstractmethod
    async def claim(self, user_id: UUID, key: str, holder: UUID) -> Reply | None:
        """The remembered answer; or None, and the key is the holder's until `keep` or
        `release`.

        Raises FirstStillRuns while another request holds it (for five minutes at most:
        whoever takes longer is taken for dead, and finds the key in other hands).
        """

    @abstractmethod
    async def keep(self, user_id: UUID, key: str, holder: UUID, reply: Reply) -> None:
        """Remember the answer, if the key is still the holder's."""

    @abstractmethod
    async def sweep(self) -> None:
        """Forget what is older than a day, and claims of the dead."""

    @abstractmethod
    async def release(self, user_id: UUID, key: str, holder: UUID) -> None:
        """Forget the claim, if it is still the holder's: the request failed and may be sent
        again."""
