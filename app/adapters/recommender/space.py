"""Books as sparse vectors whose dot product is their similarity, 0..1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from app.adapters.recommender.fields import Field, tokens
from app.adapters.recommender.graph import Matrix
from app.ports.recommender import Item

# Chosen on a fifth of the goodbooks readers (see benchmarks/recommend.py); their books
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
# A field in which any two books agree more than this tells little apart, and counts less.
_TELLING = 0.2
_A_BASE = 200


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """`matrix` is items × tokens; `fields` holds each field's own part of it, rows of length
    1, with the columns of its tokens; `shares` is what each field counts for, in all 1."""

    matrix: Matrix
    fields: Mapping[Field, tuple[Matrix, Mapping[str, int]]]
    shares: Mapping[Field, float]


def space_of(ranked: Sequence[Item]) -> Space:
    """Each field has its own TF-IDF, of length 1, so none drowns another; then weights."""
    fields = {field: _tfidf(ranked, field) for field in FIELD_WEIGHTS}
    # Only the fields this library has anything in share the whole.
    weights = {
        field: FIELD_WEIGHTS[field] * _telling(block) for field, (block, _) in fields.items()
    }
    present = sum(weights[field] for field, (_, vocabulary) in fields.items() if vocabulary)
    shares = {field: weight / max(present, 1) for field, weight in weights.items()}
    weighted = [block * np.sqrt(shares[field]) for field, (block, _) in fields.items()]
    matrix = sparse.csr_array(sparse.hstack(weighted, format="csr", dtype=np.float32))
    return Space(matrix, fields, shares)


def _telling(block: Matrix) -> float:
    """1 for a field whose names tell books apart, towards 0 the more all books agree in it."""
    filled = int((np.diff(block.indptr) > 0).sum())
    if filled < _A_BASE:
        return 1.0
    total = np.asarray(block.sum(axis=0)).ravel()
    agreement = (float(total @ total) - filled) / (filled * (filled - 1))
    return min((1 - agreement) / (1 - _TELLING), 1.0) ** 2


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
