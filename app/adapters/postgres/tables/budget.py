from sqlalchemy import BigInteger, Column, Table, Text

from app.adapters.postgres.tables.base import Moment, metadata

# Tokens of language models, by who pays: a day, a user's day, a job.
taken_tokens = Table(
    "taken_tokens",
    metadata,
    Column("account", Text, primary_key=True),
    Column("tokens", BigInteger, nullable=False),
    Column("taken_at", Moment, nullable=False),
)
