"""The text of a book in passages: what search looks into, how the text is kept, and what a
summary is borne out by."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

from app.domains.catalog.model import Passage
from app.ports.text import Chapter, Document
from app.shared.sentences import sentence_spans

# About 400 tokens: what retrieval studies and our own measurements favour for prose.
_SIZE = 1600


def passages_of_document(document: Document) -> list[Passage]:
    """The whole text, without a gap, cut between sentences inside each chapter."""
    return [
        Passage(number, start, document.text[start:end])
        for number, chapter in enumerate(document.chapters)
        for start, end in _cuts(document.text, chapter)
    ]


def passages_of_text(text: str) -> list[Passage]:
    """The same of a text without chapters."""
    return [
        Passage(0, start, text[start:end]) for start, end in _cuts(text, Chapter("", 0, len(text)))
    ]


class Shelfmarks:
    """Which passages lie between two places of the book."""

    def __init__(self, passages: Mapping[int, Passage]) -> None:
        self._numbers = list(passages)
        self._starts = [passage.start for passage in passages.values()]

    def between(self, start: int, end: int) -> Sequence[int]:
        """The numbers of the passages that have a character of it."""
        first = max(0, bisect_right(self._starts, start) - 1)
        return self._numbers[first : max(first + 1, bisect_left(self._starts, end))]


def _cuts(text: str, chapter: Chapter) -> Iterator[tuple[int, int]]:
    start = chapter.start
    for _, end in sentence_spans(text[chapter.start : chapter.end]):
        place = chapter.start + end
        while place - start > 2 * _SIZE:
            yield start, start + _SIZE
            start += _SIZE
        if place - start >= _SIZE:
            yield start, place
            start = place
    if start < chapter.end:
        yield start, chapter.end
