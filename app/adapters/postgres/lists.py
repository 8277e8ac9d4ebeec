"""Which books a list holds and in which order, as SQL that an index answers.

Values are bound by the names of the query's fields, so that one statement serves all lists
that ask for the same kind of thing.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    Select,
    Text,
    Uuid,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import array

from app.adapters.postgres.keyset import id_at, moment_at, number_at, text_at, year_at
from app.adapters.postgres.tables.base import Moment
from app.adapters.postgres.tables.catalog import UNDATED, books, standings
from app.adapters.postgres.tables.lending import loans
from app.domains.catalog.model import BookQuery
from app.shared.pages import InvalidCursor, PageRequest

_FILTERS = ("author", "genre", "tag", "language", "year_from", "year_to")
_ON_LOAN = (
    select(func.count())
    .select_from(loans)
    .where(loans.c.open_book_id == books.c.id)
    .scalar_subquery()
)


class Shape(NamedTuple):
    """What tells one statement from another."""

    sort: str
    filters: tuple[str, ...]
    available: bool | None
    asked: bool
    behind: bool


def shape_of(query: BookQuery, page: PageRequest | None = None) -> Shape:
    given = tuple(name for name in _FILTERS if getattr(query, name) not in (None, ""))
    behind = page is not None and page.cursor is not None
    return Shape(query.sort, given, query.available, bool(query.q), behind)


def values_of(query: BookQuery) -> Mapping[str, Any]:
    """What the conditions of `kind` are bound to."""
    known = asdict(query)
    values = {name: known[name] for name in shape_of(query).filters}
    if "language" in values:
        values["language"] = values["language"].lower()
    return values


def kind(shape: Shape) -> list[ColumnElement[bool]]:
    """The conditions on the books themselves, whatever `q` asks."""
    tests = [_CONDITIONS[name]() for name in shape.filters]
    if shape.available is not None:
        free = books.c.copies > _ON_LOAN
        out = exists().where(loans.c.open_book_id == books.c.id)
        tests += [free] if shape.available else [out, ~free]
    return tests


def some(wanted: Select[Any], shape: Shape, limit: int) -> Select[Any]:
    """So many of the kind, whichever; along an index even where no condition has one."""
    found = wanted.where(*kind(shape)).limit(limit)
    return found if shape.filters or not shape.available else found.order_by(books.c.id)


def _has(column: Any, name: str) -> ColumnElement[bool]:
    """The list has the value, compared without case and accents."""
    value = array([bindparam(name, type_=Text)])
    return func.lumina_fold_all(column).op("@>")(func.lumina_fold_all(value))


# As the index on it says, or the planner would not know it again.
def _year(when: str) -> ColumnElement[int]:
    return func.coalesce(books.c.year_published, literal_column(str(UNDATED[when]), Integer))


_CONDITIONS: Mapping[str, Callable[[], ColumnElement[bool]]] = {
    "author": lambda: (
        func.lumina_fold(books.c.author) == func.lumina_fold(bindparam("author", type_=Text))
    ),
    "genre": lambda: _has(books.c.genres, "genre"),
    "tag": lambda: _has(books.c.tags, "tag"),
    "language": lambda: books.c.language == bindparam("language", type_=Text),
    "year_from": lambda: _year("first") >= bindparam("year_from", type_=Integer),
    "year_to": lambda: _year("last") <= bindparam("year_to", type_=Integer),
}


@dataclass(frozen=True, slots=True)
class Order:
    """A sort key, the id that decides between equals, and how both are read from a cursor."""

    key: ColumnElement[Any]
    id: ColumnElement[Any]
    descending: bool
    value: Callable[[Any], Any]
    type: Any

    def by(self) -> list[ColumnElement[Any]]:
        keys = [self.key, self.id]
        return [key.desc() for key in keys] if self.descending else keys

    def behind(self) -> ColumnElement[bool]:
        place = tuple_(bindparam("key", type_=self.type), bindparam("key_id", type_=Uuid))
        here = tuple_(self.key, self.id)
        return here < place if self.descending else here > place

    def place(self, sort: str, page: PageRequest) -> Mapping[str, Any]:
        """What `behind` is bound to. Raises InvalidCursor."""
        after = page.after(str, object, str)
        if after is None:
            return {}
        if after[0] != sort:
            raise InvalidCursor("It belongs to the list in another order.")
        return {"key": self.value(after[1]), "key_id": id_at(after[2])}


def order_of(sort: str, relevance: ColumnElement[Any] | None = None) -> Order:
    name, descending = sort.lstrip("-"), sort.startswith("-")
    if name == "relevance" and relevance is not None:
        # Best first is what everybody means, with or without the minus.
        return Order(relevance, books.c.id, True, number_at, Float)
    if name == "relevance":
        # Nothing was asked, so all are as good.
        return order_of("title")
    if name in ("title", "author"):
        return Order(func.lumina_fold(books.c[name]), books.c.id, descending, text_at, Text)
    if name == "rating":
        return Order(standings.c.rating, standings.c.book_id, descending, number_at, Float)
    if name == "year_published":
        key = _year("first" if descending else "last")
        return Order(key, books.c.id, descending, year_at, Integer)
    return Order(books.c.created_at, books.c.id, descending, moment_at, Moment)
