"""Passages that say the same in almost the same words, as editions of one work do, must not
fill a page."""

from collections.abc import Sequence
from dataclasses import replace

from app.domains.discovery.model import PassageText, Ranked, different_words

Read = tuple[PassageText, Ranked]

# By the questions of `run.py bench search`: passages of one text share a fifth of their words,
# of which nothing follows; and likeness by meaning costs good answers, which stand side by side.
_RELEVANCE = 0.7
_ORDINARY = 0.5
_READ_AHEAD = 2


def to_read(hits: Sequence[Ranked], number: int) -> Sequence[Ranked]:
    """As many hits as there are to choose `number` from."""
    return hits[: number * _READ_AHEAD]


def varied(read: Sequence[Read], number: int) -> list[Read]:
    """So many, chosen one by one by maximal marginal relevance (Carbonell and Goldstein 1998),
    and scored by it: a passage says so much less as it is like one that was chosen before."""
    left = [(each, different_words(each[0].text)) for each in read]
    likest = [0.0] * len(left)
    chosen: list[Read] = []
    while left and len(chosen) < number:
        gains = [_gain(each[1], alike) for (each, _), alike in zip(left, likest, strict=True)]
        best = gains.index(max(gains))
        (text, hit), words = left.pop(best)
        likest.pop(best)
        chosen.append((text, replace(hit, score=max(0.0, gains[best]))))
        likest = [max(a, _alike(words, o)) for a, (_, o) in zip(likest, left, strict=True)]
    return chosen


def _gain(hit: Ranked, likest: float) -> float:
    return hit.score - (1 - _RELEVANCE) / _RELEVANCE * likest


def _alike(one: set[str], other: set[str]) -> float:
    """The share of words both have of those any has (Jaccard), from what is ordinary on."""
    common = len(one & other)
    share = common / ((len(one) + len(other) - common) or 1)
    return max(0.0, (share - _ORDINARY) / (1 - _ORDINARY))
