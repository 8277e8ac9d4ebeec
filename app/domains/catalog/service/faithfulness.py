"""What of a summary the book bears out, found without a model: by words, names and numbers.

A sentence is borne out by the passages that share its words, rare words counting more
(Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009).
Whether what happens is told rightly no words can say; an invented name or number they show.
"""

import math
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from app.domains.catalog.service.particulars import Particulars, particulars_of
from app.shared.languages import language_of, little_words
from app.shared.sentences import sentence_spans
from app.shared.words import WORD, stems

# Of human summaries, 89 of 100 sentences reach it with their own story (5,000 words), 24 with
# another: it tells what the book speaks of, not what is true.
_SUPPORTED = 0.25
# Passages in which the numbers of a sentence are looked for: so many, and one of so many.
_NEAREST, _NEAREST_OF = 4, 200
_RANKED = 32
_TIMES = 16
# From so many postings a place on, looking a place up is cheaper than going through all.
_SPARSE = 12
_SATURATION = 1.2
_GAIN = 0.1
# A word no passage has tells more than one that is merely rare.
_RARE = 0.55
_FEW, _SAMPLED, _SAMPLE = 16, 32, 400


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of a summary.

    `support`: numbers of the passages that bear it out, best first, at least one whenever
    any passage shares a word that counts; `unfounded`: names and numbers in it that the
    sources do not have; `overlap`: the share of its words, by weight, that the supporting
    passages have, 0 to 1."""

    text: str
    support: tuple[int, ...]
    unfounded: tuple[str, ...]
    overlap: float

    @property
    def supported(self) -> bool:
        return self.overlap >= _SUPPORTED


@dataclass(frozen=True, slots=True)
class Founded:
    """A text without the sentences that were `removed` from it; `statements` are those it
    still has."""

    text: str
    statements: tuple[Statement, ...]
    removed: tuple[Statement, ...]


class Sources:
    """The passages of a book by number. `known` are names that need no passage: the title
    of the book, its author. A book of 600,000 words is taken in within seconds."""

    def __init__(self, passages: Iterable[tuple[int, str]], *, known: Iterable[str] = ()) -> None:
        self._numbers = array("q")
        # A place and, in the lower bits, how often the word stands there.
        self._postings: dict[str, array[int]] = {}
        self._particulars = Particulars(known)
        beginnings: list[str] = []
        for number, text in passages:
            if len(self._numbers) < _FEW or len(self._numbers) % _SAMPLED == 0:
                beginnings.append(text[:_SAMPLE])
            self._take_in(number, text)
        language = language_of("\n".join(beginnings))
        self._idle = {stem for word in little_words(language or "") for stem in stems(word)}
        self._particulars.close(language)
        self._places = {number: place for place, number in enumerate(self._numbers)}

    def statements(
        self, text: str, *, within: Collection[int] | None = None, most: int = 3
    ) -> list[Statement]:
        """The sentences of the text, each with `most` supporting passages at most, all of
        them among those numbered `within`, if given."""
        return [statement for _, _, statement in self.placed(text, within=within, most=most)]

    def placed(
        self, text: str, *, within: Collection[int] | None = None, most: int = 3
    ) -> list[tuple[int, int, Statement]]:
        """The statements with where each begins and ends in the text."""
        places = None if within is None else {self._places[n] for n in within if n in self._places}
        return [
            (start, end, self._statement(text, start, end, places, most))
            for start, end in sentence_spans(text)
        ]

    def _take_in(self, number: int, text: str) -> None:
        place = len(self._numbers)
        self._numbers.append(number)
        forms = Counter(WORD.findall(text))
        counts: Counter[str] = Counter()
        for form, times in forms.items():
            for stem in stems(form):
                counts[stem] += times
        for stem, times in counts.items():
            posting = place * _TIMES + min(times, _TIMES - 1)
            self._postings.setdefault(stem, array("I")).append(posting)
        self._particulars.take_in(place, text, forms)

    def _statement(
        self, text: str, start: int, end: int, places: set[int] | None, most: int
    ) -> Statement:
        sentence = text[start:end]
        weights = self._weights(sentence)
        ranked = self._ranked(weights, places)
        support, overlap = self._covering(weights, ranked, most)
        near = _NEAREST + len(self._numbers) // _NEAREST_OF
        unfounded = tuple(
            particular.text
            for particular in particulars_of(text, start, end)
            if not self._particulars.have(particular, places, ranked[:near])
        )
        numbers = tuple(self._numbers[place] for place in support)
        return Statement(sentence, numbers, unfounded, overlap)

    def _weights(self, sentence: str) -> dict[str, float]:
        found = {stem for word in WORD.findall(sentence) for stem in stems(word)}
        return {stem: self._weight(stem) for stem in found - self._idle}

    def _weight(self, stem: str) -> float:
        total, have = len(self._numbers), len(self._postings.get(stem, ()))
        highest = math.log(2 + 2 * total)
        if not have:
            return highest
        return min(_RARE * highest, math.log(1 + (total - have + 0.5) / (have + 0.5)))

    def _ranked(self, weights: dict[str, float], places: set[int] | None) -> list[int]:
        scores: dict[int, float] = {}
        for stem, weight in self._telling(weights).items():
            for place, times in self._where(stem, places):
                gain = weight * times / (times + _SATURATION)
                scores[place] = scores.get(place, 0.0) + gain
        return sorted(scores, key=lambda place: (-scores[place], place))[:_RANKED]

    def _telling(self, weights: dict[str, float]) -> dict[str, float]:
        """Without what is nearly everywhere, if anything is left."""
        most = max(_RANKED, len(self._numbers) // 4)
        few = {s: w for s, w in weights.items() if len(self._postings.get(s, ())) <= most}
        return few if any(stem in self._postings for stem in few) else weights

    def _where(self, stem: str, places: set[int] | None) -> Iterator[tuple[int, int]]:
        """The places a word stands in, and how often."""
        postings = self._postings.get(stem, ())
        if places is None or len(places) * _SPARSE > len(postings):
            found = (divmod(posting, _TIMES) for posting in postings)
            return (pair for pair in found if places is None or pair[0] in places)
        return (
            (place, postings[at] % _TIMES)
            for place in places
            if (at := bisect_left(postings, place * _TIMES)) < len(postings)
            and postings[at] // _TIMES == place
        )

    def _covering(
        self, weights: dict[str, float], ranked: list[int], most: int
    ) -> tuple[list[int], float]:
        """The best passage, and others as long as each adds to what is borne out."""
        total = sum(weights.values())
        have = {place: set[str]() for place in ranked}
        for stem in weights:
            for place, _ in self._where(stem, set(ranked)):
                have[place].add(stem)
        chosen: list[int] = []
        missing = set(weights)

        def gain(place: int) -> float:
            return sum(weights[stem] for stem in missing & have[place])

        while ranked and len(chosen) < most:
            best = max(ranked, key=gain) if chosen else ranked[0]
            if chosen and gain(best) < _GAIN * total:
                break
            chosen.append(best)
            missing -= have[best]
        borne = total - sum(weights[stem] for stem in missing)
        return chosen, borne / total if total else 1.0


def founded(
    text: str,
    sources: Sources,
    *,
    within: Collection[int] | None = None,
    most: int = 3,
) -> Founded:
    """The text without the sentences that have an unfounded name or number. Where none
    would be left all stay, marked by what is unfounded in them."""
    placed = sources.placed(text, within=within, most=most)
    kept = [(start, end, s) for start, end, s in placed if not s.unfounded]
    if not kept or len(kept) == len(placed):
        return Founded(text.strip(), tuple(s for _, _, s in placed), ())
    left = "".join(_with_gap(text, start, end) for start, end, _ in kept).strip()
    removed = tuple(s for _, _, s in placed if s.unfounded)
    return Founded(left, tuple(s for _, _, s in kept), removed)


def _with_gap(text: str, start: int, end: int) -> str:
    """The sentence with the white space before it."""
    first = len(text[:start].rstrip())
    return text[first:start] + text[start:end]
