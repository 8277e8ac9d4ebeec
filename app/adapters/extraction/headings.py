"""Chapter headings in a text that has no markup.

A heading stands alone at the start of a short paragraph: a word for a part or a chapter
with a number, a bare numeral, or a name such as Preface.
"""

import re
from collections.abc import Iterator

from app.adapters.extraction.manuscript import Mark
from app.adapters.extraction.numerals import number_of
from app.adapters.extraction.sequence import CHAPTER, PART, VOLUME, Heading, settled

_KINDS = {
    VOLUME: "VOLUME|TOME|BAND|TOMO",
    PART: "BOOK|PART|ACT|BUCH|TEIL|LIVRE|PARTIE|ACTE|AKT|LIBRO|PARTE|ACTO|ATTO|EPILOGUE",
    CHAPTER: "CHAPTER|CHAP|LETTER|CANTO|STAVE|SCENE|KAPITEL|SZENE|CHAPITRE|SCÈNE|CAPÍTULO"
    "|CAPITULO|ESCENA|CAPITOLO|SCENA|HOOFDSTUK|LUKU|ROZDZIAŁ|ГЛАВА",
}
_LEVELS = {kind: level for level, kinds in _KINDS.items() for kind in kinds.split("|")}
# The longest first, for CHAPITRE is not CHAP number ITRE.
_ANY_KIND = "|".join(sorted(_LEVELS, key=len, reverse=True))
_NAMES = (
    "PREFACE|FOREWORD|INTRODUCTION|PROLOGUE|EPILOGUE|AFTERWORD|CONCLUSION|APPENDIX|ETYMOLOGY"
    "|EXTRACTS|VORWORT|EINLEITUNG|NACHWORT|PRÉFACE|AVANT-PROPOS|ÉPILOGUE|PRÓLOGO|EPÍLOGO"
    "|PREFAZIONE"
)
_FLAGS = re.IGNORECASE | re.MULTILINE
_WORD_NUMBER = re.compile(
    rf"^[ \t]*(?P<kind>{_ANY_KIND})\.? ?(?:THE )?(?P<number>[\w-]+)(?P<rest>[^\n]*)$", _FLAGS
)
_NUMBER_WORD = re.compile(
    rf"^[ \t]*(?:THE )?(?P<number>[^\W\d_]+) (?P<kind>{_ANY_KIND})\b(?P<rest>[^\n]*)$", _FLAGS
)
_NAMED = re.compile(rf"^[ \t]*(?P<kind>{_NAMES})\b(?P<rest>[^\n]*)$", _FLAGS)
_ROMAN = re.compile(r"^[ \t]*(?P<number>[IVXLC]+)(?:\.(?P<rest>[^\n]*)|[ \t]*)$", re.MULTILINE)
_ARABIC = re.compile(r"^[ \t]*(?P<number>\d{1,3})(?:\.(?P<rest>[^\n]*)|[ \t]*)$", re.MULTILINE)

_LONGEST_HEADING = 400
_LONGEST_TITLE = 60
_SPREAD = 1_000


def find(text: str, *, loose: bool = False) -> list[Mark]:
    """Where the chapters of a text begin; nothing where fewer than two are found.

    `loose` is for texts whose paragraphs are not set off by blank lines.
    """
    page = _Page(text, loose=loose)
    worded = [*page.headings(_WORD_NUMBER), *page.headings(_NUMBER_WORD)]
    named = [] if loose else list(page.headings(_NAMED))
    for candidates in _choices(page, worded):
        found = settled(text, [*candidates, *named])
        if sum(heading.number is not None for heading in found) > 1:
            return [Mark(heading.start, heading.title, heading.level) for heading in found]
    return []


def _choices(page: "_Page", worded: list[Heading]) -> Iterator[list[Heading]]:
    parts = [heading for heading in worded if heading.level < CHAPTER]
    if len(worded) - len(parts) > 1:
        yield worded
    romans = list(page.headings(_ROMAN))
    if _spread(romans):
        yield [*parts, *romans]
    if len(parts) > 1:
        yield parts
    arabics = list(page.headings(_ARABIC))
    if _spread(arabics):
        yield arabics


