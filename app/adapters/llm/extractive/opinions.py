"""A review read by lexicon: which sentence says what about which aspect of the book."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.adapters.llm.extractive.lexicon import (
    ASPECTS,
    BLAMED,
    HARMLESS,
    LIKED,
    MILDLY_NEGATIVE,
    MILDLY_POSITIVE,
    NEGATIONS,
    NEGATIVE,
    POSITIVE,
    TURNS,
    UNREAL,
)

_LINE = re.compile(r"^[^\S\n]*+(\d{1,9})[^\S\n]*+[:.)][^\S\n]*(.*)$", re.M)
_TOKEN = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|[,;:.!?]")
_STOPS = frozenset(",;:.!?")
_NEAR, _FAR = 3, 6
_MOST_PER_SENTENCE = 3
_TOO = frozenset({"too", "zu", "trop", "demasiado"})
_MILD = 0.5
# How much the tone of the review weighs in each of its sentences, what of it makes a tone,
# and below what a sentence is neither for nor against.
_WEIGHT_OF_TONE, _TONE, _UNDECIDED = 0.6, 1.0, 0.25

Opinion = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """For and against, both 0 or more; 1 is a plain word for it."""

    liked: float
    blamed: float

    @property
    def anything(self) -> bool:
        return bool(self.liked or self.blamed)

    @property
    def divided(self) -> bool:
        return min(self.liked, self.blamed) >= 1 and abs(self.liked - self.blamed) < 1

    def __add__(self, other: "Said") -> "Said":
        return Said(self.liked + other.liked, self.blamed + other.blamed)


_NOTHING = Said(0.0, 0.0)


def opinions_in(lines: str, *, stars: int | None, aspects: Sequence[str]) -> list[Opinion]:
    """Opinions found in numbered lines (`1: text`), at most three to a sentence.

    The words of a sentence decide; where they are mild or merely exclaim, the stars do, or
    without these the tone of the whole review. A review without one word for liking or
    blaming is taken by its stars alone.
    """
    numbered = [(int(number), _plain(text)) for number, text in _LINE.findall(lines)]
    said = [_said(text) for _, text in numbered]
    tone = _tone(stars, said)
    silent = stars is not None and not any(each.anything for each in said)
    found: list[Opinion] = []
    for number, text in numbered:
        opinions = _of_sentence(text, tone, aspects, silent=silent)
        found += [{"sentence": number, "aspect": a, "polarity": p} for a, p in opinions]
    return found


def _plain(text: str) -> str:
    return HARMLESS.sub(" _ ", text.lower().replace("’", "'"))


def _tone(stars: int | None, said: Sequence[Said]) -> int:
    if stars is not None:
        return (stars > 3) - (stars < 3)
    total = sum(each.liked - each.blamed for each in said)
    return (total >= _TONE) - (total <= -_TONE)


def _of_sentence(
    text: str, tone: int, aspects: Sequence[str], *, silent: bool
) -> list[tuple[str, str]]:
    whole = _said(text)
    found: dict[str, Said] = {}
    for clause in TURNS.split(text):
        said = _said(clause)
        if not said.anything and not whole.divided:
            said = whole
        for aspect in _aspects_of(clause, aspects):
            found[aspect] = found.get(aspect, _NOTHING) + said
    heard = silent or "!" in text
    verdicts = ((aspect, _verdict(said, tone, heard)) for aspect, said in found.items())
    return [(aspect, v) for aspect, v in verdicts if v is not None][:_MOST_PER_SENTENCE]


def _verdict(said: Said, tone: int, heard: bool) -> str | None:
    """None where nothing is said, unless the tone is to be `heard` by itself."""
    if not said.anything and not (heard and tone):
        return None
    total = said.liked - said.blamed + _WEIGHT_OF_TONE * tone
    if said.divided or abs(total) < _UNDECIDED:
        return "mixed"
    return "positive" if total > 0 else "negative"


def _aspects_of(clause: str, aspects: Sequence[str]) -> list[str]:
    words = _TOKEN.findall(clause)
    return [a for a in aspects if a in ASPECTS and any(map(ASPECTS[a].match, words))]


def _said(text: str) -> Said:
    liked, blamed = float(len(LIKED.findall(text))), float(len(BLAMED.findall(text)))
    words = _TOKEN.findall(LIKED.sub(" . ", BLAMED.sub(" . ", text)))
    for place in range(len(words)):
        worth = _worth(words, place)
        liked, blamed = liked + max(0.0, worth), blamed + max(0.0, -worth)
    return Said(liked, blamed)


def _worth(words: Sequence[str], place: int) -> float:
    """What one word says: turned by `not` and its kin within three words before it, or by
    what was only hoped for, and blame where there is too much of it."""
    if place and words[place - 1] in _TOO and words[place] not in _STOPS:
        return -1.0
    worth = _plain_worth(words[place])
    before = _before(words, place)
    if worth and NEGATIONS.intersection(before[-_NEAR:]):
        return -worth if worth > 0 else -worth * _MILD
    return -worth if worth > 0 and UNREAL.intersection(before) else worth


def _before(words: Sequence[str], place: int) -> Sequence[str]:
    """The words before, back to a stop."""
    start = place
    while start > max(0, place - _FAR) and words[start - 1] not in _STOPS:
        start -= 1
    return words[start:place]


def _plain_worth(word: str) -> float:
    if NEGATIVE.match(word):
        return -1.0
    if POSITIVE.match(word):
        return 1.0
    return _MILD * (bool(MILDLY_POSITIVE.match(word)) - bool(MILDLY_NEGATIVE.match(word)))
