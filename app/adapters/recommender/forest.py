"""A small boosted forest: learnt by scikit-learn, kept as arrays, asked without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from app.adapters.recommender.graph import Vector

# Chosen on readers kept for tuning; more or larger trees remember the readers instead.
_TREES = 80
_LEAVES = 15
_DEPTH = 5
_PARTS = ("feature", "threshold", "left", "right", "value", "roots", "base")


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """All nodes of all trees in one row of arrays; a leaf is its own child."""

    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    roots: NDArray[np.int32]
    base: NDArray[np.float64]

    def chances(self, features: Vector) -> Vector:
        """0..1 for each row of the features."""
        at = np.repeat(self.roots[:, np.newaxis], len(features), axis=1)
        flat, first = features.ravel(), np.arange(len(features)) * features.shape[1]
        for _ in range(_DEPTH):
            goes_left = flat[first + self.feature[at]] <= self.threshold[at]
            at = np.where(goes_left, self.left[at], self.right[at])
        odds = self.base[0] + self.value[at].sum(axis=0)
        return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        return {f"{prefix}.{part}": getattr(self, part) for part in _PARTS}

    @classmethod
    def from_arrays(cls, prefix: str, arrays: Mapping[str, NDArray[Any]]) -> "Forest":
        return cls(*(arrays[f"{prefix}.{part}"] for part in _PARTS))


def forest_of(features: Vector, hits: NDArray[np.bool_]) -> Forest:
    """Learnt from rows of features without a gap, some of them hits."""
    model = HistGradientBoostingClassifier(
        max_iter=_TREES,
        learning_rate=0.06,
        max_leaf_nodes=_LEAVES,
        max_depth=_DEPTH,
        min_samples_leaf=min(200, max(5, len(hits) // 50)),
        l2_regularization=10,
        max_features=0.5,
        early_stopping=False,
        random_state=0,
    ).fit(features, hits)
    # Not public, but nothing public says what the trees are; a test compares the answers.
    trees = [stage[0].nodes for stage in model._predictors]
    return _joined(trees, model._baseline_prediction)


def _joined(trees: Sequence[Any], base: Any) -> Forest:
    roots = np.cumsum([0, *map(len, trees)])[:-1]
    nodes = np.concatenate(trees)
    own = np.arange(len(nodes))
    shift = np.repeat(roots, [len(tree) for tree in trees])
    leaf = nodes["is_leaf"].astype(bool)
    return Forest(
        feature=np.where(leaf, 0, nodes["feature_idx"]).astype(np.int32),
        threshold=nodes["num_threshold"].astype(np.float64),
        left=np.where(leaf, own, nodes["left"] + shift).astype(np.int32),
        right=np.where(leaf, own, nodes["right"] + shift).astype(np.int32),
        value=np.where(leaf, nodes["value"], 0).astype(np.float64),
        roots=roots.astype(np.int32),
        base=np.ravel(base).astype(np.float64),
    )
