from sqlalchemy import Column, Index, Table, Text, Uuid

from app.adapters.postgres.tables.base import Json, Moment, metadata
from app.ports.audit import Act

# Triggers refuse every change, and every removal that does not say it is the sweep. No foreign
# keys: what was done stays when those go who did it.
audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("door", Text, nullable=False),
    Column("actor_id", Uuid),
    Column("session_id", Uuid),
    Column("address", Text),
    Column("act", Text, nullable=False),
    Column("object_kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("details", Json, nullable=False),
)
Index("ix_audit_events_actor", audit_events.c.actor_id, audit_events.c.id)
Index("ix_audit_events_object", audit_events.c.object_id, audit_events.c.id)
# How often somebody was forgotten says whether what was learnt is to be learnt anew.
Index(
    "ix_audit_events_erasures",
    audit_events.c.id,
    postgresql_where=audit_events.c.act == Act.ACCOUNT_ERASED.value,
)
