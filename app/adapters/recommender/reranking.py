"""The last word on the best candidates: what readers chose next, from a few features.

It learns from the readers there are. Each one's likes are split as if a fifth were still to
come, and the linear model is asked as it would be had this reader never been here, so that
what it says of them is what it will say of a stranger.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.adapters.recommender.content import Content
from app.adapters.recommender.evidence import POWER
from app.adapters.recommender.features import CONTENT_FEATURES, Signals, features_of
from app.adapters.recommender.forest import Forest, forest_of
from app.adapters.recommender.graph import Graph, Rows, Vector
from app.adapters.recommender.history import History
from app.adapters.recommender.linear import LinearModel

# So many candidates a model of what readers did proposes, and so many content does, of the
# books nobody had yet.
BORROWED, UNDISCOVERED = 200, 50
_MOST_READERS = 1000
_FEWEST_LIKED, _MOST_LIKED = 5, 400
_HIDDEN = 5
# Of what nobody chose this share is as good to learn from as all of it, and faster.
_MISSES_KEPT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Reranker:
    """`borrowed` judges books somebody had, `undiscovered` the others, by content alone."""

    borrowed: Forest
    undiscovered: Forest

    def chances(self, content: Content, signals: Signals) -> Vector:
        features = features_of(content.shelf, signals)
        had = signals.readers > 0
        chances = np.empty(len(had), dtype=np.float32)
        chances[had] = self.borrowed.chances(features[had])
        chances[~had] = self.undiscovered.chances(features[~had, :CONTENT_FEATURES])
        return chances

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.borrowed.arrays("borrowed") | self.undiscovered.arrays("undiscovered")

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Reranker":
        return cls(*(Forest.from_arrays(p, arrays) for p in ("borrowed", "undiscovered")))


def reranker_of(content: Content, history: History, model: LinearModel) -> Reranker | None:
    """None when nobody ever chose what would have been proposed."""
    random = np.random.default_rng(0)
    learnt, alike = _Lessons([], []), _Lessons([], [])
    for reader in _learnt_from(history, random):
        for lessons, lesson in zip(
            (learnt, alike), _lessons(content, history, model, reader, random), strict=True
        ):
            lessons.take(*lesson, random)
    if not (learnt.usable and alike.usable):
        return None
    return Reranker(learnt.learnt(), alike.learnt())


@dataclass(frozen=True, slots=True, eq=False)
class _Lessons:
    features: list[Vector]
    hits: list[NDArray[np.bool_]]

    def take(self, features: Vector, hits: NDArray[np.bool_], random: np.random.Generator) -> None:
        kept = hits | (random.random(len(hits)) < _MISSES_KEPT)
        self.features.append(features[kept])
        self.hits.append(hits[kept])

    @property
    def usable(self) -> bool:
        return any(hits.any() for hits in self.hits)

    def learnt(self) -> Forest:
        return forest_of(np.concatenate(self.features), np.concatenate(self.hits))


def _learnt_from(history: History, random: np.random.Generator) -> Rows:
    likes = np.diff(history.by_liking.indptr)
    able = np.flatnonzero((likes >= _FEWEST_LIKED) & (likes <= _MOST_LIKED))
    return np.sort(random.permutation(able)[:_MOST_READERS])


def _lessons(
    content: Content, history: History, model: LinearModel, reader: int, random: np.random.Generator
) -> Iterator[tuple[Vector, NDArray[np.bool_]]]:
    """What there was to choose from and what was chosen: as everybody's books, and as if
    nobody had had them."""
    likes = random.permutation(_row(history.by_liking, reader))
    hidden, shown = np.split(likes, [max(1, len(likes) // _HIDDEN)])
    shown.sort()
    own = history.liked[[reader]].toarray()[0]
    weights = np.ones(len(shown), dtype=np.float32)
    said = _known_without(model, own, shown, len(content.shelf.ids))
    total = weights @ said
    readers = history.readers - (own > 0)
    alike = content.likeness.voices(shown, weights, POWER)
    both = (
        (_best(total, shown, BORROWED), None),
        (_best(alike, shown, BORROWED), CONTENT_FEATURES),
    )
    for candidates, known in both:
        signals = Signals(
            history=shown,
            weights=weights,
            candidates=candidates,
            learnt=said[:, candidates],
            alike=content.likeness.between(shown, candidates),
            around=around(content.likeness, total, shown, candidates),
            readers=readers[candidates],
        )
        yield features_of(content.shelf, signals)[:, :known], np.isin(candidates, hidden)


def _row(matrix: Any, row: int) -> Rows:
    return np.asarray(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]], dtype=np.intp)


def _known_without(model: LinearModel, own: Vector, shown: Rows, items: int) -> Vector:
    said = np.zeros((len(shown), items), dtype=np.float32)
    places = np.searchsorted(model.members, shown)
    places = np.minimum(places, len(model.members) - 1)
    inside = model.members[places] == shown
    known = model.without(own[model.members], places[inside])
    said[np.ix_(np.flatnonzero(inside), model.members)] = known
    return said


def _best(scores: Vector, shown: Rows, size: int) -> Rows:
    scores = scores.copy()
    scores[shown] = -np.inf
    best = np.argsort(-scores, kind="stable")[:size]
    return best[scores[best] > 0]


def around(likeness: Graph, total: Vector, history: Rows, candidates: Rows) -> Vector:
    """What is said of the books like each candidate, as if it were said of it: the way a
    book nobody had yet inherits from those that were read. The reader's own count fully."""
    heard = total.copy()
    heard[history] = max(float(total.max(initial=0)), 0)
    owners, columns, alike = likeness.entries(candidates)
    nearness = alike**POWER
    size = len(candidates)
    said = np.bincount(owners, weights=nearness * heard[columns], minlength=size)
    weight = np.bincount(owners, weights=nearness, minlength=size)
    return (said / (weight + 0.3**POWER)).astype(np.float32)
