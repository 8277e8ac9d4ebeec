"""Recommenders that learn from what readers did, with content for whatever that leaves out."""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from app.adapters.recommender.answering import Contribution, Judged, answer, judged
from app.adapters.recommender.archive import Archive, read_archive, whole, write_archive
from app.adapters.recommender.content import Content, content_of
from app.adapters.recommender.evidence import Evidence, Reader, reader_of
from app.adapters.recommender.features import Signals
from app.adapters.recommender.graph import Graph, Rows, Vector
from app.adapters.recommender.history import History, history_of
from app.adapters.recommender.linear import (
    MOST_ITEMS,
    LinearModel,
    Regularisation,
    linear_model_of,
)
from app.adapters.recommender.reranking import BORROWED, UNDISCOVERED, Reranker, around
from app.adapters.recommender.shelf import by_popularity
from app.adapters.recommender.tfidf import because_of_content
from app.ports.recommender import Profile, Reason, Recommendation, Recommender, Snapshot

_STRONGEST = 256

_BORROWED = partial(Reason, "because_you_borrowed")
_READ_WITH = partial(Reason, "readers_like_you")


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What readers did: which item speaks for which, and how many had each item."""

    graph: Graph
    readers: NDArray[np.float32]
    reranker: Reranker | None

    def read_with(self, seed: int) -> Vector:
        """How much having the seed says for each item, relative to the most; at most half of
        what two books that are alike in everything are alike."""
        said = self.graph.voices(np.array([seed]), np.ones(1, dtype=np.float32))
        return np.asarray(np.maximum(said, 0) / (2 * max(float(said.max(initial=0)), 1e-6)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        reranker = self.reranker.arrays() if self.reranker else {}
        return self.graph.arrays("learnt") | {"learnt.readers": self.readers} | reranker

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Learnt":
        reranker = Reranker.from_arrays(arrays) if "borrowed.roots" in arrays else None
        return cls(Graph.from_arrays("learnt", arrays), arrays["learnt.readers"], reranker)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    content: Content
    learnt: Learnt | None


class LearntRecommender(Recommender):
    """A linear item model over the most read items, content beside it: alone for readers and
    libraries of whom too little is known, and for items outside the linear model."""

    regularisation: Regularisation
    # How much what content says counts beside what the linear model says.
    content_counts: float

    def __init__(self) -> None:
        self._model = Model(content_of(()), None)

    @abstractmethod
    def reranker(self, content: Content, history: History, model: LinearModel) -> Reranker | None:
        """What has the last word on the candidates, if anything has."""

    @property
    @override
    def items(self) -> Mapping[UUID, int]:
        return self._model.content.shelf.readers_of

    @override
    def fit(self, snapshot: Snapshot) -> None:
        content = content_of(by_popularity(snapshot.items))
        history = history_of(snapshot, content.shelf)
        self._model = Model(content, self._learn(content, history) if history.enough else None)

    @override
    def recommend(
        self, profile: Profile, exclude: Collection[UUID], k: int, *, diversity: float = 0.0
    ) -> list[Recommendation]:
        content, learnt = self._model.content, self._model.learnt
        reader = reader_of(content.shelf, profile)
        asked = _Question(content, learnt, reader, self.content_counts)
        return answer(
            content.shelf,
            asked.judged(content.shelf.rows(exclude)),
            k,
            likeness=content.likeness,
            diversity=diversity,
            why=asked.why,
        )

    @override
    def similar(self, item_id: UUID, k: int) -> list[Recommendation]:
        content, learnt = self._model.content, self._model.learnt
        seed = content.shelf.row_of.get(item_id)
        if seed is None:
            return []
        return content.similar(seed, k, learnt.read_with(seed) if learnt else None)

    @override
    def save(self, target: BinaryIO) -> None:
        model = self._model
        learnt = model.learnt.arrays() if model.learnt else {}
        write_archive(target, Archive(self.name, {}, model.content.arrays() | learnt))

    @override
    def load(self, source: BinaryIO) -> None:
        with whole(read_archive(source, self.name).arrays) as arrays:
            learnt = Learnt.from_arrays(arrays) if "learnt.readers" in arrays else None
            self._model = Model(Content.from_arrays(arrays), learnt)

    def _learn(self, content: Content, history: History) -> Learnt:
        members = history.most_read(MOST_ITEMS)
        liked = history.liked[:, members]
        model = linear_model_of(liked, members, content.shelf, self.regularisation)
        reranker = self.reranker(content, history, model)
        return Learnt(model.graph(len(content.shelf.ids), _STRONGEST), history.readers, reranker)


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """One reader before one model."""

    content: Content
    learnt: Learnt | None
    reader: Reader
    content_counts: float

    def judged(self, excluded: Rows) -> Judged:
        said = self._evidence.history() + self._evidence.stated()
        totals = said * (1 + self.content.shelf.popularity)
        welcome = self._evidence.welcome()
        if self.learnt is None or not self._liked.any():
            return judged(totals, said, welcome, excluded)
        learnt = self.learnt.graph.voices(self.reader.rows, self._weights)
        found = judged(self.content_counts * totals + learnt, said, welcome, excluded)
        return self._reranked(found, learnt, welcome) if self.learnt.reranker else found

    def why(self, rows: Rows) -> Iterator[Sequence[Contribution]]:
        """One reason for each book of the history, by the part of it that says more."""
        if self.learnt is None or not self._liked.any():
            yield from because_of_content(self._evidence, rows)
            return
        counts = self.content_counts * (1 + self.content.shelf.popularity[rows])
        alike = self._evidence.borrowed(rows) * counts
        learnt = self._voices(self.learnt.graph, rows)
        for place, row in enumerate(rows):
            liked = [(counts[place] * said, r) for said, r in self._evidence.liked(int(row))]
            yield [*self._because(alike[:, place], learnt[:, place]), *liked]

    @property
    def _evidence(self) -> Evidence:
        return self.content.evidence(self.reader)

    @property
    def _weights(self) -> Vector:
        """A history of loans alone says as much as one of five stars."""
        largest = np.abs(self.reader.weights).max(initial=0)
        return np.asarray(self.reader.weights / max(largest, np.float32(1e-6)))

    @property
    def _liked(self) -> NDArray[np.bool_]:
        return np.asarray(self.reader.weights > 0)

    def _voices(self, graph: Graph, candidates: Rows) -> Vector:
        said = graph.between(self.reader.rows, candidates)
        return np.asarray(self._weights[:, np.newaxis] * said)

    def _because(self, alike: Vector, learnt: Vector) -> Iterator[Contribution]:
        # What is against a disliked book speaks for this one, but that is not what a reason says.
        for place in np.flatnonzero((alike + learnt > 0) & self._liked):
            item_id = self.content.shelf.ids[self.reader.rows[place]]
            like_it, read_with_it = _BORROWED(item_id=item_id), _READ_WITH(item_id=item_id)
            reason = like_it if alike[place] >= learnt[place] else read_with_it
            yield float(alike[place] + learnt[place]), reason

    def _reranked(self, found: Judged, learnt: Vector, welcome: Vector) -> Judged:
        """The pool by the chance of each to be chosen, then the others below all of it."""
        assert self.learnt is not None
        assert self.learnt.reranker is not None
        had = self.learnt.readers[found.backed] > 0
        pool = np.zeros(len(found.backed), dtype=bool)
        pool[np.flatnonzero(had)[:BORROWED]] = True
        pool[np.flatnonzero(~had)[:UNDISCOVERED]] = True
        candidates = found.backed[pool]
        chances = self.learnt.reranker.chances(self.content, self._signals(candidates, learnt))
        chances = chances * welcome[candidates] * self._fitting(candidates)
        order = np.argsort(-chances, kind="stable")
        others = found.scores[~pool]
        scale = chances.min(initial=1) / max(float(others.max(initial=0)), 1e-6)
        return Judged(
            np.concatenate([candidates[order], found.backed[~pool]]),
            np.concatenate([chances[order], others * scale]),
            found.rest,
        )

    def _fitting(self, candidates: Rows) -> Vector:
        """The re-ranker knows the history only; a stated taste shifts what it says."""
        return np.asarray(np.exp(np.clip(self._evidence.stated()[candidates], -3, 3)))

    def _signals(self, candidates: Rows, learnt: Vector) -> Signals:
        assert self.learnt is not None
        history, weights = self.reader.rows[self._liked], self._weights[self._liked]
        return Signals(
            history=history,
            weights=weights,
            candidates=candidates,
            learnt=self.learnt.graph.between(history, candidates),
            alike=self.content.likeness.between(history, candidates),
            around=around(self.content.likeness, learnt, history, candidates),
            readers=self.learnt.readers[candidates],
        )
