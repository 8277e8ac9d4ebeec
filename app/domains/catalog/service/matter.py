"""What of a book is not its text: tables of contents, indexes, imprints. They would be
summarised as if they were chapters.

Known by their shape, a title alone decides nothing: a novel may have a chapter "Index". In
doubt a chapter is text.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from app.domains.catalog.model import ChapterText, LeftOut

CONTENTS = "a table of contents"
INDEX = "an index"
IMPRINT = "an imprint"
NO_WORDS = "a page without words"

_NAMES = {
    CONTENTS: (
        "contents|table of contents|list of (illustrations|plates|figures|tables|maps)"
        "|inhalt|inhaltsverzeichnis|table des matieres|sommaire|indice|sumario|tartalom"
        "|tartalomjegyzek|inhoud|spis tresci|содержание|оглавление|目录|目次"
    ),
    INDEX: "(general |subject )?index( of .{1,40})?|register|sachregister|personenregister|"
    "nevmutato|targymutato|索引",
    IMPRINT: (
        "copyright( page| notice)?|imprint|impressum|colophon|kolofon|title ?page|half ?title"
        "|(also|other (books|works|titles)) by .{1,60}|legal notice|mentions legales|版权"
    ),
}
_NAMED = {kind: re.compile(f"(?:{names})", re.I) for kind, names in _NAMES.items()}
# A line of a table of contents: a title and its page, dots or white space between.
_PAGED = re.compile(r"^.{1,90}?[\s.]++(\d{1,4})\s*+$")
# Or the number of a chapter and its title.
_HEADED = re.compile(
    r"^(?:chapter|part|book|act|scene|kapitel|teil|chapitre|partie|capítulo|parte|fejezet|rész)"
    r"\s+(?:\d{1,3}|[ivxlc]{1,8}|one|two|three|four|five|six|seven|eight|nine|ten)\b.{0,90}$",
    re.I,
)
_INDEXED = re.compile(r"^.{1,70}?,\s*(?:\d{1,4}(?:\s*[-–]\s*\d{1,4})?(?:,\s*|\s*$))+$")
_RIGHTS = re.compile(
    r"©|\(c\) ?\d{4}|\bcopyright\b|\bisbn\b|all rights reserved|alle rechte vorbehalten"
    r"|tous droits réservés|todos los derechos|minden jog fenntartva|\bfirst published\b",
    re.I,
)
_FEWEST_LINES = 5
_FEWEST_ENTRIES = 10
_LONGEST_IMPRINT = 2500
_LONGEST_TITLE_PAGE = 200
_MOST = 0.7


def left_out_of(chapters: Sequence[ChapterText]) -> dict[int, LeftOut]:
    """The chapters that are no text, by their ordinal. Never all: of a book that is nothing
    but an index, the index is the text."""
    found = {c.ordinal: LeftOut(c.title, kind) for c in chapters if (kind := matter_of(c))}
    telling = any(c.ordinal not in found and c.text.strip() for c in chapters)
    return found if telling else {}


def matter_of(chapter: ChapterText) -> str | None:
    """What the chapter is if it is no text, in words for a person."""
    if not chapter.text.strip():
        return None
    if not any(character.isalnum() for character in chapter.text):
        return NO_WORDS
    lines = _lines_of(chapter)
    named = _named(chapter.title)
    if _share(_INDEXED, lines) >= _MOST and len(lines) >= _enough(named == INDEX):
        return INDEX
    if _lists_chapters(lines) and len(lines) >= _enough(named == CONTENTS):
        return CONTENTS
    if named in (CONTENTS, INDEX) and _are_headings(lines):
        return named
    if len(chapter.text) <= _LONGEST_IMPRINT and _is_imprint(chapter.text, named == IMPRINT):
        return IMPRINT
    return None


def _enough(named: bool) -> int:
    return _FEWEST_LINES if named else _FEWEST_ENTRIES


def _named(title: str) -> str | None:
    plain = unicodedata.normalize("NFKD", title.strip(" .:*_").casefold())
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    return next((kind for kind, name in _NAMED.items() if name.fullmatch(bare)), None)


def _lines_of(chapter: ChapterText) -> list[str]:
    """Its lines without its own title."""
    lines = [line.strip() for line in chapter.text.splitlines() if line.strip()]
    title = chapter.title.strip().casefold()
    return lines[1:] if lines and lines[0].strip("# ").casefold() == title else lines


def _share(shape: re.Pattern[str], lines: Sequence[str]) -> float:
    return sum(bool(shape.match(line)) for line in lines) / max(1, len(lines))


def _lists_chapters(lines: Sequence[str]) -> bool:
    """Pages grow from line to line; the last column of some other table does not."""
    pages = [int(found[1]) for found in map(_PAGED.match, lines) if found]
    growing = sum(one <= other for one, other in pairwise(pages)) >= 0.9 * (len(pages) - 1)
    return _share(_HEADED, lines) >= _MOST or (len(pages) >= _MOST * len(lines) and growing)


def _are_headings(lines: Sequence[str]) -> bool:
    """Short lines that are no sentences, and nothing else to speak of."""
    headings = [line for line in lines if len(line) <= 90 and line[-1] not in '.!?”"']
    return len(lines) >= _FEWEST_LINES and len(headings) >= 0.9 * len(lines)


def _is_imprint(text: str, named: bool) -> bool:
    marks = {mark.lower() for mark in _RIGHTS.findall(text)}
    return len(marks) >= 3 or (named and (bool(marks) or len(text) <= _LONGEST_TITLE_PAGE))
