"""What readers speak of beyond our list: free topics, in words of their own.

A free topic is kept as `other:<words>`; everything here depends on the words alone and on
how often they are used, never on their order in time.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache

from app.domains.reviews.model.aspects import SYNONYMS

FREE = "other:"
PROMOTED_AT = 5
MOST_TOPICS = 4

_ALIKE = 0.75
_AKIN = 0.5
_LONGEST = 30
_MOST_WORDS = 3
# Readers' vocabularies are long; what few say is not promoted anyway.
MOST_TAGS = 100
_WORD = re.compile(r"[^\W\d_]+")


def subject_of(tag: str, sentence: str) -> str | None:
    """What a model's free tag for a sentence counts for: an aspect of our list where it only
    is another word for it, else `other:<words>`. None for what is no short name of a thing,
    or not named in the sentence."""
    words = _WORD.findall(unicodedata.normalize("NFKC", tag).lower())
    name = " ".join(words)
    if not words or len(words) > _MOST_WORDS or len(name) > _LONGEST:
        return None
    if not _is_named(words, sentence):
        return None
    return _aspect_for(words) or FREE + name


def topics_of(tags: Mapping[str, int]) -> dict[str, str]:
    """Each tag (`other:…`, with how many readers use it) and the topic it belongs to, named
    as its most used tag; only topics that may have readers enough to be shown."""
    leaders: dict[str, list[str]] = {}
    for tag in sorted(tags, key=lambda tag: (-tags[tag], tag))[:MOST_TAGS]:
        leader = next((one for one in leaders if likeness(one, tag) >= _ALIKE), tag)
        leaders.setdefault(leader, []).append(tag)
    return {
        tag: leader
        for leader, members in leaders.items()
        if sum(tags[member] for member in members) >= PROMOTED_AT
        for tag in members
    }


def shown_name(subject: str) -> str:
    """`other:maps` is shown as `maps`."""
    return subject.removeprefix(FREE)


def likeness(one: str, other: str) -> float:
    """Dice's coefficient over the character trigrams of two names, 0..1, whatever their
    case, accents, gaps and plural s."""
    left, right = _trigrams(one), _trigrams(other)
    return 2 * len(left & right) / (len(left) + len(right))


def _is_named(words: list[str], sentence: str) -> bool:
    if _squashed("".join(words)) in _squashed(sentence):
        return True
    said = _WORD.findall(sentence)
    return any(likeness(word, one) >= _AKIN for word in words for one in said)


def _aspect_for(words: list[str]) -> str | None:
    best, aspect = max(_likely(words), default=(0.0, None))
    return aspect if best >= _ALIKE else None


def _likely(words: list[str]) -> Iterator[tuple[float, str]]:
    for aspect, synonyms in SYNONYMS.items():
        for name in {" ".join(words), *words}:
            for synonym in synonyms:
                yield likeness(name, synonym), aspect.value


@lru_cache(maxsize=8192)
def _trigrams(name: str) -> frozenset[str]:
    padded = f"  {_squashed(name.removeprefix(FREE))} "
    return frozenset(padded[place : place + 3] for place in range(len(padded) - 2))


def _squashed(text: str) -> str:
    letters = "".join(_WORD.findall(unicodedata.normalize("NFD", text.lower())))
    return letters[:-1] if len(letters) > 3 and letters[-1] == "s" != letters[-2] else letters
