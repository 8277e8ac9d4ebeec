"""Pages of a list that may be long: the cost of a page does not grow with its depth."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.shared.errors import Invalid

MAX_LIMIT = 100

Item = TypeVar("Item")
Other = TypeVar("Other")


class InvalidCursor(Invalid):
    code = "invalid_cursor"
    title = "That cursor does not belong to this list"


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list: at most `limit` (1..100) items after the opaque `cursor`."""

    limit: int = 20
    cursor: str | None = None

    def after(self, *kinds: type) -> list[Any] | None:
        """The sort key to continue behind, or None for the first page.

        Raises InvalidCursor when the cursor was not made by `cursor_for` from values of
        these kinds (None is allowed in every place).
        """
        return None if self.cursor is None else _decoded(self.cursor, kinds)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One part of a list, the cursor of the next part, and the size of the whole: an estimate
    where counting it would cost more than the page."""

    items: Sequence[Item]
    next_cursor: str | None
    total: int
    total_estimated: bool = False

    def map(self, change: Callable[[Item], Other]) -> "Page[Other]":
        items = [change(item) for item in self.items]
        return Page(items, self.next_cursor, self.total, self.total_estimated)


def cursor_for(*key: Any) -> str:
    """An opaque cursor that stands behind the item with this sort key (JSON values)."""
    text = json.dumps(key, separators=(",", ":"), default=str)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(cursor: str, kinds: tuple[type, ...]) -> list[Any]:
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise InvalidCursor("Start again without a cursor.") from error
    if not isinstance(key, list) or len(key) != len(kinds):
        raise InvalidCursor("Start again without a cursor.")
    for value, kind in zip(key, kinds, strict=True):
        if value is not None and not isinstance(value, kind):
            raise InvalidCursor("Start again without a cursor.")
    return key
