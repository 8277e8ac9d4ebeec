"""What a sentence is worth to a summary, before any other is chosen.

The weights were fitted by ridge regression (`benchmarks/summaries.py --fit`) on 25 stories of
SQuALITY (CC BY 4.0): how many of its pairs of words, and of its words that carry a subject,
the sentence shares with four summaries people wrote. No trait needs to know the language.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.adapters.llm.extractive.reading import Sentence, sentences_of
from app.adapters.llm.extractive.words import is_content

# Constant, closeness to the centroid, length, its square, commas, names, commonest word.
WEIGHTS = (0.283, 0.433, 0.749, -0.907, -1.248, 0.606, 0.515)
_LEAST = 0.1
_LONG = 30
_NAME = re.compile(r"(?<=[a-zà-ÿα-ωа-я,;] )[A-ZÀ-ÞΑ-ΩА-Я][a-zà-ÿα-ωа-я]+")
_FEWEST_USES = 3
# Short sentences say little, and one that leans on the sentence before is a riddle without it.
_EASY_WORDS, _LEANING = 8, 0.85
_LEANS = re.compile(
    r"(he|she|it|they|his|her|their|its|this|that|these|those|him|them|but|and|or|so|then|yet|"
    r"still|for|nor|because|which|who|besides|however|er|sie|es|ihre?[nmrs]?|seine?[nmrs]?|"
    r"diese?[nmrs]?|aber|und|doch|dann|denn|il|elle|ils|elles|ses|cet|cette|ces|mais|et|puis|"
    r"él|ella|ellos|ellas|su|sus|est[aeo]s?|pero|y|entonces)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Text:
    """A text taken in: the sentences it may be summed up by, how often it has each word,
    and its names, in small letters, the commonest first."""

    sentences: Sequence[Sentence]
    counts: Counter[str]
    names: Sequence[str]

    @classmethod
    def of(cls, text: str) -> "Text":
        found = sentences_of(text)
        counts = Counter(token for sentence in found for token in sentence.tokens)
        return cls(found, counts, _names(found, counts))


def worths(text: Text) -> list[float]:
    """The worth of each sentence of the text, about 1 for a usual one, always above 0."""
    rated = (sum(map(float.__mul__, WEIGHTS, traits)) for traits in traits_of(text))
    return [
        max(_LEAST, worth) * _ease(sentence)
        for sentence, worth in zip(text.sentences, rated, strict=True)
    ]


def traits_of(text: Text) -> list[tuple[float, ...]]:
    """What the weights are for, in their order, of each sentence."""
    close = _closeness([_bag(s) for s in text.sentences])
    usual = sum(close) / len(close) if any(close) else 1.0
    names = frozenset(text.names)
    most = math.log(1 + max(text.counts.values(), default=1))
    return [
        _traits(sentence, near / usual, names, text.counts, most)
        for sentence, near in zip(text.sentences, close, strict=True)
    ]


def _traits(
    sentence: Sentence, near: float, names: frozenset[str], counts: Mapping[str, int], most: float
) -> tuple[float, ...]:
    length = min(sentence.words, _LONG) / _LONG
    commonest = max((counts[t] for t in sentence.tokens if is_content(t)), default=0)
    return (
        1.0,
        near,
        length,
        length * length,
        sentence.text.count(",") / max(1, sentence.words),
        min(3, len(names.intersection(sentence.tokens))) / 3,
        math.log(1 + commonest) / most,
    )


def _ease(sentence: Sentence) -> float:
    """How easily it is read by itself, 0 to 1."""
    ease = min(1.0, sentence.words / _EASY_WORDS)
    return ease * (_LEANING if _LEANS.match(sentence.text) else 1.0)


def _names(sentences: Sequence[Sentence], counts: Mapping[str, int]) -> list[str]:
    """Words written large inside sentences and hardly ever small."""
    large = Counter(name.lower() for s in sentences for name in _NAME.findall(s.text))
    found = [w for w, n in large.items() if n >= _FEWEST_USES and counts[w] <= 1.3 * n + 3]
    return sorted(found, key=lambda word: (-large[word], word))


def _bag(sentence: Sentence) -> Counter[str]:
    return Counter(filter(is_content, sentence.tokens))


def _closeness(bags: Sequence[Counter[str]]) -> list[float]:
    """Cosine of each bag with the centroid, terms weighted by tf · log(1 + N/df), after
    Radev et al., "Centroid-based summarization of multiple documents" (2004)."""
    spread = Counter(word for bag in bags for word in bag)
    rarity = {word: math.log(1 + len(bags) / n) for word, n in spread.items()}
    total: Counter[str] = Counter()
    for bag in bags:
        total.update(bag)
    centroid = {word: n * rarity[word] for word, n in total.items() if spread[word] > 1}
    return [_cosine(bag, centroid, rarity) for bag in bags]


def _cosine(bag: Counter[str], centroid: dict[str, float], rarity: dict[str, float]) -> float:
    """Up to a factor that is the same for all of a text."""
    dot = square = 0.0
    for word, n in bag.items():
        value = n * rarity[word]
        dot += value * centroid.get(word, 0.0)
        square += value * value
    return dot / math.sqrt(square) if square else 0.0
