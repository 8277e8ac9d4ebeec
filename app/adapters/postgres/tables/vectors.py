from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType
from typing_extensions import override

from app.adapters.postgres.tables.base import Moment, metadata


class HalfVector(UserDefinedType[Any]):
    """pgvector's vector of 16-bit floats, of one length or any."""

    cache_ok = True

    def __init__(self, dimensions: int | None = None) -> None:
        self.dimensions = dimensions

    @override
    def get_col_spec(self, **_: Any) -> str:
        return f"halfvec({self.dimensions})" if self.dimensions else "halfvec"


# Else a schema that has vectors is read with a warning.
ischema_names["halfvec"] = HalfVector

# Models whose vectors are kept, or were until lately.
embedding_models = Table(
    "embedding_models",
    metadata,
    Column("id", SmallInteger, Identity(always=True), primary_key=True),
    Column("reference", Text, nullable=False, unique=True),
    Column("dimensions", Integer, nullable=False),
    Column("used_at", Moment, nullable=False, server_default=func.now()),
)

# What passages mean to a model: unit vectors, as long as the model has them. There only where
# the server has pgvector; each model has an index of its own (`vectors.py`). `content` is the
# beginning of the SHA-256 of the passage's text.
passage_vectors = Table(
    "passage_vectors",
    metadata,
    Column("book_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column(
        "model",
        SmallInteger,
        ForeignKey("embedding_models.id", name="fk_passage_vectors_model"),
        primary_key=True,
    ),
    Column("content", LargeBinary, nullable=False),
    Column("vector", HalfVector, nullable=False),
    ForeignKeyConstraint(
        ["book_id", "ordinal"],
        ["passages.book_id", "passages.ordinal"],
        name="fk_passage_vectors_passage",
        ondelete="CASCADE",
    ),
)
Index("ix_passage_vectors_content", passage_vectors.c.model, passage_vectors.c.content)