def _spread(headings: list[Heading]) -> bool:
    # A numbered list has its items close together, chapters lie far apart.
    distance = headings[-1].start - headings[0].start if headings else 0
    return len(headings) > 1 and distance >= _SPREAD * (len(headings) - 1)


class _Page:
    """The text, and which of its lines can be headings."""

    def __init__(self, text: str, *, loose: bool) -> None:
        self._text = text
        self._loose = loose

    def headings(self, pattern: re.Pattern[str]) -> Iterator[Heading]:
        for match in pattern.finditer(self._text):
            heading = self._heading(match)
            if heading:
                yield heading

    def _heading(self, match: re.Match[str]) -> Heading | None:
        groups = match.groupdict()
        kind, rest = groups.get("kind") or "", groups.get("rest") or ""
        number = number_of(groups["number"]) if groups.get("number") else None
        if kind[:1].islower() or (number is None and not _is_name(match)):
            return None
        if not _may_follow(rest) or not self._stands_alone(match.start()):
            return None
        end = self._block_end(match)
        if end - match.start() > _LONGEST_HEADING:
            return None
        title, end = self._titled(match.start(), end, bare=not any(map(str.isalpha, rest)))
        level = _LEVELS.get(kind.upper(), CHAPTER) if number else CHAPTER
        return Heading(match.start(), end, title, level, kind.upper(), number)

    def _stands_alone(self, start: int) -> bool:
        line_before = self._text.rfind("\n", 0, max(0, start - 1)) + 1
        return self._loose or not self._text[line_before:start].strip()

    def _block_end(self, match: re.Match[str]) -> int:
        if self._loose:
            return match.end()
        return self._end_of_block(match.end())

    def _end_of_block(self, start: int) -> int:
        blank = _BLANK.search(self._text, start, start + _LONGEST_HEADING + 1)
        return blank.start() if blank else min(len(self._text), start + _LONGEST_HEADING + 1)

    def _titled(self, start: int, end: int, *, bare: bool) -> tuple[str, int]:
        title = " ".join(self._text[start:end].split())
        if not bare or "\n" in self._text[start:end].strip():
            return title, end
        below, below_end = self._subtitle(end)
        return (f"{title.rstrip('.')}. {below}", below_end) if below else (title, end)

    def _subtitle(self, start: int) -> tuple[str, int]:
        begin = _NEXT_BLOCK.match(self._text, start)
        if not begin:
            return "", start
        end = self._line_end(begin.end()) if self._loose else self._end_of_block(begin.end())
        below = self._text[begin.end() : end]
        return (" ".join(below.split()), end) if _is_title(below) else ("", start)

    def _line_end(self, start: int) -> int:
        end = self._text.find("\n", start)
        return end if end >= 0 else len(self._text)


_BLANK = re.compile(r"\n[ \t]*(?=\n|\Z)|\Z")
_NEXT_BLOCK = re.compile(r"(?:[ \t]*\n){1,4}")


def _is_name(match: re.Match[str]) -> bool:
    return match.re is _NAMED


def _may_follow(rest: str) -> bool:
    """Whether a heading can go on like this, rather than a sentence."""
    words = rest.lstrip()
    return not words or rest[0] in ".:—–-,(*[" or (rest[0] in " \t" and not words[0].islower())


def _is_title(block: str) -> bool:
    line = block.strip()
    if not any(map(str.isalpha, line)) or _WORD_NUMBER.match(line) or _ROMAN.match(line):
        return False
    if line == line.upper():
        return len(line) <= _LONGEST_HEADING
    return (
        "\n" not in line
        and len(line) <= _LONGEST_TITLE
        and line[0].isupper()
        and line[-1] not in ".,;:!?\"”’'-"
    )
