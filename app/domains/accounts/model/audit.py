"""Questions to the audit log."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which events; what is None does not matter. `since` is included, `until` is not."""

    act: str | None = None
    outcome: str | None = None
    door: str | None = None
    actor_id: UUID | None = None
    object_id: str | None = None
    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None
