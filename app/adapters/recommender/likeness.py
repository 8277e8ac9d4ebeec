"""Why one book is near another: the people and genres they share, or the whole of it."""

from collections.abc import Iterator

import numpy as np

from app.adapters.recommender.evidence import KINDS
from app.adapters.recommender.fields import Field
from app.adapters.recommender.graph import Matrix, Rows, Vector
from app.adapters.recommender.shelf import Shelf
from app.ports.recommender import Reason

# A field explains a likeness alone when this much of it is its own.
_DOMINATES = 0.5


def reasons_alike(
    shelf: Shelf, seed: int, nearest: Rows, similarity: Vector
) -> Iterator[tuple[Reason, ...]]:
    """The reasons of each item near the seed; the last is always the seed itself."""
    itself = Reason("because_you_borrowed", item_id=shelf.ids[seed])
    shared = {field: _products(shelf, field, seed, nearest) for field in KINDS}
    for place, row in enumerate(nearest):
        least = _DOMINATES * similarity[place]
        named = next((f for f in KINDS if least <= shared[f][place].sum() > 0), None)
        if named is None:
            yield (itself,)
        else:
            yield _named(shelf, named, seed, int(row), shared[named][place]), itself


def _products(shelf: Shelf, field: Field, seed: int, nearest: Rows) -> Vector:
    """What each name of the seed adds to the similarity, nearest × its names."""
    own = _own_names(shelf, field, seed)
    theirs = shelf.names[field].by_item[nearest][:, own.indices].toarray()
    return np.asarray(theirs * own.data * shelf.shares[field])


def _own_names(shelf: Shelf, field: Field, row: int) -> Matrix:
    return shelf.names[field].by_item[[row]]


def _named(shelf: Shelf, field: Field, seed: int, row: int, products: Vector) -> Reason:
    """The shared name that counts most, as the nearer item writes it."""
    names = shelf.names[field]
    column = _own_names(shelf, field, seed).indices[int(np.argmax(products))]
    return Reason(KINDS[field], value=names.spelling(row, names.keys[column]))
