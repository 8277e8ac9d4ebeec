"""Which item speaks for which: a sparse matrix small enough to keep and to serve from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Rows = NDArray[np.intp]
# scipy carries no types.
Matrix = Any
# So many rows of a history at a time, to bound the memory of one answer.
_BLOCK = 256


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Square: the entries of row i, `starts[i]` to `starts[i + 1]`, are what i says of others."""

    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    says: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def voices(self, rows: Rows, weights: Vector, power: int = 1) -> Vector:
        """Each item's sum over the rows of weight × what the row says of it ** power."""
        total = np.zeros(len(self))
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            owners, columns, says = self.entries(rows[part])
            heard = says**power * weights[part][owners]
            total += np.bincount(columns, weights=heard, minlength=len(self))
        return total.astype(np.float32)

    def between(self, rows: Rows, candidates: Rows) -> Vector:
        """What each of the rows says of each candidate, rows × candidates."""
        place = np.full(len(self), -1, dtype=np.intp)
        place[candidates] = np.arange(len(candidates))
        owners, columns, says = self.entries(rows)
        wanted = place[columns] >= 0
        said = np.zeros((len(rows), len(candidates)), dtype=np.float32)
        said[owners[wanted], place[columns[wanted]]] = says[wanted]
        return said

    def entries(self, rows: Rows) -> tuple[Rows, NDArray[np.int32], Vector]:
        """All entries of the rows: the place of the row among them, the column, the value."""
        starts, lengths = self.starts[rows], self.starts[rows + 1] - self.starts[rows]
        owners = np.repeat(np.arange(len(rows)), lengths)
        before = np.repeat(np.cumsum(lengths) - lengths, lengths)
        places = np.repeat(starts, lengths) + np.arange(len(owners)) - before
        return owners, self.columns[places], self.says[places].astype(np.float32)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        named: dict[str, NDArray[Any]] = {
            "starts": self.starts,
            "columns": self.columns,
            "says": self.says,
        }
        return {f"{prefix}.{name}": array for name, array in named.items()}

    @classmethod
    def from_arrays(cls, prefix: str, arrays: Mapping[str, NDArray[Any]]) -> "Graph":
        return cls(*(arrays[f"{prefix}.{name}"] for name in ("starts", "columns", "says")))


def graph_of(blocks: Iterable[Vector], width: int) -> Graph:
    """Keeps of each row of the dense blocks the `width` largest entries, by their size."""
    return stacked(
        (found, row[found])
        for block in blocks
        for row, kept in zip(block, _largest(block, width), strict=True)
        for found in [kept[row[kept] != 0]]
    )


def stacked(rows: Iterable[tuple[NDArray[Any], Vector]]) -> Graph:
    """From the columns and values of each row."""
    columns, says = [np.zeros(0, np.int32)], [np.zeros(0, np.float16)]
    for found, said in rows:
        columns.append(found.astype(np.int32))
        says.append(said.astype(np.float16))
    starts = np.cumsum([len(found) for found in columns], dtype=np.int64)
    return Graph(starts, np.concatenate(columns), np.concatenate(says))


def _largest(block: Vector, width: int) -> NDArray[np.intp]:
    size = np.abs(block)
    if width >= block.shape[1]:
        return np.argsort(-size, axis=1, kind="stable")
    return np.argpartition(-size, width, axis=1)[:, :width]


def blocks_of(rows: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))
