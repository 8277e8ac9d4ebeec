"""A recommender one can check by hand: it counts what two books have in common."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO
from uuid import UUID

from typing_extensions import override

from app.ports.recommender import (
    Item,
    ModelDamaged,
    Profile,
    Reason,
    Recommendation,
    Recommender,
    Snapshot,
)

Contributions = list[tuple[float, Reason]]


class OverlapRecommender(Recommender):
    """One point for each genre, author and tag shared, times the weight of who shares it."""

    name = "overlap"

    def __init__(self) -> None:
        self._items: Mapping[UUID, Item] = {}

    @property
    @override
    def items(self) -> Mapping[UUID, int]:
        return {item.id: item.popularity for item in self._items.values()}

    @override
    def fit(self, snapshot: Snapshot) -> None:
        by_popularity = sorted(snapshot.items, key=lambda item: (-item.popularity, item.id))
        self._items = {item.id: item for item in by_popularity}

    @override
    def recommend(
        self, profile: Profile, exclude: Collection[UUID], k: int, *, diversity: float = 0.0
    ) -> list[Recommendation]:
        candidates = [item for item in self._items.values() if item.id not in exclude]
        judged = [(item, self._judge(item, profile)) for item in candidates]
        # Sorting keeps the order of popularity among equals.
        judged.sort(key=lambda pair: -_total(pair[1]))
        answers = [_answer(item, found) for item, found in judged]
        return _various(answers, self._items, diversity)[: max(k, 0)]

    @override
    def similar(self, item_id: UUID, k: int) -> list[Recommendation]:
        if item_id not in self._items:
            return []
        found = self.recommend(Profile(items={item_id: 1.0}), {item_id}, k)
        return [answer for answer in found if answer.score > 0]

    @override
    def save(self, target: BinaryIO) -> None:
        items = [{**asdict(item), "id": str(item.id)} for item in self._items.values()]
        target.write(json.dumps({"model": self.name, "items": items}).encode() + b"\n")

    @override
    def load(self, source: BinaryIO) -> None:
        try:
            saved = json.loads(source.read())
            items = [_item(one) for one in saved["items"]]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelDamaged from error
        if saved["model"] != self.name:
            raise ModelDamaged
        self.fit(Snapshot("loaded", items))

    def _judge(self, item: Item, profile: Profile) -> Contributions:
        return [*self._history(item, profile), *_tastes(item, profile)]

    def _history(self, item: Item, profile: Profile) -> Iterator[tuple[float, Reason]]:
        for item_id, weight in profile.items.items():
            other = self._items.get(item_id)
            if other is None or (other.id == item.id and weight > 0):
                continue
            shared = len(_names(item) & _names(other))
            yield weight * shared, Reason("because_you_borrowed", item_id=item_id)


def _item(saved: dict[str, Any]) -> Item:
    names = {field: tuple(saved[field]) for field in ("genres", "tags")}
    return Item(**{**saved, **names, "id": UUID(saved["id"])})


def _various(
    answers: list[Recommendation], items: Mapping[UUID, Item], diversity: float
) -> list[Recommendation]:
    """Evidence before popularity; each next one the best after what likeness costs it."""
    if not diversity:
        return answers
    backed = [answer for answer in answers if answer.score > 0]
    chosen: list[Recommendation] = []
    while backed:
        names = [_names(items[one.item_id]) for one in chosen]
        best = max(backed, key=lambda one: _marginal(one, items, names, diversity))
        backed.remove(best)
        chosen.append(best)
    return [*chosen, *answers[len(chosen) :]]


def _marginal(
    answer: Recommendation, items: Mapping[UUID, Item], chosen: list[set[Any]], diversity: float
) -> float:
    own = _names(items[answer.item_id])
    alike = max((len(own & names) for names in chosen), default=0)
    return (1 - diversity) * answer.score - diversity * alike


def _names(item: Item) -> set[tuple[str, str]]:
    return {
        *(("author", name.lower()) for name in [item.author] if name),
        *(("genre", name.lower()) for name in item.genres),
        *(("tag", name.lower()) for name in item.tags),
    }


def _tastes(item: Item, profile: Profile) -> Contributions:
    genres = [
        (profile.genres.get(name.lower(), 0.0), Reason("you_like_genre", value=name))
        for name in item.genres
    ]
    tags = [
        (profile.tags.get(name.lower(), 0.0), Reason("you_like_genre", value=name))
        for name in item.tags
    ]
    author = profile.authors.get(item.author.lower(), 0.0)
    # A language is no reason to read a book, only one not to.
    language = min(profile.languages.get((item.language or "").lower(), 0.0), 0.0)
    liked = (author, Reason("you_like_author", value=item.author))
    return [*genres, *tags, liked, (100 * language, Reason("popular"))]


def _total(found: Contributions) -> float:
    return sum(weight for weight, _ in found)


def _answer(item: Item, found: Contributions) -> Recommendation:
    total = _total(found)
    if total <= 0:
        return Recommendation(item.id, 0.0, (Reason("popular"),))
    strongest = sorted((pair for pair in found if pair[0] > 0), key=lambda pair: -pair[0])
    return Recommendation(item.id, total, tuple(reason for _, reason in strongest[:3]))
