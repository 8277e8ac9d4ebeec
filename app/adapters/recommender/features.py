"""What a re-ranker sees of a candidate: a few numbers, the same when it learns and when it
serves."""

from dataclasses import dataclass

import numpy as np

from app.adapters.recommender.evidence import POWER
from app.adapters.recommender.fields import Field
from app.adapters.recommender.graph import Rows, Vector
from app.adapters.recommender.shelf import Shelf

_SHARED = (Field.AUTHOR, Field.SERIES)
_TINY = 1e-6


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Signals:
    """One reader's history (rows; weights, the largest 1) before some candidates.

    `learnt` and `alike` are history × candidates: what the linear model says, and how alike
    their content is; `around` is what the model says of the books like each candidate, and
    `readers` how many had it.
    """

    history: Rows
    weights: Vector
    candidates: Rows
    learnt: Vector
    alike: Vector
    around: Vector
    readers: Vector


def features_of(shelf: Shelf, signals: Signals) -> Vector:
    """Candidates × features: first CONTENT_FEATURES, which a book nobody had yet has too."""
    columns = [
        *_content(signals),
        *_facts(shelf, signals),
        *_learnt(signals),
        *_readers(shelf, signals),
    ]
    size = len(signals.candidates)
    return np.stack([np.broadcast_to(c, size) for c in columns], axis=1).astype(np.float32)


def _content(signals: Signals) -> list[Vector]:
    agreement = _per_liked(signals, signals.alike**POWER)
    return [
        agreement,
        _rank(agreement),
        signals.alike.max(axis=0, initial=0),
        _per_liked(signals, signals.alike),
        signals.around,
        _rank(signals.around),
        signals.around / max(float(signals.around.max(initial=0)), _TINY),
    ]


def _facts(shelf: Shelf, signals: Signals) -> list[Vector]:
    years = shelf.year[signals.history].astype(np.float32)
    known = years[years != 0] if years.any() else np.zeros(1, np.float32)
    year = shelf.year[signals.candidates].astype(np.float32)
    language = shelf.language[signals.history]
    same = {field: _same(shelf, field, signals) for field in _SHARED}
    return [
        year,
        np.where(year == 0, 0, year - np.median(known)),
        np.full(1, known.std()),
        (language[:, np.newaxis] == shelf.language[signals.candidates]).mean(axis=0),
        np.log1p(np.full(1, float(len(signals.history)))),
        *(column.sum(axis=0) for column in same.values()),
        same[Field.SERIES].max(axis=0, initial=0),
        same[Field.AUTHOR].mean(axis=0),
    ]


CONTENT_FEATURES = 7 + 5 + len(_SHARED) + 2


def _learnt(signals: Signals) -> list[Vector]:
    said = signals.weights[:, np.newaxis] * signals.learnt
    total, best = said.sum(axis=0), said.max(axis=0, initial=0)
    return [
        total,
        total / max(float(total.max(initial=0)), _TINY),
        _rank(total),
        best,
        (said > 0.2 * np.maximum(best, _TINY)).sum(axis=0),
    ]


def _readers(shelf: Shelf, signals: Signals) -> list[Vector]:
    own = np.log1p(np.maximum(shelf.readers[signals.history], 0))
    readers = np.log1p(np.maximum(signals.readers, 0))
    return [readers, readers - own.mean()]


def _per_liked(signals: Signals, said: Vector) -> Vector:
    return np.asarray(signals.weights @ said / max(float(np.abs(signals.weights).sum()), _TINY))


def _same(shelf: Shelf, field: Field, signals: Signals) -> Vector:
    """How alike history and candidates are in the names of one field."""
    by_item = shelf.names[field].by_item
    return np.asarray((by_item[signals.history] @ by_item[signals.candidates].T).toarray())


def _rank(scores: Vector) -> Vector:
    order = np.empty(len(scores), dtype=np.float32)
    order[np.argsort(-scores, kind="stable")] = np.log1p(np.arange(len(scores)))
    return order
