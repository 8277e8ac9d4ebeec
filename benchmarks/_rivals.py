"""What the library's recommenders are compared with: floors, and what others use."""

import warnings
from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, BinaryIO
from uuid import UUID

import numpy as np
from scipy import linalg, sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from typing_extensions import override

from app.adapters.recommender.fields import author_names, series_names
from app.ports.recommender import Profile, Reason, Recommendation, Recommender, Snapshot


class Ranking(Recommender):
    """One order of the items per reader, and no reasons worth the name. `liked` is readers ×
    items, 1 where the weight is above 0, as the papers of these models have it."""

    @override
    def fit(self, snapshot: Snapshot) -> None:
        self._ids = [item.id for item in snapshot.items]
        self._row_of = {item_id: row for row, item_id in enumerate(self._ids)}
        self._learn(snapshot)

    @property
    @override
    def items(self) -> Mapping[UUID, int]:
        return dict.fromkeys(self._ids, 0)

    @override
    def recommend(
        self, profile: Profile, exclude: Collection[UUID], k: int, *, diversity: float = 0.0
    ) -> list[Recommendation]:
        scores = np.array(self._scores(profile), dtype=np.float64)
        scores[self._rows(exclude)] = -np.inf
        best = np.argsort(-scores, kind="stable")[:k]
        reason = Reason("popular")
        return [Recommendation(self._ids[row], float(scores[row]), (reason,)) for row in best]

    @override
    def similar(self, item_id: UUID, k: int) -> list[Recommendation]:
        return []

    @override
    def save(self, target: BinaryIO) -> None:
        raise NotImplementedError("A rival is fitted where it is asked.")

    @override
    def load(self, source: BinaryIO) -> None:
        raise NotImplementedError("A rival is fitted where it is asked.")

    @abstractmethod
    def _learn(self, snapshot: Snapshot) -> None: ...

    @abstractmethod
    def _scores(self, profile: Profile) -> Any:
        """One number for each item of the snapshot, in its order."""

    def _rows(self, ids: Collection[UUID]) -> list[int]:
        return [self._row_of[item_id] for item_id in ids if item_id in self._row_of]

    def _liked(self, snapshot: Snapshot) -> Any:
        liked = [each for each in snapshot.interactions if each.weight > 0]
        reader_of = {name: row for row, name in enumerate({each.reader_id: 0 for each in liked})}
        rows = [reader_of[each.reader_id] for each in liked]
        columns = [self._row_of[each.item_id] for each in liked]
        shape = (len(reader_of), len(self._ids))
        return sparse.csr_matrix((np.ones(len(liked), np.float32), (rows, columns)), shape=shape)

    def _history(self, profile: Profile) -> Any:
        history = np.zeros((1, len(self._ids)), dtype=np.float32)
        history[0, self._rows(profile.items)] = 1
        return sparse.csr_matrix(history)


class RandomRanking(Ranking):
    name = "random"

    @override
    def _learn(self, snapshot: Snapshot) -> None:
        self._random = np.random.default_rng(0)

    @override
    def _scores(self, profile: Profile) -> Any:
        return self._random.random(len(self._ids))


class PopularityRanking(Ranking):
    name = "popularity"

    @override
    def _learn(self, snapshot: Snapshot) -> None:
        self._popularity = np.array([item.popularity for item in snapshot.items])

    @override
    def _scores(self, profile: Profile) -> Any:
        return self._popularity


class OneFieldMean(Ranking):
    """What most public code does: one bag of words per book, the mean of the reader's books."""

    name = "tf-idf, one field, mean profile"

    @override
    def _learn(self, snapshot: Snapshot) -> None:
        bags = [f"{i.title} {i.author} {' '.join(i.genres)}" for i in snapshot.items]
        self._matrix = TfidfVectorizer().fit_transform(bags).tocsr()

    @override
    def _scores(self, profile: Profile) -> Any:
        mean = np.asarray(self._matrix[self._rows(profile.items)].mean(axis=0)).ravel()
        return self._matrix @ mean


class FieldsKnn(Ranking):
    """TF-IDF of words by field, each of length 1, all fields alike; item-kNN with similarity³."""

    name = "tf-idf, fields, item-kNN"
    _POWER = 3

    @override
    def _learn(self, snapshot: Snapshot) -> None:
        fields = [
            [item.title for item in snapshot.items],
            [" ".join(author_names(item.author)) for item in snapshot.items],
            [" ".join(series_names(item.title)) for item in snapshot.items],
            [" ".join(item.genres) for item in snapshot.items],
        ]
        blocks = [_words(texts) for texts in fields if any(text.strip() for text in texts)]
        self._matrix = sparse.csr_matrix(sparse.hstack(blocks)) / np.sqrt(len(blocks))

    @override
    def _scores(self, profile: Profile) -> Any:
        alike = (self._matrix[self._rows(profile.items)] @ self._matrix.T).power(self._POWER)
        return np.asarray(alike.sum(axis=0)).ravel()


class ItemKnn(Ranking):
    name = "item-kNN, BM25"

    @override
    def _learn(self, snapshot: Snapshot) -> None:
        from implicit.nearest_neighbours import BM25Recommender  # type: ignore[import-untyped]

        model = BM25Recommender(K=200, K1=1.2, B=0.75, num_threads=1)
        model.fit(self._liked(snapshot), show_progress=False)
        self._similarity = model.similarity

    @override
    def _scores(self, profile: Profile) -> Any:
        return (self._history(profile) @ self._similarity).toarray()[0]


class ImplicitAls(Ranking):
    """The `implicit` package, settings tuned on the readers kept for that."""

    name = "implicit ALS"

    @override
    def _learn(self, snapshot: Snapshot) -> None:
        from implicit.als import AlternatingLeastSquares  # type: ignore[import-untyped]

        with warnings.catch_warnings():
            # It would have the threads of the linear algebra set by environment variable.
            warnings.simplefilter("ignore")
            self._model = AlternatingLeastSquares(
                factors=ALS["factors"],
                regularization=ALS["regularization"],
                alpha=ALS["alpha"],
                iterations=15,
                random_state=0,
                num_threads=1,
            )
        self._model.fit(self._liked(snapshot), show_progress=False)

    @override
    def _scores(self, profile: Profile) -> Any:
        reader = self._model.recalculate_user(0, self._history(profile))
        return self._model.item_factors @ reader


ALS: dict[str, Any] = {"factors": 256, "regularization": 10.0, "alpha": 5.0}


class Ease(Ranking):
    """Steck 2019, on what was liked, in its dual form (fewer readers than items)."""

    name = "EASE (rival)"
    _RIDGE = 50.0

    @override
    def _learn(self, snapshot: Snapshot) -> None:
        liked = self._liked(snapshot)
        gram = (liked @ liked.T).toarray() + self._RIDGE * np.eye(liked.shape[0], dtype=np.float32)
        lower = np.linalg.cholesky(gram)
        self._half = linalg.solve_triangular(lower, liked.toarray(), lower=True)
        self._diagonal = (1 - (self._half**2).sum(axis=0)) / self._RIDGE

    @override
    def _scores(self, profile: Profile) -> Any:
        rows = self._rows(profile.items)
        said = (self._half[:, rows].sum(axis=1) @ self._half) / self._RIDGE
        return said / self._diagonal


def _words(texts: list[str]) -> Any:
    return TfidfVectorizer(token_pattern=r"(?u)\b\w+\b", sublinear_tf=True).fit_transform(texts)
