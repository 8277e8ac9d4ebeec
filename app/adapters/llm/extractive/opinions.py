"""A review read by lexicon: which sentence says what about which aspect of the book."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from app.adapters.llm.extractive.lexicon import ASPECTS, NEGATIONS, NEGATIVE, POSITIVE, TURNS

_LINE = re.compile(r"^\s*(\d+)\s*[:.)]\s*(.*)$", re.M)
_TOKEN = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|[,;:.!?]")
_REACH = 3
_MOST_PER_SENTENCE = 3
_TOO = frozenset({"too", "zu", "trop", "demasiado"})

Opinion = dict[str, Any]


def opinions_in(lines: str, *, stars: int | None, aspects: Sequence[str]) -> list[Opinion]:
    """Opinions found in numbered lines (`1: text`), at most three to a sentence.

    Words decide; the stars only where words contradict each other or merely exclaim.
    """
    leaning = {1: -1, 2: -1, 4: 1, 5: 1}.get(stars or 0, 0)
    found: list[Opinion] = []
    for number, text in _LINE.findall(lines):
        opinions = _of_sentence(text, leaning, aspects)
        found += [{"sentence": int(number), "aspect": a, "polarity": p} for a, p in opinions]
    return found


def _of_sentence(text: str, leaning: int, aspects: Sequence[str]) -> list[tuple[str, str]]:
    words = _TOKEN.findall(text.lower().replace("’", "'"))
    whole = _polarities(words)
    exclaims = "!" in words and bool(leaning)
    found: dict[str, str] = {}
    for clause in _clauses(words):
        said = _polarities(clause) or (whole if len(whole) == 1 else set())
        for aspect in _aspects_of(clause, aspects):
            if said or exclaims:
                earlier = {found[aspect]} if aspect in found else set()
                found[aspect] = _verdict(said | earlier, leaning)
    return list(found.items())[:_MOST_PER_SENTENCE]


def _clauses(words: Sequence[str]) -> Iterator[list[str]]:
    clause: list[str] = []
    for word in words:
        if word in TURNS or word == ";":
            yield clause
            clause = []
        else:
            clause.append(word)
    yield clause


def _aspects_of(words: Sequence[str], aspects: Sequence[str]) -> list[str]:
    return [a for a in aspects if a in ASPECTS and any(map(ASPECTS[a].match, words))]


def _polarities(words: Sequence[str]) -> set[str]:
    """What the words say, `not` and its kin turning what follows within three words."""
    said: set[str] = set()
    for index, word in enumerate(words):
        liked, blamed = bool(POSITIVE.match(word)), bool(NEGATIVE.match(word))
        before = words[max(0, index - _REACH) : index]
        blamed = blamed or (bool(before) and before[-1] in _TOO and not liked)
        if liked == blamed:
            continue
        turned = bool(NEGATIONS & set(before))
        said.add("positive" if liked != turned else "negative")
    return said


def _verdict(said: set[str], leaning: int) -> str:
    if len(said) == 1:
        return said.pop()
    if said or not leaning:
        return "mixed"
    return "positive" if leaning > 0 else "negative"
