"""The most similar items of each item: exactly for most libraries, nearly for the largest."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from app.adapters.recommender.graph import Graph, Matrix, Vector, blocks_of, graph_of, stacked

# Comparing everything with everything takes 4 × 10⁸ comparisons here, and 25 times as many at
# 100,000 items.
MOST_EXACT = 20_000
_BLOCK = 256
# Beyond, an item is compared with those that share its rarest tokens, so many comparisons at
# most, and weighed in full against the best of them: the work for an item has a bound, whatever
# the library is made of.
_COMPARISONS = 20_000
_WEIGHED = 4
_SMALL_BLOCK = 64


def nearest(matrix: Matrix, width: int, *, most_exact: int = MOST_EXACT) -> Graph:
    """Items × items similarities (dot products), the `width` largest of each item."""
    if matrix.shape[0] <= most_exact:
        return graph_of(_compared(matrix), width)
    return stacked(_nearly(matrix, width))


def _compared(matrix: Matrix) -> Iterator[Vector]:
    by_token = sparse.csr_array(matrix.T)
    for part in blocks_of(matrix.shape[0], _BLOCK):
        block = (matrix[part] @ by_token).toarray()
        block[np.arange(len(block)), np.arange(part.start, part.stop)] = 0
        yield block


def _nearly(matrix: Matrix, width: int) -> Iterator[tuple[NDArray[Any], Vector]]:
    by_token = sparse.csr_array(matrix.T)
    holders = np.diff(by_token.indptr)
    said = np.zeros(matrix.shape[1], matrix.dtype)
    for part in blocks_of(matrix.shape[0], _SMALL_BLOCK):
        shared = sparse.csr_array(_rarest(matrix[part], holders) @ by_token)
        for row in range(shared.shape[0]):
            entries = slice(shared.indptr[row], shared.indptr[row + 1])
            best, _ = _largest(shared.indices[entries], shared.data[entries], _WEIGHED * width)
            yield _weighed(matrix, part.start + row, best, width, said)


def _rarest(rows: Matrix, holders: NDArray[Any]) -> Matrix:
    """Of each row its rarest tokens, as many as give the comparisons it may have; those that
    nobody else has are of no use."""
    rows = sparse.csr_array(rows)
    held = holders[rows.indices].astype(np.int64)
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    useful = np.flatnonzero(held > 1)
    order = useful[np.lexsort((held[useful], row[useful]))]
    counts = np.bincount(row[order], minlength=rows.shape[0])
    first = np.cumsum(counts) - counts
    running = np.cumsum(held[order])
    before = np.repeat((running - held[order])[first[counts > 0]], counts[counts > 0])
    kept = running - before <= _COMPARISONS
    kept[first[counts > 0]] = True
    chosen = order[kept]
    found = (rows.data[chosen], (row[chosen], rows.indices[chosen]))
    return sparse.csr_array(found, shape=rows.shape)


def _weighed(
    matrix: Matrix, item: int, columns: NDArray[Any], width: int, said: Vector
) -> tuple[NDArray[Any], Vector]:
    """The `width` largest of these columns by all that they share with the item; `said` is
    one zero for each token, before and after."""
    columns = columns[columns != item]
    own = slice(matrix.indptr[item], matrix.indptr[item + 1])
    said[matrix.indices[own]] = matrix.data[own]
    found = _largest(columns, matrix[columns] @ said, width)
    said[matrix.indices[own]] = 0
    return found


def _largest(columns: NDArray[Any], said: Vector, width: int) -> tuple[NDArray[Any], Vector]:
    if len(said) <= width:
        return columns, said
    kept = np.argpartition(-said, width)[:width]
    return columns[kept], said[kept]
