"""The text of a book in passages: what search looks into, and how the text is kept."""

from collections.abc import Iterator

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
