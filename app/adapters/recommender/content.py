"""What books say of themselves, fitted: the items and which of them are alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.adapters.recommender.evidence import Evidence, Reader
from app.adapters.recommender.graph import Graph, Vector
from app.adapters.recommender.likeness import reasons_alike
from app.adapters.recommender.nearest import MOST_EXACT, nearest
from app.adapters.recommender.shelf import Shelf, shelf_of
from app.adapters.recommender.space import space_of
from app.ports.recommender import Item, Reason, Recommendation

# The nearest of each item; more change no answer measurably. Memory wants fewer of many.
_NEAREST = 256
_NEAREST_OF_MANY = 128


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    shelf: Shelf
    likeness: Graph

    def evidence(self, reader: Reader) -> Evidence:
        return Evidence(self.shelf, self.likeness, reader)

    def similar(self, seed: int, k: int, read_with: Vector | None = None) -> list[Recommendation]:
        """Nearest first by likeness, and by how much readers of the seed read the item too,
        where that is known (0..1 for each item); the larger of the two is named first."""
        alike = self.likeness.between(np.array([seed]), np.arange(len(self.shelf.ids)))[0]
        together = np.zeros_like(alike) if read_with is None else read_with
        scores = alike + together
        found = np.flatnonzero(scores > 0)
        rows = found[np.argsort(-scores[found], kind="stable")][: max(k, 0)]
        read = Reason("readers_like_you", item_id=self.shelf.ids[seed])
        shared = reasons_alike(self.shelf, seed, rows, alike[rows])
        return [
            Recommendation(
                self.shelf.ids[row],
                float(scores[row]),
                reasons
                if alike[row] >= together[row]
                else (read, *(reasons if alike[row] else ())),
            )
            for row, reasons in zip(rows, shared, strict=True)
        ]

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.shelf.arrays() | self.likeness.arrays("likeness")

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Content":
        return cls(Shelf.from_arrays(arrays), Graph.from_arrays("likeness", arrays))


def content_of(ranked: Sequence[Item]) -> Content:
    space = space_of(ranked)
    width = _NEAREST if len(ranked) <= MOST_EXACT else _NEAREST_OF_MANY
    shelf = shelf_of(ranked, space.fields, space.shares)
    return Content(shelf, nearest(space.matrix, width))
