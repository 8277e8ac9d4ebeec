"""Linear item models in closed form: what having one item says of another.

EASE (Steck 2019) with the diagonal of EDLAE (Steck 2020), and what items share (author,
series, genres, tags) as further rows beside the readers' (CEASE, Jeunen, Van Balen and
Goethals 2020). With Z all rows and D the diagonal regularisation, P = (ZᵀZ + D)⁻¹ and
item i says −P_ij / P_jj of item j.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from app.adapters.recommender.fields import Field
from app.adapters.recommender.graph import Graph, Matrix, Rows, Vector, blocks_of, graph_of
from app.adapters.recommender.shelf import Shelf

# Inverting costs items³ operations and items² × 4 bytes: at 12,000 items 1.7 × 10¹² and
# 600 MB. The most borrowed ones are in, content speaks for the others.
MOST_ITEMS = 12_000
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Regularisation:
    """`ridge` and `dropout` make the diagonal; a name of a field counts as a reader who
    liked all its items by weight × holders^−flattening. Chosen on readers kept for tuning."""

    ridge: float
    dropout: float
    fields: Mapping[Field, float]
    flattening: float = 0.4


EASE = Regularisation(ridge=35, dropout=0.0, fields={})
CEASE = Regularisation(
    ridge=30,
    dropout=0.5,
    fields={Field.AUTHOR: 3.8, Field.SERIES: 5.0, Field.GENRE: 5.0, Field.TAG: 5.0},
)


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """`inverse` is P, of the items that are `members` of a shelf, ascending."""

    inverse: Vector
    members: Rows

    def graph(self, items: int, width: int) -> Graph:
        """What each item of the shelf says of the others, the strongest only."""
        inner = graph_of(self._rows(), width)
        lengths = np.zeros(items, dtype=np.int64)
        lengths[self.members] = np.diff(inner.starts)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        return Graph(starts, self.members[inner.columns].astype(np.int32), inner.says)

    def without(self, own: Vector, rows: Rows) -> Vector:
        """What the rows would say of every member had the reader of the row `own` of Z never
        been here: exact, by the formula of Sherman and Morrison."""
        liked = np.flatnonzero(own)
        known = own[liked] @ self.inverse[liked]
        left = 1 - float(own[liked] @ known[liked])
        said = self.inverse[rows] + np.outer(known[rows] / left, known)
        said /= -(self._diagonal + known * known / left)
        return np.asarray(said)

    @property
    def _diagonal(self) -> Vector:
        return np.asarray(np.diagonal(self.inverse))

    def _rows(self) -> Iterator[Vector]:
        for part in blocks_of(len(self.inverse), _BLOCK):
            block = self.inverse[part] / -self._diagonal
            block[np.arange(len(block)), np.arange(part.start, part.stop)] = 0
            yield block


def linear_model_of(
    liked: Matrix, members: Rows, shelf: Shelf, regularisation: Regularisation
) -> LinearModel:
    """`liked` is readers × members, 0..1."""
    shared = _shared(shelf, members, regularisation)
    rows = sparse.csr_array(sparse.vstack([liked, *shared]), dtype=np.float32)
    readers = np.asarray(liked.power(2).sum(axis=0)).ravel()
    gram = _gram(rows)
    gram[np.diag_indices(len(gram))] += regularisation.ridge + regularisation.dropout * readers
    return LinearModel(_inverted(gram), members)


def _shared(shelf: Shelf, members: Rows, regularisation: Regularisation) -> Iterator[Matrix]:
    for field, weight in regularisation.fields.items():
        names = sparse.csr_array(shelf.names[field].by_item[members].T)
        holders = np.diff(names.indptr)
        shared = names[np.flatnonzero(holders > 1)]
        counts = weight / holders[holders > 1] ** regularisation.flattening
        shared.data = np.repeat(counts, np.diff(shared.indptr)).astype(np.float32)
        yield shared


def _gram(rows: Matrix) -> Vector:
    by_item = sparse.csr_array(rows.T)
    gram = np.empty((rows.shape[1],) * 2, dtype=np.float32)
    for part in blocks_of(len(gram), _BLOCK):
        gram[part] = (by_item[part] @ rows).toarray()
    return gram


def _inverted(gram: NDArray[np.float32]) -> Vector:
    """In place, by Cholesky: half the work of a general inverse and none of its memory."""
    if not len(gram):
        return gram
    factor, failed = linalg.lapack.spotrf(gram.T, lower=0, overwrite_a=1)
    inverse, failed_too = linalg.lapack.spotri(factor, lower=0, overwrite_c=1)
    if failed or failed_too:
        raise ArithmeticError("The items' Gram matrix cannot be inverted.")
    return _mirrored(inverse.T)


def _mirrored(lower: Vector) -> Vector:
    for part in blocks_of(len(lower), _BLOCK):
        corner = lower[part, part]
        lower[part, part] = np.tril(corner) + np.tril(corner, -1).T
        lower[part, part.stop :] = lower[part.stop :, part].T
    return lower
