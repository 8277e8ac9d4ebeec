"""A book being read: a text that grows at its end, and marks where its chapters begin."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.ports.text import Metadata, UnreadableDocument
from app.shared.cleaning import clean


@dataclass(frozen=True, slots=True)
class Mark:
    """A chapter begins at character `start`; a deeper `level` lies inside a shallower one."""

    start: int
    title: str
    level: int = 1


class Manuscript:
    """What a format reader hands over. `loose` text has lost its blank lines (PDF)."""

    def __init__(self, most_characters: int, *, loose: bool = False) -> None:
        self.length = 0
        self.marks: list[Mark] = []
        self.pages: list[int] = []
        self.notes: list[str] = []
        self.metadata = Metadata()
        self.loose = loose
        self._most = most_characters
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def write(self, text: str) -> None:
        """Append the text, cleaned. Raises UnreadableDocument when the book grows too long."""
        piece = clean(text)
        self.length += len(piece)
        if self.length > self._most:
            raise UnreadableDocument("too_large", f"The text is over {self._most:,} characters.")
        self._pieces.append(piece)

    def turn_page(self) -> None:
        self.pages.append(self.length)


def outlined(marks: Iterable[Mark], end: int, longest: int = 20_000) -> list[Mark]:
    """The marks of a table of contents worth being chapters: a section is divided further
    only while it is longer than so many characters."""
    ordered = sorted(marks, key=lambda mark: mark.start)
    kept: list[Mark] = []
    closed_level, closed_until = 0, 0
    for mark, until in zip(ordered, _ends(ordered, end), strict=True):
        if mark.start < closed_until and mark.level > closed_level:
            continue
        kept.append(mark)
        if until - mark.start <= longest:
            closed_level, closed_until = mark.level, until
    return kept


def shifted(marks: Iterable[Mark], start: int, end: int) -> list[Mark]:
    """The marks as they lie in the part of the text from `start` to `end`."""
    return [replace(mark, start=mark.start - start) for mark in marks if start <= mark.start < end]


def _ends(marks: list[Mark], end: int) -> list[int]:
    ends = [end] * len(marks)
    open_marks: list[int] = []
    for index, mark in enumerate(marks):
        while open_marks and marks[open_marks[-1]].level >= mark.level:
            ends[open_marks.pop()] = mark.start
        open_marks.append(index)
    return ends
