"""How many books there are of a kind, without reading them.

What is said of the books is counted by triggers (`book_counts`, and the changes that are not
added to it yet). One condition is answered by these counts, for years by their sum. Several
at once are counted book by book up to COUNTED; beyond, the total is what the single counts
make likely, taken as independent.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.adapters.postgres.lists import Shape, some
from app.adapters.postgres.tables.catalog import book_count_changes, book_counts, books

COUNTED = 2_000
_YEARS = ("year_from", "year_to")


def total_of(shape: Shape) -> tuple[ColumnElement[int], bool]:
    """The number of books, and whether it is exact whatever it says; else it is exact up to
    COUNTED."""
    names = {"year" if name in _YEARS else name for name in shape.filters}
    if shape.available is None and len(names) <= 1:
        return _known(shape, *(names or {"all"})), True
    found = some(select(literal(1)).select_from(books), shape, COUNTED + 1)
    return select(func.count()).select_from(found.subquery()).scalar_subquery(), False


async def likely_total(session: AsyncSession, shape: Shape, values: Mapping[str, Any]) -> int:
    """What the total beyond COUNTED is likely to be."""
    names = {"year" if name in _YEARS else name for name in shape.filters}
    known = [_known(shape, name) for name in ("all", *sorted(names))]
    every, *parts = (await session.execute(select(*known), dict(values))).one()
    likely = every * prod(part / max(every, 1) for part in parts)
    return max(COUNTED, round(float(likely)))


def _known(shape: Shape, name: str) -> ColumnElement[int]:
    said = _sum(book_counts, book_counts.c["count"], shape, name)
    late = _sum(book_count_changes, book_count_changes.c.change, shape, name)
    return cast(said + late, Integer)


def _sum(table: Any, column: Any, shape: Shape, name: str) -> Any:
    wanted = select(func.coalesce(func.sum(column), 0)).where(table.c.facet == name)
    if name != "year":
        return wanted.where(table.c.key == _key(name)).scalar_subquery()
    if "year_from" in shape.filters:
        wanted = wanted.where(table.c.number >= bindparam("year_from", type_=Integer))
    if "year_to" in shape.filters:
        wanted = wanted.where(table.c.number <= bindparam("year_to", type_=Integer))
    return wanted.scalar_subquery()


def _key(name: str) -> ColumnElement[Any]:
    if name == "all":
        return cast(func.md5(""), Uuid)
    value = bindparam(name, type_=Text)
    return cast(func.md5(value if name == "language" else func.lumina_fold(value)), Uuid)
