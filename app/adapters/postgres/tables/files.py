from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from app.adapters.postgres.tables.base import Moment, metadata

# What the stored objects have to be; `blocks` are the SHA-256 of each `block_size` bytes, one
# behind the other, and missing until a file from before they were kept is first read.
stored_files = Table(
    "stored_files",
    metadata,
    Column("storage_key", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("block_size", Integer),
    Column("blocks", LargeBinary),
    Column("stored_at", Moment, nullable=False),
    Column("checked_at", Moment),
    Column("damage", Text),
    Column("damaged_at", Moment),
)
Index("ix_stored_files_checked_at", stored_files.c.checked_at, stored_files.c.storage_key)

# A walk over all stored files; one that was not ended goes on where it stopped.
scrub_rounds = Table(
    "scrub_rounds",
    metadata,
    Column("begun_at", Moment, primary_key=True),
    Column("ended_at", Moment),
)
