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
    async def claim(self, user_id: UUID, key: str) -> Reply | None:
        """The remembered answer; or None, and the key is ours until `keep` or `release`.

        Raises FirstStillRuns while another request holds it (for five minutes at most:
        whoever takes longer has died).
        """

    @abstractmethod
    async def keep(self, user_id: UUID, key: str, reply: Reply) -> None: ...

    @abstractmethod
    async def release(self, user_id: UUID, key: str) -> None:
        """Forget the claim: the request failed and may be sent again."""
