"""What words say and what meanings say, in one order."""

from collections.abc import Mapping, Sequence

from app.domains.discovery.model import Place, Ranked

# Tuned on one half of a set of questions with known places, judged on the other
# (`run.py bench search`).
_MEANING = 0.2
_BESIDE = 0.3


def fused(by_words: Sequence[Ranked], near: Sequence[Ranked]) -> list[Ranked]:
    """All places, the best first, scored 0 to 1: the score by words and, weighted, the cosine,
    stretched from the farthest of the near ones (0) to the nearest (1), since models differ
    in what cosines they give. The less the words say, the more the meaning counts: where one
    passage has all of a question it decides nothing, and much where none has half of it."""
    said = {hit.place: hit.score for hit in by_words}
    meant = _blended(_stretched(near))
    weight = _MEANING * (1 - max(said.values(), default=0.0)) ** 3
    found = [
        Ranked(place, (said.get(place, 0.0) + weight * meant.get(place, 0.0)) / (1 + weight))
        for place in {**said, **meant}
    ]
    return sorted(found, key=lambda hit: (-hit.score, hit.place))


def _stretched(near: Sequence[Ranked]) -> Mapping[Place, float]:
    if not near:
        return {}
    most, least = near[0].score, near[-1].score
    return {hit.place: (hit.score - least) / ((most - least) or 1.0) for hit in near}


def _blended(meant: Mapping[Place, float]) -> Mapping[Place, float]:
    """A passage beside a near one is nearer than one that stands alone."""
    return {
        place: (own + _BESIDE * _beside(meant, place)) / (1 + _BESIDE)
        for place, own in meant.items()
    }


def _beside(meant: Mapping[Place, float], place: Place) -> float:
    book, number = place
    return max(meant.get(Place(book, number - 1), 0.0), meant.get(Place(book, number + 1), 0.0))
