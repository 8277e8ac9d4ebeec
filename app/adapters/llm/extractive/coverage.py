"""Summaries of whole sentences that use the words of a text as its narrator would.

A summary is to use each word, and each pair of neighbours, as often as so many words in the
narrator's voice do: little words in his proportions, words that carry a subject in those of
the text, the names at least once. What is gained shrinks as more is chosen (submodular
coverage: Lin and Bilmes, "A Class of Submodular Functions for Document Summarization", 2011;
pairs as concepts: Gillick and Favre, 2009; expected counts: KLSum, Haghighi and Vanderwende,
2009), so that the greedy choice is near the best one, and can be a lazy one (Minoux, 1978).
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from app.adapters.llm.extractive.reading import Sentence, ended
from app.adapters.llm.extractive.salience import Text, worths
from app.adapters.llm.extractive.words import is_content

_PAIRS_WEIGH = 0.6
_SUBJECTS_WEIGH = 3.0
_FIRST_NAMING = 4.0
_NAMES = 10
_FEWEST_TOLD = 0.15
_STRETCHES = 5
_SLACK = 1.1
# What is left over goes to the worthiest sentences, however little they add.
_CRUMB = 1e-4

Pair = tuple[str, str]
Item = TypeVar("Item", str, Pair)


def summary_of(text: str, *, words: int, characters: int) -> str:
    """The sentences that together say most, in the order of the text, whole, within both
    limits; a text without one that fits is cut at a word. Empty only for a text without any
    character. Each fifth of the text has its share of the words."""
    read = Text.of(text)
    chosen = _chosen(read, words=words, characters=characters)
    if not chosen:
        return _beginning(text, words=words, characters=characters)
    return " ".join(ended(read.sentences[place].text) for place in sorted(chosen))


class _Room:
    """What is left of both limits, and of the share of each stretch of the text."""

    def __init__(self, sentences: Sequence[Sentence], *, words: int, characters: int) -> None:
        usual = sum(s.words for s in sentences) / max(1, len(sentences))
        stretches = min(_STRETCHES, max(1, round(words / max(1.0, usual))))
        self.words = words
        self._characters = characters + 1
        self._shares = [_SLACK * words / stretches] * stretches
        self._texts: set[str] = set()

    def fits(self, sentence: Sentence) -> bool:
        return (
            sentence.words <= self.words
            and len(ended(sentence.text)) < self._characters
            and sentence.text not in self._texts
        )

    def fits_its_stretch(self, sentence: Sentence) -> bool:
        share = self._shares[self._stretch(sentence)]
        return sentence.words <= share and self.fits(sentence)

    def take(self, sentence: Sentence) -> None:
        self.words -= sentence.words
        self._characters -= len(ended(sentence.text)) + 1
        self._shares[self._stretch(sentence)] -= sentence.words
        self._texts.add(sentence.text)

    def _stretch(self, sentence: Sentence) -> int:
        return min(len(self._shares) - 1, int(sentence.start * len(self._shares)))


class _Gains:
    """What a sentence would add to those taken so far."""

    def __init__(self, text: Text, words: int) -> None:
        self._words = _wanted_words(text, words)
        self._pairs = _wanted_pairs(text, words)
        self._names = set(text.names[:_NAMES])

    def of(self, tokens: Sequence[str]) -> float:
        named = len(self._names.intersection(tokens))
        return (
            _met(self._words, tokens)
            + _PAIRS_WEIGH * _met(self._pairs, pairwise(tokens))
            + _FIRST_NAMING * named
        )

    def take(self, tokens: Sequence[str]) -> None:
        _bring(self._words, tokens)
        _bring(self._pairs, pairwise(tokens))
        self._names.difference_update(tokens)


def _chosen(text: Text, *, words: int, characters: int) -> list[int]:
    room = _Room(text.sentences, words=words, characters=characters)
    gains, worth = _Gains(text, words), worths(text)
    chosen: list[int] = []

    def value(place: int) -> float:
        sentence = text.sentences[place]
        gain = gains.of(sentence.tokens) + _CRUMB
        return gain * worth[place] / max(1, sentence.words)

    def take(place: int) -> None:
        room.take(text.sentences[place])
        gains.take(text.sentences[place].tokens)
        chosen.append(place)

    for fits in (room.fits_its_stretch, room.fits):
        places = [place for place, sentence in enumerate(text.sentences) if fits(sentence)]
        for place in _best_first(places, value):
            if fits(text.sentences[place]):
                take(place)
    return chosen


def _best_first(places: Iterable[int], value: Callable[[int], float]) -> Iterator[int]:
    """The places by value at the time each is asked for; no value may grow meanwhile."""
    heap = [(-value(place), place) for place in places]
    heapq.heapify(heap)
    while heap:
        _, place = heapq.heappop(heap)
        now = (-value(place), place)
        if heap and heap[0] < now:
            heapq.heappush(heap, now)
        else:
            yield place


def _met(wanted: Mapping[Item, float], items: Iterable[Item]) -> float:
    """How much of what is wanted the items bring."""
    brought = [item for item in items if item in wanted]
    if len(brought) == len(set(brought)):
        return sum([min(1.0, wanted[item]) for item in brought])
    return sum(min(n, wanted[item]) for item, n in Counter(brought).items())


def _bring(wanted: dict[Item, float], items: Iterable[Item]) -> None:
    for item in items:
        if item in wanted:
            wanted[item] -= 1
            if wanted[item] <= 0:
                del wanted[item]


def _wanted_words(text: Text, words: int) -> dict[str, float]:
    voice = Counter(token for sentence in _told(text) for token in sentence.tokens)
    said = max(1, voice.total())
    little = {w: words * n / said for w, n in voice.items() if not is_content(w)}
    subjects = {w: n for w, n in text.counts.items() if n > 1 and is_content(w)}
    rest = (words - sum(little.values())) / max(1, sum(subjects.values()))
    wanted = little | {word: rest * n for word, n in subjects.items()}
    return {word: times for word, times in wanted.items() if times > 0}


def _wanted_pairs(text: Text, words: int) -> dict[Pair, float]:
    told = _told(text)
    said = max(1, sum(len(sentence.tokens) for sentence in told))
    voice = Counter(pair for sentence in told for pair in pairwise(sentence.tokens))
    whole = Counter(pair for sentence in text.sentences for pair in pairwise(sentence.tokens))
    of_subjects = _SUBJECTS_WEIGH * words / max(1, text.counts.total())
    wanted = {}
    for pair, n in whole.items():
        if is_content(pair[0]) or is_content(pair[1]):
            wanted[pair] = of_subjects * n if n > 1 else 0.0
        elif voice[pair] > 1:
            wanted[pair] = words * voice[pair] / said
    return {pair: times for pair, times in wanted.items() if times}


def _told(text: Text) -> Sequence[Sentence]:
    """The sentences of the narrator; of all, where he is hardly heard."""
    told = [sentence for sentence in text.sentences if sentence.told]
    enough = _FEWEST_TOLD * text.counts.total()
    return told if sum(len(s.tokens) for s in told) >= enough else text.sentences


def _beginning(text: str, *, words: int, characters: int) -> str:
    parts = text[: characters * 2].split()
    start = " ".join(parts[:words])
    if len(start) < characters and len(parts) <= words and len(text) <= characters:
        return ended(start)
    return start[: characters - 1].rstrip(" ,;:—–-") + "…"
