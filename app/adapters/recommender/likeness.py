"""Why one book is near another: the people and genres they share, or the whole of it."""

from collections.abc import Iterator

from app.adapters.recommender.evidence import KINDS
from app.adapters.recommender.fields import Field, spelling, tokens
from app.adapters.recommender.space import Rows, Space, Vector
from app.ports.recommender import Reason

# A field explains a likeness alone when this much of it is its own.
_DOMINATES = 0.5


def likeness(space: Space, seed: int, nearest: Rows) -> Iterator[tuple[Reason, ...]]:
    """The reasons of each item near the seed; the last is always the seed itself."""
    weights = space.matrix[[seed]].toarray()[0]
    shared = space.matrix[nearest].multiply(weights).tocsr()
    itself = Reason("because_you_borrowed", item_id=space.items[seed].id)
    for place, row in enumerate(nearest):
        products = shared[[place]].toarray()[0]
        dominant = _dominant(space, products)
        yield (itself,) if dominant is None else (_named(space, dominant, row, products), itself)


def _dominant(space: Space, products: Vector) -> Field | None:
    least = _DOMINATES * products.sum()
    fields = [field for field in KINDS if products[space.span(field)].sum() >= least]
    return fields[0] if fields else None


def _named(space: Space, field: Field, row: int, products: Vector) -> Reason:
    """The shared name that counts most, as the nearer item writes it."""
    item, columns = space.items[row], space.columns[field]
    key = max(tokens(item, field), key=lambda token: products[columns[token]])
    return Reason(KINDS[field], value=spelling(item, field, key))
