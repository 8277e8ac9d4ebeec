"""The commonest values among the books: from the counts the triggers keep, or by looking at
so many books of a kind."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
    union_all,
)

from app.adapters.postgres.tables.catalog import books
from app.domains.catalog.model import FACETS, FacetCount, Facets

# Books a filter leaves are looked at up to here; of more, the counts are drawn up.
LOOKED_AT = 2_000
FACET_COLUMNS = [books.c[c] for c in "id author genres tags language year_published".split()]

# Sums far from the top are passed over, but for those that have changed since.
_COMMONEST = """
  SELECT '{facet}' AS facet, min({label}) AS label, sum(n)::integer AS n FROM (
    SELECT key, label, number, count AS n FROM (
      (SELECT * FROM book_counts WHERE facet = '{facet}' ORDER BY count DESC LIMIT {near})
      UNION
      SELECT * FROM book_counts WHERE facet = '{facet}' AND key IN
        (SELECT key FROM book_count_changes WHERE facet = '{facet}')
    ) AS known
    UNION ALL
    SELECT key, label, number, change FROM book_count_changes WHERE facet = '{facet}'
  ) AS told GROUP BY {group} HAVING sum(n) > 0
"""
_DECADE = "(floor(number / 10.0) * 10)::integer::text"


@lru_cache
def of_all() -> Any:
    """`facet, label, n` of the whole library, from the counts; `limit` of each facet."""
    return text(" UNION ALL ".join(_ranked(name) for name in FACETS))


def _ranked(name: str) -> str:
    years = name == "year"
    label, group = (_DECADE, _DECADE) if years else ("label", "key")
    near = "10000" if years else ":limit + 200"
    known = _COMMONEST.format(facet=name, label=label, group=group, near=near)
    # Made of our own names only.
    return f"(SELECT * FROM ({known}) AS ranked ORDER BY n DESC, label LIMIT :limit)"  # noqa: S608


def of_found(found: Select[Any]) -> Select[Any]:
    """`facet, label, n` of the books a statement found, which has FACET_COLUMNS; and how many
    were looked at, as the facet `all`."""
    looked = found.cte("looked").prefix_with("MATERIALIZED", dialect="postgresql")
    decade = cast(func.floor(looked.c.year_published / literal_column("10.0")) * 10, Integer)
    values: dict[str, Any] = {
        "genre": func.unnest(looked.c.genres),
        "author": looked.c.author,
        "language": looked.c.language,
        "year": cast(decade, Text),
        "tag": func.unnest(looked.c.tags),
    }
    every = select(literal("all"), literal(""), func.count()).select_from(looked)
    return union_all(every, *(_tallied(name, values[name]) for name in FACETS))  # type: ignore[return-value]


def _tallied(name: str, value: Any) -> Select[Any]:
    # Folded once for each spelling, not once for each book.
    spelt = select(value.label("label")).subquery()
    n: ColumnElement[int] = func.count()
    each = select(spelt.c.label, n.label("n")).where(spelt.c.label.is_not(None))
    counted = each.group_by(spelt.c.label).subquery()
    total = func.sum(counted.c.n)
    ranked = (
        select(
            literal(name).label("facet"),
            func.min(counted.c.label).label("label"),
            cast(total, Integer).label("n"),
        )
        .group_by(func.lumina_fold(counted.c.label))
        .order_by(total.desc(), func.min(counted.c.label))
        .limit(bindparam("limit", type_=Integer))
    )
    return select(ranked.subquery())


def counted(rows: Sequence[Any], share: float = 1.0) -> Facets:
    """The facets of such rows; of a share of the books only, drawn up to all of them."""
    values: dict[str, list[FacetCount]] = {name: [] for name in FACETS}
    for facet, label, n in rows:
        if facet in values:
            values[facet].append(FacetCount(label, round(n / share)))
    return Facets(values, estimated=share < 1)
