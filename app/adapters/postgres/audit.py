"""The audit log in Postgres. Triggers of the table refuse what this module does not do."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.keyset import id_at
from app.adapters.postgres.tables.audit import audit_events
from app.domains.accounts.model.audit import AuditQuery
from app.domains.accounts.ports import AuditLog
from app.ports.audit import (
    Act,
    AuditEvent,
    AuditTrail,
    Door,
    Origin,
    Outcome,
    Subject,
    current_origin,
)
from app.shared.ids import new_id
from app.shared.pages import Page, PageRequest, cursor_for

_THIS_IS_THE_SWEEP = text("SELECT set_config('lumina.sweeps_audit', 'yes', true)")


class SqlAuditTrail(AuditTrail):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def note(
        self, act: Act, subject: Subject, *, outcome: Outcome = "done", **details: Any
    ) -> None:
        origin = current_origin()
        row = insert(audit_events).values(
            id=new_id(),
            at=func.now(),
            door=origin.door,
            actor_id=origin.user_id,
            session_id=origin.session_id,
            address=origin.address,
            act=act,
            object_kind=subject.kind,
            object_id=subject.id,
            outcome=outcome,
            details=details,
        )
        await self._session.execute(row)


class SqlAuditLog(AuditLog):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def page(self, query: AuditQuery, request: PageRequest) -> Page[AuditEvent]:
        wanted = list(_wanted(query))
        total = select(func.count()).select_from(audit_events).where(*wanted)
        page = select(audit_events).where(*wanted).order_by(audit_events.c.id.desc())
        if key := request.after(str):
            page = page.where(audit_events.c.id < id_at(key[0] or ""))
        rows = (await self._session.execute(page.limit(request.limit + 1))).all()
        items = [_event(row) for row in rows[: request.limit]]
        more = cursor_for(str(items[-1].id)) if len(rows) > request.limit else None
        return Page(items, more, (await self._session.execute(total)).scalar_one())

    @override
    async def sweep(self, before: datetime, limit: int) -> int:
        await self._session.execute(_THIS_IS_THE_SWEEP)
        old = select(audit_events.c.id).where(audit_events.c.at < before).limit(limit)
        swept = delete(audit_events).where(audit_events.c.id.in_(old))
        return len((await self._session.execute(swept.returning(audit_events.c.id))).all())


def _wanted(query: AuditQuery) -> Iterator[ColumnElement[bool]]:
    columns = {
        "act": audit_events.c.act,
        "outcome": audit_events.c.outcome,
        "door": audit_events.c.door,
        "actor_id": audit_events.c.actor_id,
        "object_id": audit_events.c.object_id,
        "address": audit_events.c.address,
    }
    for name, column in columns.items():
        value = getattr(query, name)
        if value is not None:
            yield column == value
    if query.since is not None:
        yield audit_events.c.at >= query.since
    if query.until is not None:
        yield audit_events.c.at < query.until


def _event(row: Any) -> AuditEvent:
    origin = Origin(Door(row.door), row.actor_id, row.session_id, row.address)
    subject = Subject(row.object_kind, row.object_id)
    return AuditEvent(row.id, row.at, origin, row.act, subject, row.outcome, row.details)
