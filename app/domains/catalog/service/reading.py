"""A book as it is read for its summary: cut into sections, without what is no text, and
itself to check against."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.domains.catalog.model import ChapterText, LeftOut, Passage
from app.domains.catalog.service.matter import left_out_of
from app.domains.catalog.service.outline import (
    Budget,
    Section,
    Stretch,
    sections_of,
    share_read,
)
from app.domains.catalog.service.passages import passages_of_text
from app.domains.catalog.service.provenance import Grounds


@dataclass(frozen=True, slots=True)
class Reading:
    """`coverage` is the share of the text that lies in the sections, what is `left_out`
    apart."""

    sections: Sequence[Section]
    coverage: float
    left_out: Sequence[LeftOut]
    grounds: Grounds

    @property
    def passages(self) -> Sequence[Stretch]:
        return [passage for section in self.sections for passage in section.passages]


def read_book(
    chapters: Sequence[ChapterText],
    passages: Mapping[int, Passage],
    budget: Budget,
    *,
    known: Iterable[str] = (),
) -> Reading:
    """Seconds of work for a long book. `known`: names the text need not have."""
    left_out = left_out_of(chapters)
    told = [chapter for chapter in chapters if chapter.ordinal not in left_out]
    sections = sections_of(told, budget)
    return Reading(
        sections=sections,
        coverage=share_read(told, sections),
        left_out=list(left_out.values()),
        grounds=Grounds(passages, known=known),
    )


def read_text(content: str, title: str, budget: Budget) -> Reading:
    """The same of a text that is no book: its summary needs no introduction."""
    chapter = ChapterText(0, title, 0, len(content), None, content)
    sections = sections_of([chapter], budget)
    return Reading(
        sections=sections,
        coverage=share_read([chapter], sections),
        left_out=[],
        grounds=Grounds(dict(enumerate(passages_of_text(content))), known=[title]),
    )
