"""How a book is cut for a model: sections, passages, and the shape of the summary tree.

Sizes are tokens by a careful estimate: 3.2 characters of a Latin text are one, an ideograph
a little more than one, a character of another script a little more than half of one.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.domains.catalog.model import ChapterText
from app.shared.sentences import sentence_spans

_IDEOGRAPHIC = re.compile(
    r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+"
)
_OTHER_SCRIPTS = re.compile(r"[\u0370-\u1fff\ua000-\uabff\U00010000-\U0001ffff]+")
_CHARACTERS_A_TOKEN = 3.2
_DEAREST_CHARACTER = 3.6 / _CHARACTERS_A_TOKEN
_INSTRUCTIONS = 260
_EVIDENCE = 80
_NUMBERING = 6

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a model's window a question may use, in estimated tokens.

    `passage`: a passage; `fan_in`: how many summaries are joined at once (two at least, so
    that every level is smaller than the one below); `part`: one of them in a question;
    `evidence`: a sentence of the book beside it; `names`: the title of a book or a chapter;
    `tokens` and `words`: the limits of one summary; `book_tokens` and `book_words`: of the
    whole book's. In the smallest windows (below about 1,000 tokens) everything fits, but
    answers are so short that a model may well fail at the last one.
    """

    passage: int
    fan_in: int
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
        book_tokens = min(900, room * 4 // 9)
        tokens = min(420, max(52, room // 6))
        joined = room - book_tokens
        fan_in = max(2, min(8, joined // (tokens + _EVIDENCE + _NUMBERING)))
        share = joined // fan_in - _NUMBERING
        evidence = min(_EVIDENCE, share - tokens)
        return cls(
            passage=min(3000, room - tokens),
            fan_in=fan_in,
            part=share - evidence,
            evidence=evidence,
            names=names,
            tokens=tokens,
            words=int(tokens * 0.42),
            book_tokens=book_tokens,
            book_words=int(book_tokens * 0.3),
        )


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter, or some short ones in a row, cut into passages between sentences."""

    title: str
    passages: tuple[str, ...]


def estimated_tokens(text: str) -> int:
    weight = float(len(text))
    if not text.isascii():
        weight += 2.6 * sum(map(len, _IDEOGRAPHIC.findall(text)))
        weight += 0.8 * sum(map(len, _OTHER_SCRIPTS.findall(text)))
    return math.ceil(weight / _CHARACTERS_A_TOKEN)


def clipped(text: str, tokens: int) -> str:
    """The beginning of the text, at most so many tokens of it."""
    while (size := estimated_tokens(text)) > tokens:
        text = text[: len(text) * tokens // size]
    return text


def sections_of(chapters: Sequence[ChapterText], budget: Budget) -> list[Section]:
    """The book in sections; every character but white space lies in exactly one passage."""
    bundles = _bundled([c for c in chapters if c.text.strip()], budget.passage // 8)
    return [
        Section(_title_of(bundle), passages_of("\n\n".join(c.text for c in bundle), budget.passage))
        for bundle in bundles
    ]


def passages_of(text: str, limit: int) -> tuple[str, ...]:
    """The text cut between sentences into passages of about equal size, at most `limit`
    tokens each; a longer sentence is cut between characters."""
    cut = (text[start:end] for start, end in _cuts(text, limit))
    return tuple(passage for passage in cut if passage.strip())


def _cuts(text: str, limit: int) -> Iterator[tuple[int, int]]:
    target = _even_size(estimated_tokens(text), limit)
    start, end, size = 0, 0, 0
    for first, last in _pieces(text, limit):
        # With the white space before it, of which there may be any amount.
        grown = size + estimated_tokens(text[end:last])
        if size and grown > target:
            yield start, end
            size = 0
        if not size:
            start, grown = first, estimated_tokens(text[first:last])
        end, size = last, grown
    if size:
        yield start, end


def _even_size(total: int, limit: int) -> int:
    count = max(1, math.ceil(total / limit))
    # Sentences do not divide evenly: some slack, or a small rest becomes one more passage.
    return min(limit, math.ceil(total / count * 1.05))


def share_read(chapters: Sequence[ChapterText], sections: Sequence[Section]) -> float:
    """How much of the text, white space apart, lies in the passages: 1.0 for all of it."""
    whole = sum(_visible(chapter.text) for chapter in chapters)
    read = sum(_visible(passage) for section in sections for passage in section.passages)
    return read / whole if whole else 1.0


def groups_of(items: Sequence[Item], fan_in: int) -> list[list[Item]]:
    """The items in order, in as few groups of at most `fan_in` as can be, of equal size."""
    count = math.ceil(len(items) / fan_in)
    return [
        list(items[len(items) * n // count : len(items) * (n + 1) // count]) for n in range(count)
    ]


def questions_for(sections: Sequence[Section], fan_in: int) -> int:
    """How many questions the whole tree takes, the last one about the book included."""
    passages = sum(len(section.passages) for section in sections)
    inside = sum(_merges(len(section.passages), fan_in, 1) for section in sections)
    return passages + inside + _merges(len(sections), fan_in, fan_in) + 1


def _visible(text: str) -> int:
    return sum(map(len, text.split()))


def _merges(count: int, fan_in: int, until: int) -> int:
    total = 0
    while count > until:
        sizes = [len(group) for group in groups_of(range(count), fan_in)]
        total += sum(size > 1 for size in sizes)
        count = len(sizes)
    return total


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
