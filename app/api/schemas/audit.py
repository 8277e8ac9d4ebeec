from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from app.api.schemas.base import Out
from app.ports.audit import AuditEvent


class AuditEventOut(Out):
    """Who (`actor_id`, null for a command, a job, or nobody known) did what to which thing."""

    id: UUID
    at: datetime
    door: str
    actor_id: UUID | None
    session_id: UUID | None
    address: str | None
    act: str
    object_kind: str
    object_id: str
    outcome: str
    details: Mapping[str, Any]

    @classmethod
    def of(cls, event: AuditEvent) -> "AuditEventOut":
        return cls(
            id=event.id,
            at=event.at,
            door=event.origin.door,
            actor_id=event.origin.user_id,
            session_id=event.origin.session_id,
            address=event.origin.address,
            act=event.act,
            object_kind=event.subject.kind,
            object_id=event.subject.id,
            outcome=event.outcome,
            details=event.details,
        )
