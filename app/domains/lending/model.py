"""A loan: one copy of a book, with one reader, for a while."""

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
        self.returned_at = now

    def renew(self, now: datetime, *, term: timedelta, limit: int) -> None:
        """Lend on for a whole term from now, `limit` times at most."""
        if not self.open:
            raise NotBorrowed
        if self.renewals >= limit:
            raise RenewalLimitReached(f"A loan can be renewed {limit} times.")
        self.renewals += 1
        self.due_at = now + term
