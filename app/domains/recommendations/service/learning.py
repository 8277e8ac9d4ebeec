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
_OF_A_LOAN = (
    DeedKind.BORROWED,
    DeedKind.RENEWED,
    DeedKind.FINISHED,
    DeedKind.RETURNED_EARLY,
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much a deed says, −1..1, and after how long half as much."""

    weight: float
    half_life: timedelta


_YEAR = timedelta(days=365)
EVIDENCE: Mapping[DeedKind, Evidence] = {
    DeedKind.VIEWED: Evidence(0.1, timedelta(days=14)),
    DeedKind.BORROWED: Evidence(0.5, _YEAR),
    DeedKind.RENEWED: Evidence(0.2, _YEAR),
    DeedKind.FINISHED: Evidence(0.2, _YEAR),
    # With the loan it ended hardly a sign of liking any more, and none of disliking.
    DeedKind.RETURNED_EARLY: Evidence(-0.3, _YEAR),
    # Times −1 for one star to 1 for five.
    DeedKind.RATED: Evidence(1.0, 3 * _YEAR),
    DeedKind.CLICKED: Evidence(0.1, timedelta(days=30)),
    DeedKind.LIKED: Evidence(0.9, 3 * _YEAR),
    DeedKind.DISMISSED: Evidence(-0.6, _YEAR),
}


def books_liked(deeds: Sequence[Deed], now: datetime | None) -> dict[UUID, float]:
    """What each book says of the reader, −1..1, the latest first: all deeds added up, older
    ones less (none less without a `now`). A rating outweighs the loan it came from, and the
    last of like and dismiss counts."""
    weights: dict[UUID, float] = {}
    for deed in sorted(_standing(deeds), key=_in_time, reverse=True):
        weights[deed.book_id] = weights.get(deed.book_id, 0.0) + _weight(deed, now)
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


def all_tastes(stated: Tastes, learnt: Tastes) -> Tastes:
    """What was said and, where nothing was said, what was learnt; names in lower case."""
    return Tastes(
        genres={**_folded(learnt.genres), **_folded(stated.genres)},
        authors={**_folded(learnt.authors), **_folded(stated.authors)},
        tags={**_folded(learnt.tags), **_folded(stated.tags)},
        # That somebody read English books does not mean they want no others.
        languages=_folded(stated.languages),
    )


def profile_of(
    stated: Tastes, liked: Mapping[UUID, float], had: Collection[UUID], items: Mapping[UUID, Item]
) -> Profile:
    """What is said and what was done in one. A book the reader likes without having had it
    speaks through its author, genres and tags, where nothing was said of those: that they
    borrowed it would be no true reason."""
    hints = {book: weight for book, weight in liked.items() if weight > 0 and book not in had}
    tastes = all_tastes(stated, tastes_learnt(hints, items))
    return Profile(
        items={book: weight for book, weight in liked.items() if book not in hints},
        genres=tastes.genres,
        authors=tastes.authors,
        tags=tastes.tags,
        languages=tastes.languages,
    )


def _folded(tastes: Mapping[str, float]) -> dict[str, float]:
    return {name.lower(): weight for name, weight in tastes.items()}


def _standing(deeds: Sequence[Deed]) -> list[Deed]:
    """The deeds that no other deed of the reader overrules."""
    rated = {deed.book_id for deed in deeds if deed.kind == DeedKind.RATED}
    ordered = sorted(deeds, key=_in_time)
    opinions = {deed.book_id: deed for deed in ordered if deed.kind in _OPINIONS}
    others = [deed for deed in ordered if deed.kind not in _OPINIONS]
    return [
        *(deed for deed in others if deed.kind not in _OF_A_LOAN or deed.book_id not in rated),
        *opinions.values(),
    ]


def _in_time(deed: Deed) -> datetime:
    return deed.at


def _weight(deed: Deed, now: datetime | None) -> float:
    evidence = EVIDENCE[deed.kind]
    strength = (deed.value - 3) / 2 if deed.value is not None else 1.0
    age = now - deed.at if now else timedelta()
    return float(evidence.weight * strength * 0.5 ** (age / evidence.half_life))


def _mean(said: Sequence[tuple[str, float]]) -> dict[str, float]:
    """By name as it was first written; names are compared without case."""
    written: dict[str, str] = {}
    by_name: defaultdict[str, list[float]] = defaultdict(list)
    for name, weight in said:
        by_name[written.setdefault(name.casefold(), name)].append(weight)
    means = {name: sum(found) / (len(found) + 1) for name, found in by_name.items()}
    ranked = sorted(means.items(), key=lambda pair: (-abs(pair[1]), pair[0]))
    return {name: round(w, 3) for name, w in ranked[:_MOST_SHOWN] if abs(w) >= _WORTH_SHOWING}
