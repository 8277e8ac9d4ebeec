"""A small library with a crowd: what its readers have in common is not in its books."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.ports.recommender import Interaction, Item, Snapshot

_START = datetime(2026, 1, 1, tzinfo=UTC)
BOOKS = 40
READERS = 60
_EACH = 12


def crowded(readers: int = READERS) -> Snapshot:
    """Even readers read even books, odd ones odd books, though every book is of one of four
    genres that even and odd ones share, and each author wrote an even and an odd one."""
    random_ = random.Random(7)
    done = [
        Interaction(UUID(int=1000 + reader), book, 0.5, _START + timedelta(days=reader))
        for reader in range(readers)
        for book in random_.sample([_id(n) for n in range(reader % 2, BOOKS, 2)], _EACH)
    ]
    had = [one.item_id for one in done]
    items = [
        Item(
            id=_id(number),
            title=f"Volume {number}",
            author=f"Author {chr(ord('A') + number // 2)}",
            genres=(f"Genre {number // 2 % 4}",),
            popularity=had.count(_id(number)),
        )
        for number in range(BOOKS)
    ]
    return Snapshot("1", items, done)


def _id(number: int) -> UUID:
    return UUID(int=number + 1)


CROWDED = crowded()
EVEN = tuple(_id(number) for number in range(0, BOOKS, 2))
ODD = tuple(_id(number) for number in range(1, BOOKS, 2))
