from sqlalchemy import Column, LargeBinary, Table, Text

from app.adapters.postgres.tables.base import metadata

kept_keys = Table(
    "kept_keys",
    metadata,
    Column("purpose", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
)
