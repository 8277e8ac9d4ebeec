"""Marks in a text → chapters that cover it."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from app.adapters.extraction.manuscript import Mark
from app.ports.text import Chapter
from app.shared.cleaning import one_line

FRONT_MATTER = "Front matter"
UNTITLED = "Text"
_PAGES_PER_CHAPTER = 20
_BARE_HEADING = 2_000


def divide(
    text: str, marks: Sequence[Mark], *, title: str | None, pages: Sequence[int] = ()
) -> tuple[Chapter, ...]:
    """Chapters in order, without gaps, from the first character to the last.

    A part's heading with nothing below it belongs to its first chapter, whose siblings
    carry the part's name too; text before the first mark is the front matter.
    """
    starts = _joined(text, _named(_paired(text, sorted(marks, key=lambda mark: mark.start))))
    if not starts:
        starts = _page_marks(pages) or [Mark(0, title or UNTITLED)]
    if text[: starts[0].start].strip():
        starts.insert(0, Mark(0, FRONT_MATTER))
    starts[0] = replace(starts[0], start=0)
    ends = [mark.start for mark in starts[1:]] + [len(text)]
    return tuple(
        Chapter(one_line(mark.title) or UNTITLED, mark.start, end, _page(pages, mark.start))
        for mark, end in zip(starts, ends, strict=True)
    )


def _named(marks: list[Mark]) -> list[Mark]:
    parents = _parents(marks)
    several = Counter(marks[index].level for index in set(parents) if index is not None)
    named: list[Mark] = []
    for mark, parent in zip(marks, parents, strict=True):
        above = named[parent] if parent is not None and several[marks[parent].level] > 1 else None
        named.append(replace(mark, title=f"{above.title} · {mark.title}") if above else mark)
    return named


def _parents(marks: list[Mark]) -> list[int | None]:
    """For each mark the index of the nearest shallower one before it."""
    parents: list[int | None] = []
    above: list[int] = []
    for index, mark in enumerate(marks):
        while above and marks[above[-1]].level >= mark.level:
            above.pop()
        parents.append(above[-1] if above else None)
        above.append(index)
    return parents


def _paired(text: str, marks: list[Mark]) -> list[Mark]:
    """`CHAPTER I` and the title below it, listed one by one, are one mark."""
    paired: list[Mark] = []
    lone = False
    for mark in marks:
        last = paired[-1] if paired else mark
        if lone and mark.level == last.level and _only_heading(text, last, mark.start):
            paired[-1] = replace(last, title=f"{last.title}. {mark.title}")
            lone = False
        elif not paired or mark.start > last.start or mark.level > last.level:
            paired.append(mark)
            lone = True
    return paired


def _joined(text: str, marks: list[Mark]) -> list[Mark]:
    """The marks without those of bare part headings, which go with their first chapter."""
    joined: list[Mark] = []
    for mark in marks:
        last = joined[-1] if joined else None
        if last and mark.level > last.level and _only_heading(text, last, mark.start):
            joined[-1] = replace(mark, start=last.start)
        else:
            joined.append(mark)
    return joined


def _only_heading(text: str, mark: Mark, end: int) -> bool:
    if end - mark.start > _BARE_HEADING:
        return False
    return len(text[mark.start : end].split()) <= len(mark.title.split()) + 2


def _page_marks(pages: Sequence[int]) -> list[Mark]:
    if len(pages) <= _PAGES_PER_CHAPTER:
        return []
    firsts = range(0, len(pages), _PAGES_PER_CHAPTER)
    lasts = [min(first + _PAGES_PER_CHAPTER, len(pages)) for first in firsts]
    named = [
        Mark(pages[first], f"Pages {first + 1}–{last}")
        for first, last in zip(firsts, lasts, strict=True)
    ]
    return [
        mark
        for mark, after in zip(named, [*named[1:], None], strict=True)
        if after is None or after.start > mark.start
    ]


def _page(pages: Sequence[int], start: int) -> int | None:
    return max(1, bisect_right(pages, start)) if pages else None
