"""The place in a list a cursor stands for, as values the database compares with."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.shared.pages import InvalidCursor


def moment_at(value: Any) -> datetime:
    """The moment in a cursor; raises InvalidCursor for what is none the database can hold."""
    try:
        return datetime.fromisoformat(value or "").astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidCursor("Start again without a cursor.") from error


def id_at(value: Any) -> UUID:
    """The id in a cursor; raises InvalidCursor."""
    try:
        return UUID(value or "")
    except (AttributeError, ValueError) as error:
        raise InvalidCursor("Start again without a cursor.") from error
