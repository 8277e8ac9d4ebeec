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
# Beyond, what an item shares with more than a fiftieth of the library makes nobody its
# neighbour; among the neighbours it counts as everything else does.
_COMMON = 50
_TOO_FEW = 4


def nearest(matrix: Matrix, width: int, *, most_exact: int = MOST_EXACT) -> Graph:
    """Items × items similarities (dot products), the `width` largest of each item."""
    items = matrix.shape[0]
    if items <= most_exact:
        return graph_of(_compared(matrix), width)
    holders = np.bincount(matrix.indices, minlength=matrix.shape[1])
    common = holders > max(items // _COMMON, 1)
    return stacked(_nearly(matrix[:, ~common], matrix[:, common].toarray(), width))


def _compared(matrix: Matrix) -> Iterator[Vector]:
    by_token = sparse.csr_array(matrix.T)
    for part in blocks_of(matrix.shape[0], _BLOCK):
        block = (matrix[part] @ by_token).toarray()
        block[np.arange(len(block)), np.arange(part.start, part.stop)] = 0
        yield block


def _nearly(rare: Matrix, common: Vector, width: int) -> Iterator[tuple[NDArray[Any], Vector]]:
    by_token = sparse.csr_array(rare.T)
    for part in blocks_of(rare.shape[0], _BLOCK):
        block = sparse.csr_array(rare[part] @ by_token)
        for row in range(block.shape[0]):
            entries = slice(block.indptr[row], block.indptr[row + 1])
            found = block.indices[entries], block.data[entries]
            yield _weighed(part.start + row, *found, common, width)


def _weighed(
    item: int, columns: NDArray[Any], said: Vector, common: Vector, width: int
) -> tuple[NDArray[Any], Vector]:
    """What is shared of the rare finds the neighbours, unless it finds too few."""
    if len(columns) <= width // _TOO_FEW:
        everywhere = common @ common[item]
        everywhere[columns] += said
        everywhere[item] = 0
        columns, said = _largest(np.flatnonzero(everywhere), everywhere[everywhere != 0], width)
        return columns, said
    columns, said = _largest(columns, said, width + 1)
    others = columns != item
    columns = columns[others]
    return columns, said[others] + common[columns] @ common[item]


def _largest(columns: NDArray[Any], said: Vector, width: int) -> tuple[NDArray[Any], Vector]:
    if len(said) <= width:
        return columns, said
    kept = np.argpartition(-said, width)[:width]
    return columns[kept], said[kept]
