"""What readers did, as a matrix of readers × items of a shelf."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from app.adapters.recommender.graph import Matrix, Rows, Vector
from app.adapters.recommender.shelf import Shelf
from app.ports.recommender import Snapshot

# With less there is nothing to learn from yet, and content answers alone.
FEWEST_READERS = 30
FEWEST_LIKES = 500
# From this weight on a book was liked. A lesser one that is not negative says that the
# reader came by it, which is worth half as much.
_LIKES = 0.25
_CAME_BY = 0.5


@dataclass(frozen=True, eq=False)
class History:
    """`liked` is readers × items, 1 for what was liked, less for what readers only came by;
    `by_liking` has the liked ones alone."""

    liked: Matrix
    by_liking: Matrix

    @property
    def enough(self) -> bool:
        readers, likes = self.liked.shape[0], self.by_liking.nnz
        return bool(readers >= FEWEST_READERS and likes >= FEWEST_LIKES)

    @cached_property
    def readers(self) -> Vector:
        """How many readers had each item."""
        return np.bincount(self.liked.indices, minlength=self.liked.shape[1]).astype(np.float32)

    def most_read(self, items: int) -> Rows:
        """The rows of so many items, ascending, more readers and then more popularity first."""
        return np.sort(np.argsort(-self.readers, kind="stable")[:items])


def history_of(snapshot: Snapshot, shelf: Shelf) -> History:
    known = [e for e in snapshot.interactions if e.weight >= 0 and e.item_id in shelf.row_of]
    readers = {reader: row for row, reader in enumerate(dict.fromkeys(e.reader_id for e in known))}
    rows = np.array([readers[each.reader_id] for each in known], dtype=np.int64)
    columns = np.array([shelf.row_of[each.item_id] for each in known], dtype=np.int64)
    weights = np.array([each.weight for each in known], dtype=np.float32)
    shape = (len(readers), len(shelf.ids))
    liked = weights >= _LIKES
    said = np.where(liked, 1, _CAME_BY).astype(np.float32)
    return History(
        _matrix(said, rows, columns, shape),
        _matrix(np.ones(int(liked.sum()), np.float32), rows[liked], columns[liked], shape),
    )


def _matrix(data: Vector, rows: Rows, columns: Rows, shape: tuple[int, int]) -> Matrix:
    matrix = sparse.csr_array((data, (rows, columns)), shape=shape, dtype=np.float32)
    matrix.data = np.minimum(matrix.data, 1)
    return matrix
