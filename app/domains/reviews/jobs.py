from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from app.ports.jobs import Job


@dataclass(frozen=True)
class RefreshConsensus(Job):
    """Read the unread reviews of the book and tell its consensus anew if that matters."""

    kind: ClassVar[str] = "refresh_consensus"
    book_id: UUID

    @property
    @override
    def lock(self) -> str:
        return f"consensus:{self.book_id}"

    @property
    @override
    def dedupe(self) -> str:
        return f"consensus:{self.book_id}"


@dataclass(frozen=True)
class RereadReviews(Job):
    """The same, later, for a model that was away. It waits under its own name: a new review
    must not join it and wait as long."""

    kind: ClassVar[str] = "reread_reviews"
    book_id: UUID

    @property
    @override
    def lock(self) -> str:
        return f"consensus:{self.book_id}"

    @property
    @override
    def dedupe(self) -> str:
        return f"reread_reviews:{self.book_id}"
