"""What a reader's deeds say of their taste. Derived each time, stored nowhere."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.domains.recommendations.model import Deed, DeedKind, Tastes
from app.ports.recommender import Item, Profile

_MOST_SHOWN = 20
_WORTH_SHOWING = 0.05
_OPINIONS = (DeedKind.LIKED, DeedKind.DISMISSED)


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much a deed says, −1..1, and after how long half as much."""

    weight: float
    half_life: timedelta


_YEAR = timedelta(days=365)
EVIDENCE: Mapping[DeedKind, Evidence] = {
    DeedKind.BORROWED: Evidence(0.5, _YEAR),
    DeedKind.RENEWED: Evidence(0.2, _YEAR),
    # Times −1 for one star to 1 for five.
    DeedKind.RATED: Evidence(1.0, 3 * _YEAR),
    DeedKind.CLICKED: Evidence(0.1, timedelta(days=30)),
    DeedKind.LIKED: Evidence(0.9, 3 * _YEAR),
    DeedKind.DISMISSED: Evidence(-0.6, _YEAR),
}


def books_liked(deeds: Sequence[Deed], now: datetime) -> dict[UUID, float]:
    """What each book says of the reader, −1..1: all deeds added up, older ones less. A
    rating outweighs the loan it came from, and the last of like and dismiss counts."""
    weights: defaultdict[UUID, float] = defaultdict(float)
    for deed in _standing(deeds):
        weights[deed.book_id] += _weight(deed, now)
    return {book: max(-1.0, min(1.0, weight)) for book, weight in weights.items()}


def tastes_learnt(liked: Mapping[UUID, float], items: Mapping[UUID, Item]) -> Tastes:
    """The genres, authors, tags and languages of the books somebody liked, each by the mean
    of what its books say, shrunk towards nothing when they are few."""
    known = [(items[book], weight) for book, weight in liked.items() if book in items]
    return Tastes(
        genres=_mean([(genre, w) for item, w in known for genre in item.genres]),
        authors=_mean([(item.author, w) for item, w in known if item.author]),
        tags=_mean([(tag, w) for item, w in known for tag in item.tags]),
        languages=_mean([(item.language, w) for item, w in known if item.language]),
    )


def profile_of(
    stated: Tastes, liked: Mapping[UUID, float], had: Collection[UUID], items: Mapping[UUID, Item]
) -> Profile:
    """What is said and what was done in one. A book the reader likes without having had it
    speaks through its author, genres and tags, where nothing was said of those: that they
    borrowed it would be no true reason."""
    hints = {book: weight for book, weight in liked.items() if weight > 0 and book not in had}
    hinted = tastes_learnt(hints, items)
    return Profile(
        items={book: weight for book, weight in liked.items() if book not in hints},
        genres={**_folded(hinted.genres), **_folded(stated.genres)},
        authors={**_folded(hinted.authors), **_folded(stated.authors)},
        tags={**_folded(hinted.tags), **_folded(stated.tags)},
        languages=_folded(stated.languages),
    )


def _folded(tastes: Mapping[str, float]) -> dict[str, float]:
    return {name.lower(): weight for name, weight in tastes.items()}


def _standing(deeds: Sequence[Deed]) -> list[Deed]:
    """The deeds that no other deed of the reader overrules."""
    in_time = sorted(deeds, key=lambda deed: deed.at)
    rated = {deed.book_id for deed in in_time if deed.kind == DeedKind.RATED}
    opinions = {deed.book_id: deed for deed in in_time if deed.kind in _OPINIONS}
    loans = [d for d in in_time if d.kind == DeedKind.BORROWED and d.book_id not in rated]
    others = [d for d in in_time if d.kind not in (DeedKind.BORROWED, *_OPINIONS)]
    return [*loans, *others, *opinions.values()]


def _weight(deed: Deed, now: datetime) -> float:
    evidence = EVIDENCE[deed.kind]
    strength = (deed.value - 3) / 2 if deed.value is not None else 1.0
    return float(evidence.weight * strength * 0.5 ** ((now - deed.at) / evidence.half_life))


def _mean(said: Sequence[tuple[str, float]]) -> dict[str, float]:
    """By name as it was first written; names are compared without case."""
    written: dict[str, str] = {}
    by_name: defaultdict[str, list[float]] = defaultdict(list)
    for name, weight in said:
        by_name[written.setdefault(name.casefold(), name)].append(weight)
    means = {name: sum(found) / (len(found) + 1) for name, found in by_name.items()}
    ranked = sorted(means.items(), key=lambda pair: (-abs(pair[1]), pair[0]))
    return {name: round(w, 3) for name, w in ranked[:_MOST_SHOWN] if abs(w) >= _WORTH_SHOWING}
