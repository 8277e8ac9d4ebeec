from datetime import datetime
from uuid import UUID

from app.api.schemas.base import Out


class LoanOut(Out):
    """`returned_at` is null while the book is out; `renewals` counts those made so far."""

    id: UUID
    book_id: UUID
    user_id: UUID
    borrowed_at: datetime
    due_at: datetime
    returned_at: datetime | None
    renewals: int
    overdue: bool
