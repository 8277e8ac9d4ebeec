"""An audit trail in a list."""

from datetime import datetime
from typing import Any

from typing_extensions import override

from app.domains.accounts.model.audit import AuditQuery
from app.domains.accounts.ports import AuditLog
from app.ports.audit import Act, AuditEvent, AuditTrail, Outcome, Subject, current_origin
from app.shared.ids import new_id
from app.shared.pages import InvalidCursor, Page, PageRequest, cursor_for
from tests.fakes.clock import FrozenClock


class ListedTrail(AuditTrail, AuditLog):
    """Writes into the list it is given, which a work may hand back unchanged."""

    def __init__(self, events: list[AuditEvent], at: datetime | None = None) -> None:
        self._events = events
        self._at = at or FrozenClock().now()

    @override
    async def note(
        self, act: Act, subject: Subject, *, outcome: Outcome = "done", **details: Any
    ) -> None:
        origin = current_origin()
        self._events.append(
            AuditEvent(new_id(), self._at, origin, act.value, subject, outcome, details)
        )

    @override
    async def page(self, query: AuditQuery, request: PageRequest) -> Page[AuditEvent]:
        found = [event for event in reversed(self._events) if _is_wanted(event, query)]
        start = 0
        if key := request.after(str):
            ids = [str(event.id) for event in found]
            if key[0] not in ids:
                raise InvalidCursor
            start = ids.index(key[0]) + 1
        items = found[start : start + request.limit]
        more = start + request.limit < len(found)
        return Page(items, cursor_for(str(items[-1].id)) if more else None, len(found))

    @override
    async def sweep(self, before: datetime, limit: int) -> int:
        old = [event for event in self._events if event.at < before][:limit]
        self._events[:] = [event for event in self._events if event not in old]
        return len(old)


def _is_wanted(event: AuditEvent, query: AuditQuery) -> bool:
    told = {
        "act": event.act,
        "outcome": event.outcome,
        "door": event.origin.door,
        "actor_id": event.origin.user_id,
        "object_id": event.subject.id,
        "address": event.origin.address,
    }
    return (
        all(getattr(query, name) in (None, value) for name, value in told.items())
        and (query.since is None or event.at >= query.since)
        and (query.until is None or event.at < query.until)
    )
