"""Passages that stand side by side and were found together, shown as one place."""

from collections.abc import Sequence
from dataclasses import replace

from app.domains.discovery.model import FoundPassage

_LONGEST = 3
_READ_AHEAD = 1.5


def passages_of(places: int) -> int:
    """How many passages leave so many places when neighbours are joined."""
    return int(places * _READ_AHEAD) + 1


def joined(found: Sequence[FoundPassage]) -> list[FoundPassage]:
    """The passages, the best first, each with the found neighbours of its chapter that it is
    shown with: three passages at most. Nothing is shown twice."""
    places: list[FoundPassage] = []
    for passage in found:
        for number, place in enumerate(places):
            if _are_neighbours(place, passage):
                places[number] = _joined(place, passage)
                break
        else:
            places.append(passage)
    return places


def _are_neighbours(place: FoundPassage, passage: FoundPassage) -> bool:
    same = (place.first.book_id, place.chapter) == (passage.first.book_id, passage.chapter)
    first, last = place.first.ordinal, place.last
    beside = passage.first.ordinal in (first - 1, last + 1)
    return same and beside and last - first + 1 < _LONGEST


def _joined(place: FoundPassage, passage: FoundPassage) -> FoundPassage:
    before, behind = sorted([place, passage], key=lambda each: each.start)
    return replace(
        before,
        last=behind.last,
        text=before.text + behind.text,
        forms={**before.forms, **behind.forms},
        score=place.score,
    )
