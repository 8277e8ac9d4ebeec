"""How a book is cut for a model: sections, passages, and the shape of the summary tree.

Sizes are estimated tokens: 3.2 characters of an alphabet, one of an ideographic script,
which is on the careful side for the models measured.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.domains.catalog.model import ChapterText
from app.shared.sentences import sentence_spans

_IDEOGRAPHIC = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")
_CHARACTERS_A_TOKEN = 3.2
_WORDS_A_TOKEN = 0.6
_INSTRUCTIONS = 420

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a model's window a question may use.

    `passage`: tokens of a passage; `fan_in`: how many summaries are joined at once (two at
    least, so that every level is smaller than the one below); `tokens` and `words`: the
    limits of one summary; `book_tokens` and `book_words`: of the whole book's.
    """

    passage: int
    fan_in: int
    tokens: int
    words: int
    book_tokens: int
    book_words: int

    @classmethod
    def for_window(cls, context: int) -> "Budget":
        tokens = max(48, min(420, context // 7))
        book_tokens = max(64, min(900, context // 5))
        room = max(2 * tokens, context - min(_INSTRUCTIONS, context // 3) - book_tokens)
        return cls(
            passage=min(3000, room),
            fan_in=max(2, min(8, room // (tokens + 100))),
            tokens=tokens,
            words=max(20, int(tokens * _WORDS_A_TOKEN * 0.7)),
            book_tokens=book_tokens,
            book_words=max(30, int(book_tokens * _WORDS_A_TOKEN * 0.5)),
        )


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter, or some short ones in a row, cut into passages between sentences."""

    title: str
    passages: tuple[str, ...]


def estimated_tokens(text: str) -> int:
    ideographs = len(_IDEOGRAPHIC.findall(text))
    return ideographs + math.ceil((len(text) - ideographs) / _CHARACTERS_A_TOKEN)


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
    total = estimated_tokens(text)
    target = math.ceil(total / max(1, math.ceil(total / limit))) if total else limit
    # Sentences do not divide evenly: some slack, or a small rest becomes one more passage.
    target = min(limit, math.ceil(target * 1.05))
    passages, start, end, size = [], 0, 0, 0
    for first, last in _pieces(text, limit):
        weight = estimated_tokens(text[max(end, first - 2) : last])
        if size and size + weight > target:
            passages.append(text[start:end])
            size = 0
        start = first if not size else start
        end, size = last, size + weight
    return (*passages, text[start:end]) if size else tuple(passages)


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


def _pieces(text: str, limit: int) -> list[tuple[int, int]]:
    step = max(1, min(limit, int(limit * _CHARACTERS_A_TOKEN)) // 2)
    return [
        (cut, min(cut + (step if last - first > 2 * step else last - first), last))
        for first, last in sentence_spans(text)
        for cut in range(first, last, step if last - first > 2 * step else last - first)
    ]
