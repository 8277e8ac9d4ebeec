"""A loan: one copy of a book, with one reader, for a while."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.domains.lending.errors import NotBorrowed, RenewalLimitReached


@dataclass(eq=False, kw_only=True)
class Loan:
    id: UUID
    book_id: UUID
    user_id: UUID | None
    copy_number: int | None
    borrowed_at: datetime
    due_at: datetime
    returned_at: datetime | None = None
    renewals: int = 0

    @property
    def open(self) -> bool:
        return self.returned_at is None

    def overdue_at(self, now: datetime) -> bool:
        return self.open and now > self.due_at

    def give_back(self, now: datetime) -> None:
        if not self.open:
            raise NotBorrowed
        # Clocks step back, and two machines' differ.
        self.returned_at = max(now, self.borrowed_at)

    def renew(self, now: datetime, *, term: timedelta, limit: int) -> None:
        """Lend on for a whole term from now, `limit` times at most. It is never due earlier for
        that, and a renewal that would move nothing is none."""
        if not self.open:
            raise NotBorrowed
        if self.renewals >= limit:
            raise RenewalLimitReached(f"A loan can be renewed {limit} times.")
        if now + term > self.due_at:
            self.due_at = now + term
            self.renewals += 1

    def forget_reader(self) -> None:
        """Let a loan that is over be anybody's."""
        if self.open:
            raise ValueError("an open loan has a reader")
        self.user_id = None


@dataclass(frozen=True, slots=True, repr=False)
class Marker:
    """Makes the mark that a reader borrowed a book: HMAC-SHA256 (RFC 2104) of both, 32 bytes.

    Who asks about one reader and one book gets an answer, and a list of marks tells nothing of
    anybody without the key. It is kept with the marks: it has to last as long as they do.
    """

    key: bytes

    def mark(self, user_id: UUID, book_id: UUID) -> bytes:
        return hmac.digest(self.key, b"borrowed" + user_id.bytes + book_id.bytes, "sha256")
