"""Reading the audit log, and letting it go after its time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from app.domains.accounts.model import User
from app.domains.accounts.model.audit import AuditQuery
from app.domains.accounts.ports import AccountsWork
from app.ports.audit import Act, AuditEvent, Subject
from app.ports.clock import Clock
from app.shared.errors import Forbidden
from app.shared.pages import Page, PageRequest

_SWEPT_AT_ONCE = 5000
THE_LIBRARY = Subject("library", "")


class AuditService:
    """Events are kept for `kept_for`, whoever they are about."""

    def __init__(
        self, *, begin: Callable[[], AccountsWork], clock: Clock, kept_for: timedelta
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._kept_for = kept_for

    async def events(
        self, actor: User | None, query: AuditQuery, page: PageRequest
    ) -> Page[AuditEvent]:
        """The newest first, for an admin or (None) for who runs the machine. That the log was
        read is in it, too: once, not for every page."""
        if actor is not None and not actor.governs:
            raise Forbidden("Only an admin may do that.")
        async with self._begin() as work:
            found = await work.audit_log.page(query, page)
            if page.cursor is None:
                await work.audit.note(Act.AUDIT_READ, THE_LIBRARY)
        return found

    async def record(self, act: Act, subject: Subject = THE_LIBRARY, **details: Any) -> None:
        """Note what has no transaction of its own: looking at something, a command."""
        async with self._begin() as work:
            await work.audit.note(act, subject, **details)

    async def sweep(self) -> int:
        """Remove the events whose time is over; how many."""
        before, swept = self._clock.now() - self._kept_for, 0
        while True:
            async with self._begin() as work:
                gone = await work.audit_log.sweep(before, _SWEPT_AT_ONCE)
            swept += gone
            if gone < _SWEPT_AT_ONCE:
                return swept
