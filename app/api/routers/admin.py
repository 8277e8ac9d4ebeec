"""What only those see who govern the library."""

from datetime import UTC
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.api.dependencies import Audit, CurrentUser, Paging
from app.api.problems import problems
from app.api.schemas.audit import AuditEventOut
from app.api.schemas.base import Moment, PageOut, Storable
from app.domains.accounts.model.audit import AuditQuery
from app.ports.audit import Act, Door, Outcome
from app.shared.errors import Forbidden, NotAuthenticated
from app.shared.pages import InvalidCursor

router = APIRouter(prefix="/admin", tags=["admin"], responses=problems(NotAuthenticated))

Exactly = Annotated[str | None, Query(max_length=200), Storable]


@router.get("/audit", responses=problems(Forbidden, InvalidCursor))
async def list_audit_events(
    audit: Audit,
    actor: CurrentUser,
    page: Paging,
    act: Act | None = None,
    outcome: Outcome | None = None,
    door: Door | None = None,
    actor_id: UUID | None = None,
    object_id: Exactly = None,
    address: Exactly = None,
    since: Annotated[Moment | None, Query(description="From then on")] = None,
    until: Annotated[Moment | None, Query(description="Before then")] = None,
) -> PageOut[AuditEventOut]:
    """Who did what that not everybody may do, the newest first; for admins. Reading it is
    noted in it."""
    query = AuditQuery(
        act=act,
        outcome=outcome,
        door=door,
        actor_id=actor_id,
        object_id=object_id,
        address=address,
        since=since.astimezone(UTC) if since else None,
        until=until.astimezone(UTC) if until else None,
    )
    found = await audit.events(actor, query, page)
    return PageOut[AuditEventOut].of(found, AuditEventOut.of)
