"""Which sentences of a text say most of it: closeness to the centroid, spread over the text.

Centroid scoring after Radev et al., "Centroid-based summarization of multiple documents"
(2004); the text is cut into as many stretches as the summary has room for sentences, and
each stretch sends its best one, so that the end weighs no more than the middle.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.adapters.llm.extractive.words import content_words, word_count
from app.shared.sentences import sentences

_TERMINAL = re.compile(r"[.!?…。！？।؟][\"'”’»)\]」』]*$")
_TALK = re.compile(r"\b(I|you|your|my|me)\b|^[\"“‘„«—]")
_NAME = re.compile(r"(?<=[a-zà-ÿ,;] )[A-ZÀ-Þ][a-zà-ÿ]+")
_SPACE = re.compile(r"\s+")
_FEWEST_WORDS, _MOST_WORDS = 5, 45
_LONGEST_READ = 4_000
_PAIRS = (("“", "”"), ("‘", "’"), ("(", ")"), ("[", "]"))


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, its place in the text, its length in words, its worth (0..1.5)."""

    text: str
    place: int
    words: int
    worth: float


def summary_of(text: str, *, words: int, characters: int) -> str:
    """The most telling sentences in the order of the text, whole, within both limits; a text
    without one that fits is cut at a word. Empty only for a text without any character."""
    ranked = weighed(text)
    fitting = [s for s in ranked if s.words <= words and len(ended(s.text)) <= characters]
    if not fitting:
        return _beginning(text, words=words, characters=characters)
    chosen = _spread(fitting, words=words, characters=characters)
    return " ".join(ended(s.text) for s in sorted(chosen, key=lambda s: s.place))


def weighed(text: str) -> list[Sentence]:
    """The sentences fit to stand alone, each with its closeness to the centroid of all."""
    whole = [_SPACE.sub(" ", s) for s in sentences(text) if len(s) <= _LONGEST_READ]
    bags = [Counter(content_words(s)) for s in whole]
    worths = _closeness(bags)
    found = [
        _sentence(text, place, closeness)
        for place, (text, closeness) in enumerate(zip(whole, worths, strict=True))
    ]
    return [s for s in found if _stands_alone(s)] or found


def ended(text: str) -> str:
    """The sentence, with a full stop where it has no end of its own."""
    return text if _TERMINAL.search(text) or not text else text.rstrip(" ,;:—–-") + "."


def _sentence(text: str, place: int, closeness: float) -> Sentence:
    """Exclamations, and talk to somebody, tell little; who and where tell much."""
    words = word_count(text)
    names = min(len(_NAME.findall(text)), 3)
    talk = 0.6 if _TALK.search(text) else 1.0
    return Sentence(text, place, words, closeness * min(1.0, words / 12) * talk * (1 + names / 7))


def _closeness(bags: Sequence[Counter[str]]) -> list[float]:
    """Cosine of each bag with the centroid, terms weighted by tf · log(1 + N/df)."""
    spread = Counter(word for bag in bags for word in bag)
    rarity = {word: math.log(1 + len(bags) / n) for word, n in spread.items()}
    total: Counter[str] = Counter()
    for bag in bags:
        total.update(bag)
    centroid = {word: n * rarity[word] for word, n in total.items() if spread[word] > 1}
    norm = math.sqrt(sum(value * value for value in centroid.values())) or 1.0
    return [_cosine(bag, centroid, rarity) / norm for bag in bags]


def _cosine(bag: Counter[str], centroid: dict[str, float], rarity: dict[str, float]) -> float:
    dot = square = 0.0
    for word, n in bag.items():
        value = n * rarity[word]
        dot += value * centroid.get(word, 0.0)
        square += value * value
    return dot / math.sqrt(square) if square else 0.0


def _stands_alone(sentence: Sentence) -> bool:
    text = sentence.text
    return (
        _FEWEST_WORDS <= sentence.words <= _MOST_WORDS
        and bool(_TERMINAL.search(text))
        and not text.isupper()
        and not text[0].islower()
        and all(text.count(left) <= text.count(right) for left, right in _PAIRS)
        and text.count("»") == text.count("«")
        and text.count('"') % 2 == 0
    )


def _spread(fitting: Sequence[Sentence], *, words: int, characters: int) -> list[Sentence]:
    """The best of each stretch, then the best of the rest while there is room."""
    usual = sum(s.words for s in fitting) / len(fitting)
    stretches = max(1, round(words / max(usual, 1.0)))
    best = sorted(_best_of_stretches(fitting, stretches), key=lambda s: -s.worth)
    rest = sorted(fitting, key=lambda s: -s.worth)
    return _while_it_fits([*best, *rest], words=words, characters=characters)


def _best_of_stretches(fitting: Sequence[Sentence], count: int) -> Iterator[Sentence]:
    size = len(fitting) / count
    for index in range(count):
        stretch = fitting[round(index * size) : round((index + 1) * size)]
        if stretch:
            yield max(stretch, key=lambda s: s.worth)


def _while_it_fits(
    candidates: Iterable[Sentence], *, words: int, characters: int
) -> list[Sentence]:
    chosen: dict[str, Sentence] = {}
    for sentence in candidates:
        size = len(ended(sentence.text)) + 1
        if sentence.text in chosen or sentence.words > words or size > characters + 1:
            continue
        chosen[sentence.text] = sentence
        words -= sentence.words
        characters -= size
    return list(chosen.values())


def _beginning(text: str, *, words: int, characters: int) -> str:
    parts = text[: characters * 2].split()
    start = " ".join(parts[:words])
    if len(start) < characters and len(parts) <= words and len(text) <= characters:
        return ended(start)
    return start[: characters - 1].rstrip(" ,;:—–-") + "…"
