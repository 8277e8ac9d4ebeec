"""The place in a list a cursor stands for, as values the database compares with."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.shared.pages import InvalidCursor

_FURTHEST = 1e6
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


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


def text_at(value: Any) -> str:
    """The text in a cursor; raises InvalidCursor for what no database can hold."""
    if not isinstance(value, str) or _UNSTORABLE.search(value):
        raise InvalidCursor("Start again without a cursor.")
    return value


def number_at(value: Any) -> float:
    """The number in a cursor; raises InvalidCursor for what no sort key can be."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _FURTHEST:
        raise InvalidCursor("Start again without a cursor.")
    return value


def year_at(value: Any) -> int:
    """The year in a cursor; raises InvalidCursor."""
    return int(number_at(value))
