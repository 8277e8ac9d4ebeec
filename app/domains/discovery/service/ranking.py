"""How much of a question a passage says: BM25-like sums over its words, with what the rest of
its book says of the question."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from uuid import UUID

from app.domains.discovery.model import Candidate, Place, Ranked, Term

# Tuned on one half of a set of questions with known places, judged on the other
# (`run.py bench search`).
_BOOK = 0.25
_NEIGHBOUR = 0.4
_TOGETHER = 1.0
_LENGTH = 0.4
_OFTEN = 1.25


def pairs_of(terms: Sequence[Term]) -> list[tuple[Term, Term]]:
    """Terms of words that follow each other in the question, little words between them or
    not."""
    positions = sorted({term.position for term in terms})
    following = dict(pairwise(positions))
    return [
        (first, second)
        for first in terms
        for second in terms
        if following.get(first.position) == second.position
    ]


def ranked(
    candidates: Sequence[Candidate],
    terms: Sequence[Term],
    pairs: Sequence[tuple[Term, Term]],
) -> list[Ranked]:
    """The candidates, the best first; equal ones in order of their places."""
    if not candidates:
        return []
    most = _most(terms, pairs)
    usual = sum(candidate.length for candidate in candidates) / len(candidates)
    own = {c.place: _own(c, terms, pairs, usual) / most for c in candidates}
    of_books = _of_books(candidates, terms)
    whole = sum(_weights(terms).values())
    found = [Ranked(place, _blended(own, place, of_books[place.book_id] / whole)) for place in own]
    return sorted(found, key=lambda hit: (-hit.score, hit.place))


def coverage(candidate: Candidate, terms: Sequence[Term]) -> float:
    """The share of the question's words, by weight, that the passage has at all."""
    weights = _weights(terms)
    there = {t.position for t, s in zip(terms, candidate.strengths, strict=True) if s > 0}
    return sum(weights[position] for position in there) / sum(weights.values())


def _blended(own: Mapping[Place, float], place: Place, of_book: float) -> float:
    book, number = place
    beside = max(own.get(Place(book, number - 1), 0.0), own.get(Place(book, number + 1), 0.0))
    return (own[place] + _NEIGHBOUR * beside + _BOOK * of_book) / (1 + _NEIGHBOUR + _BOOK)


def _own(
    candidate: Candidate,
    terms: Sequence[Term],
    pairs: Sequence[tuple[Term, Term]],
    usual: float,
) -> float:
    best: dict[int, float] = defaultdict(float)
    for term, strength in zip(terms, candidate.strengths, strict=True):
        best[term.position] = max(best[term.position], _said(term, strength))
    beside: dict[int, float] = defaultdict(float)
    for (first, second), there in zip(pairs, candidate.together, strict=True):
        beside[first.position] = max(beside[first.position], there * _joint(first, second))
    longer = 1 - _LENGTH + _LENGTH * candidate.length / usual
    return sum(best.values()) / max(longer, 1.0) + sum(beside.values())


def _most(terms: Sequence[Term], pairs: Sequence[tuple[Term, Term]]) -> float:
    """What a passage would get that has all of it."""
    joint: dict[int, float] = defaultdict(float)
    for first, second in pairs:
        joint[first.position] = max(joint[first.position], _joint(first, second))
    return sum(_weights(terms).values()) + sum(joint.values())


def _said(term: Term, strength: float) -> float:
    # Once counts a little less beside often than ts_rank has it.
    return float(term.weight * strength**_OFTEN)


def _joint(first: Term, second: Term) -> float:
    return _TOGETHER * (first.weight + second.weight) / 2


def _weights(terms: Sequence[Term]) -> dict[int, float]:
    """How much each word of the question tells."""
    weights: dict[int, float] = defaultdict(float)
    for term in terms:
        weights[term.position] = max(weights[term.position], term.weight)
    return weights


def _of_books(candidates: Sequence[Candidate], terms: Sequence[Term]) -> dict[UUID, float]:
    """What each book says of the question in all its candidates together."""
    best: dict[UUID, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for candidate in candidates:
        mine = best[candidate.place.book_id]
        for term, strength in zip(terms, candidate.strengths, strict=True):
            mine[term.position] = max(mine[term.position], _said(term, strength))
    return {book: sum(words.values()) for book, words in best.items()}
