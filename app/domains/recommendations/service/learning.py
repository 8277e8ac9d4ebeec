"""What a reader's deeds say of their taste. Derived each time, stored nowhere."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.domains.recommendations.model import Deed, DeedKind, Tastes
from app.ports.recommender import Item

_MOST_SHOWN = 20
_WORTH_SHOWING = 0.05


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


def books_liked(deeds: Iterable[Deed], now: datetime) -> dict[UUID, float]:
    """What each book says of the reader, −1..1: all deeds added up, older ones less; a
    rating outweighs the loan it came from."""
    weights: defaultdict[UUID, float] = defaultdict(float)
    rated = {deed.book_id: deed for deed in deeds if deed.kind == DeedKind.RATED}
    for deed in deeds:
        overruled = deed.kind == DeedKind.BORROWED and deed.book_id in rated
        weights[deed.book_id] += 0.0 if overruled else _weight(deed, now)
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


def _weight(deed: Deed, now: datetime) -> float:
    evidence = EVIDENCE[deed.kind]
    strength = (deed.value - 3) / 2 if deed.value is not None else 1.0
    return float(evidence.weight * strength * 0.5 ** ((now - deed.at) / evidence.half_life))


def _mean(said: Sequence[tuple[str, float]]) -> dict[str, float]:
    by_name: defaultdict[str, list[float]] = defaultdict(list)
    for name, weight in said:
        by_name[name].append(weight)
    means = {name: sum(found) / (len(found) + 1) for name, found in by_name.items()}
    ranked = sorted(means.items(), key=lambda pair: (-abs(pair[1]), pair[0]))
    return {name: round(w, 3) for name, w in ranked[:_MOST_SHOWN] if abs(w) >= _WORTH_SHOWING}
