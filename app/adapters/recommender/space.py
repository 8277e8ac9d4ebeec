"""Books as sparse vectors whose dot product is their similarity, 0..1."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from app.adapters.recommender.fields import Field, language_key, tokens
from app.ports.recommender import Item

Vector = NDArray[np.float32]
Rows = NDArray[np.intp]
# scipy carries no types.
Matrix = Any

# Chosen on a tenth of the goodbooks readers (see benchmarks/recommend.py); their books
# have neither tags nor text, so those two weights are a judgement.
FIELD_WEIGHTS: Mapping[Field, float] = {
    Field.TITLE: 1,
    Field.AUTHOR: 4,
    Field.SERIES: 3,
    Field.GENRE: 12,
    Field.TAG: 4,
    Field.TEXT: 4,
}
_TEXT_VOCABULARY = 20_000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Space:
    """Items in order of popularity (then id), one row each.

    `matrix` is items × tokens, `by_token` its transpose; `columns` finds a token's column.
    `popularity` is 0..1, the logarithm of the readers over that of the most read.
    """

    items: Sequence[Item]
    row_of: Mapping[UUID, int]
    matrix: Matrix
    by_token: Matrix
    columns: Mapping[Field, Mapping[str, int]]
    popularity: Vector
    languages: Mapping[str, Rows]

    def rows(self, ids: Iterable[UUID]) -> Rows:
        """The rows of those ids that are known, ascending."""
        known = {self.row_of[item_id] for item_id in ids if item_id in self.row_of}
        return np.array(sorted(known), dtype=np.intp)

    def span(self, field: Field) -> slice:
        columns = self.columns[field].values()
        return slice(min(columns, default=0), max(columns, default=-1) + 1)

    def holders(self, field: Field, key: str) -> tuple[Rows, Vector]:
        """The items with this token, and how central it is to each: 0..1 within the field."""
        column = self.columns[field].get(key)
        if column is None:
            return np.array([], dtype=np.intp), np.array([], dtype=np.float32)
        found = self.by_token[[column]]
        return found.indices.astype(np.intp), found.data / np.sqrt(_share(field, self.columns))


def space_of(items: Iterable[Item]) -> Space:
    """Each field has its own TF-IDF, of length 1, so none drowns another; then weights."""
    ranked = sorted({item.id: item for item in items}.values(), key=_by_popularity)
    matrix, columns = _stacked(ranked)
    return Space(
        items=ranked,
        row_of={item.id: row for row, item in enumerate(ranked)},
        matrix=matrix,
        by_token=sparse.csr_array(matrix.T),
        columns=columns,
        popularity=_popularity(ranked),
        languages=_languages(ranked),
    )


def _by_popularity(item: Item) -> tuple[int, UUID]:
    return -item.popularity, item.id


def _stacked(ranked: Sequence[Item]) -> tuple[Matrix, Mapping[Field, Mapping[str, int]]]:
    blocks, columns, width = {}, {}, 0
    for field in FIELD_WEIGHTS:
        blocks[field], vocabulary = _tfidf(ranked, field)
        columns[field] = {token: width + column for token, column in vocabulary.items()}
        width += len(vocabulary)
    weighted = [block * np.sqrt(_share(field, columns)) for field, block in blocks.items()]
    return sparse.csr_array(sparse.hstack(weighted, format="csr", dtype=np.float32)), columns


def _share(field: Field, columns: Mapping[Field, Mapping[str, int]]) -> float:
    """The field's weight among those this library has anything in."""
    present = sum(weight for other, weight in FIELD_WEIGHTS.items() if columns[other])
    return FIELD_WEIGHTS[field] / max(present, 1)


def _tfidf(items: Sequence[Item], field: Field) -> tuple[Matrix, Mapping[str, int]]:
    analyse = partial(tokens, field=field)
    vectorizer = TfidfVectorizer(analyzer=analyse, sublinear_tf=True, dtype=np.float32)
    if field is Field.TEXT:
        # Words of every third book say nothing, in any language; a handful of books is no base.
        ubiquitous = max(10, len(items) // 3)
        vectorizer.set_params(max_df=ubiquitous, max_features=_TEXT_VOCABULARY)
    try:
        block = vectorizer.fit_transform(items)
    except ValueError:  # How scikit-learn says that there is not a single token.
        return sparse.csr_array((len(items), 0), dtype=np.float32), {}
    return block, {str(token): int(column) for token, column in vectorizer.vocabulary_.items()}


def _popularity(ranked: Sequence[Item]) -> Vector:
    readers = np.log1p(np.array([max(item.popularity, 0) for item in ranked], dtype=np.float32))
    popularity: Vector = readers / np.maximum(readers.max(initial=0), np.float32(1))
    return popularity


def _languages(ranked: Sequence[Item]) -> Mapping[str, Rows]:
    spoken: dict[str, list[int]] = {}
    for row, item in enumerate(ranked):
        if item.language:
            spoken.setdefault(language_key(item.language), []).append(row)
    return {language: np.array(rows, dtype=np.intp) for language, rows in spoken.items()}
