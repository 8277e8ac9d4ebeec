"""How a book is cut for a model: sections, passages, and the shape of the summary tree.

Sizes are tokens by a careful estimate: 3.2 characters of a Latin text are one, an ideograph
a little more than one, a character of another script a little more than half of one.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.domains.catalog.model import ChapterText
from app.shared.sentences import sentence_spans

_IDEOGRAPHIC = re.compile(
    r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+"
)
_OTHER_SCRIPTS = re.compile(r"[\u0370-\u1fff\ua000-\uabff\U00010000-\U0001ffff]+")
_A_TOKEN = 32
_DEAREST_CHARACTER = 36 / _A_TOKEN
# 3.2 characters a token is careful: of English prose, models make a token of 4.3 or more.
_PASSAGE, _LARGE_PASSAGE = 4200, 7000
_LARGE_WINDOW = 32_768
_MOST_JOINED = 8
_BETWEEN = "\n\n"
_INSTRUCTIONS = 260
_EVIDENCE = 80
_NUMBERING = 6

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a model's window a question may use, in estimated tokens.

    `passage`: a passage as a rule (about 3,000 tokens as models count them in prose; 5,000
    where the window is large), `longest`: one that would else be cut into two short ones;
    `fan_in`: how many summaries are joined at once (two at least, so that every level is
    smaller than the one below), `book_fan_in`: how many the whole book is told from; `part`:
    one of them in a question; `evidence`: a sentence of the book beside it; `names`: the
    title of a book or a chapter; `tokens` and `words`: the limits of one summary;
    `book_tokens` and `book_words`: of the whole book's. In the smallest windows (below about
    1,000 tokens) everything fits, but answers are so short that a model may well fail at the
    last ones.
    """

    passage: int
    longest: int
    fan_in: int
    book_fan_in: int
    part: int
    evidence: int
    names: int
    tokens: int
    words: int
    book_tokens: int
    book_words: int

    @classmethod
    def for_window(cls, context: int) -> "Budget":
        """The budget of a window of 512 tokens or more."""
        names = min(130, context // 24)
        # Where there is room, some stays free: an estimate may turn out too low.
        room = context - _INSTRUCTIONS - 2 * names - max(0, (context - 512) // 12)
        tokens = min(420, max(52, room // 6))
        book_tokens = min(1500, room * 4 // 9)
        passage = _LARGE_PASSAGE if context >= _LARGE_WINDOW else _PASSAGE
        fan_in = _fan_in(room - tokens, tokens)
        book_fan_in = _fan_in(room - book_tokens, tokens)
        share = min((room - tokens) // fan_in, (room - book_tokens) // book_fan_in) - _NUMBERING
        evidence = max(0, min(_EVIDENCE, share - tokens))
        return cls(
            passage=min(passage, room - tokens),
            longest=min(passage * 3 // 2, room - tokens),
            fan_in=fan_in,
            book_fan_in=book_fan_in,
            part=share - evidence,
            evidence=evidence,
            names=names,
            tokens=tokens,
            words=int(tokens * 0.42),
            book_tokens=book_tokens,
            book_words=int(book_tokens * 0.3),
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """A passage to be summarised: its text, and where in the book it begins and ends."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter, or some short ones in a row, cut into passages between sentences."""

    title: str
    passages: tuple[Stretch, ...]


def _fan_in(room: int, tokens: int) -> int:
    return max(2, min(_MOST_JOINED, room // (tokens + _EVIDENCE + _NUMBERING)))


def estimated_tokens(text: str) -> int:
    return math.ceil(_weight(text) / _A_TOKEN)


def _weight(text: str) -> int:
    """In tenths of a Latin character: whole numbers, so that parts add up to the whole."""
    weight = 10 * len(text)
    if not text.isascii():
        weight += 26 * sum(map(len, _IDEOGRAPHIC.findall(text)))
        weight += 8 * sum(map(len, _OTHER_SCRIPTS.findall(text)))
    return weight


def clipped(text: str, tokens: int) -> str:
    """The beginning of the text, at most so many tokens of it."""
    while (size := estimated_tokens(text)) > tokens:
        text = text[: len(text) * tokens // size]
    return text


def sections_of(chapters: Sequence[ChapterText], budget: Budget) -> list[Section]:
    """The book in sections; every character but white space lies in exactly one passage."""
    bundles = _bundled([c for c in chapters if c.text.strip()], budget.passage // 8)
    return [Section(_title_of(bundle), _stretches(bundle, budget)) for bundle in bundles]


def halves_of(stretch: Stretch) -> list[Stretch]:
    """The stretch cut in two between sentences, near its middle; itself if it cannot be."""
    half = max(1, math.ceil(estimated_tokens(stretch.text) * 0.55))
    cuts = list(_cuts(stretch.text, half, half))
    if len(cuts) < 2:
        return [stretch]
    middle = min((start for start, _ in cuts[1:]), key=lambda at: abs(2 * at - len(stretch.text)))
    share = middle * (stretch.end - stretch.start) // len(stretch.text)
    return [
        Stretch(stretch.text[:middle], stretch.start, stretch.start + share),
        Stretch(stretch.text[middle:], stretch.start + share, stretch.end),
    ]


def _stretches(bundle: Sequence[ChapterText], budget: Budget) -> tuple[Stretch, ...]:
    text = _BETWEEN.join(chapter.text for chapter in bundle)
    places = _Places(bundle)
    cuts = _cuts(text, budget.passage, budget.longest)
    return tuple(
        Stretch(text[start:end], places.of(start), places.of(end - 1) + 1)
        for start, end in cuts
        if text[start:end].strip()
    )


class _Places:
    """Where in the book the characters of some chapters are that were joined."""

    def __init__(self, bundle: Sequence[ChapterText]) -> None:
        self._starts = [0]
        for chapter in bundle[:-1]:
            self._starts.append(self._starts[-1] + len(chapter.text) + len(_BETWEEN))
        self._bundle = bundle

    def of(self, at: int) -> int:
        number = bisect_right(self._starts, at) - 1
        chapter = self._bundle[number]
        return chapter.start + min(at - self._starts[number], len(chapter.text))


def _cuts(text: str, target: int, longest: int) -> Iterator[tuple[int, int]]:
    """Between sentences, into stretches of about equal size near the target, none above the
    longest; a sentence longer than that is cut between characters."""
    most = _A_TOKEN * _even_size(estimated_tokens(text), target, longest)
    start, end, size = 0, 0, 0
    for first, last in _pieces(text, longest):
        # With the white space before it, of which there may be any amount.
        grown = size + _weight(text[end:last])
        if size and grown > most:
            yield start, end
            size = 0
        if not size:
            start, grown = first, _weight(text[first:last])
        end, size = last, grown
    if size:
        yield start, end


def _even_size(total: int, target: int, longest: int) -> int:
    count = max(1, math.ceil(total / longest), round(total / target))
    # Sentences do not divide evenly: some slack, or a small rest becomes one more passage.
    return min(longest, math.ceil(total / count * 1.05))


def share_read(chapters: Sequence[ChapterText], sections: Sequence[Section]) -> float:
    """How much of the text, white space apart, lies in the passages: 1.0 for all of it."""
    whole = sum(_visible(chapter.text) for chapter in chapters)
    read = sum(_visible(passage.text) for section in sections for passage in section.passages)
    return read / whole if whole else 1.0


def groups_of(items: Sequence[Item], fan_in: int) -> list[list[Item]]:
    """The items in order, in as few groups of at most `fan_in` as can be, of equal size."""
    count = math.ceil(len(items) / fan_in)
    return [
        list(items[len(items) * n // count : len(items) * (n + 1) // count]) for n in range(count)
    ]


def joins_of(passages: int, budget: Budget) -> int:
    """How many questions join so many summaries into what the book is told from."""
    total, count = 0, passages
    while count > budget.book_fan_in:
        sizes = [len(group) for group in groups_of(range(count), budget.fan_in)]
        total += sum(size > 1 for size in sizes)
        count = len(sizes)
    return total


def _visible(text: str) -> int:
    return sum(map(len, text.split()))


def _bundled(chapters: Sequence[ChapterText], short: int) -> list[list[ChapterText]]:
    bundles: list[list[ChapterText]] = []
    size = 0
    for chapter in chapters:
        weight = estimated_tokens(chapter.text)
        if bundles and weight < short and size + weight < 2 * short:
            bundles[-1].append(chapter)
            size += weight
        else:
            bundles.append([chapter])
            size = weight if weight < short else 2 * short
    return bundles


def _title_of(bundle: Sequence[ChapterText]) -> str:
    first, last = bundle[0].title, bundle[-1].title
    return first if first == last else f"{first} – {last}"


def _pieces(text: str, limit: int) -> Iterator[tuple[int, int]]:
    """Sentences, the long ones in pieces that fit the limit in any script."""
    longest = max(1, int(limit / _DEAREST_CHARACTER))
    for first, last in sentence_spans(text):
        if last - first <= longest:
            yield first, last
        else:
            step = max(1, longest // 2)
            yield from ((cut, min(cut + step, last)) for cut in range(first, last, step))
