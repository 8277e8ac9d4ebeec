"""Which of the lines that look like headings are the book's own.

A table of contents is a run of headings with next to nothing between them whose first
entry comes again further on. What is left has to count upwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass

VOLUME, PART, CHAPTER = 1, 2, 3

_THIN_WORDS = 100
_THIN_CHARACTERS = 1_500
_LEAST_ENTRIES = 2
_LARGEST_GAP = 3


@dataclass(frozen=True, slots=True)
class Heading:
    """A line that may open a chapter; its body begins at `end`. `kind` is the word it uses
    (empty for a bare numeral); only numbered headings have a number."""

    start: int
    end: int
    title: str
    level: int
    kind: str
    number: int | None

    @property
    def key(self) -> tuple[str, int | None]:
        return self.kind, self.number


def settled(text: str, headings: Iterable[Heading]) -> list[Heading]:
    """The headings in order, without those of tables of contents and without strays."""
    ordered = sorted({heading.start: heading for heading in headings}.values(), key=_start)
    return _in_sequence(_last_names(_without_contents(text, ordered)))


def _start(heading: Heading) -> int:
    return heading.start


def _without_contents(text: str, headings: list[Heading]) -> list[Heading]:
    kept: list[Heading] = []
    index = 0
    while index < len(headings):
        entries = _contents_length(text, headings, index)
        if not entries:
            kept.append(headings[index])
        index += entries or 1
    return kept


def _contents_length(text: str, headings: list[Heading], first: int) -> int:
    """How many entries the table of contents has that begins at this heading, or 0."""
    for index in range(first + 1, len(headings)):
        if index > first + 1 and not _thin(text, headings[index - 2], headings[index - 1]):
            return 0
        if headings[index].key == headings[first].key:
            entries = index - first
            return entries if entries >= _LEAST_ENTRIES else 0
    return 0


def _thin(text: str, heading: Heading, after: Heading) -> bool:
    if after.start - heading.end > _THIN_CHARACTERS:
        return False
    return len(text[heading.end : after.start].split()) <= _THIN_WORDS


def _last_names(headings: list[Heading]) -> list[Heading]:
    last = {heading.kind: heading for heading in headings if heading.number is None}
    return [h for h in headings if h.number is not None or last[h.kind] is h]


def _in_sequence(headings: list[Heading]) -> list[Heading]:
    kept: list[Heading] = []
    reached: dict[str, int] = {}
    new_part = True
    for heading in _without_late_parts(headings):
        if heading.number is not None:
            if not _follows(heading, reached.get(heading.kind, 0), new_part=new_part):
                continue
            reached[heading.kind] = heading.number
            new_part = heading.level < CHAPTER
        kept.append(heading)
    return kept


def _without_late_parts(headings: list[Heading]) -> list[Heading]:
    """Drop words for parts when they begin to be used only after chapters have gone by."""
    numbered = [heading.level < CHAPTER for heading in headings if heading.number is not None]
    if not any(numbered) or numbered.index(True) <= 1:
        return headings
    return [heading for heading in headings if heading.level == CHAPTER]


def _follows(heading: Heading, before: int, *, new_part: bool) -> bool:
    number = heading.number or 0
    if before < number <= before + _LARGEST_GAP:
        return True
    # Without a word a lone `I` may be anything, so it begins anew only under a new part.
    return number == 1 and (new_part or (before != 1 and heading.kind != ""))
