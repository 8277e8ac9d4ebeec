"""Markdown: headings outside code, and the YAML block some tools put in front."""

import re
from collections import Counter
from typing import BinaryIO

from app.adapters.extraction.limits import Limits
from app.adapters.extraction.manuscript import Manuscript, Mark
from app.adapters.extraction.plain_text import decoded, read_whole
from app.ports.text import Metadata
from app.shared.cleaning import one_line

_FRONT = re.compile(r"\A---[ \t]*\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_ENTRY = re.compile(r"^([A-Za-z_-]+):[ \t]*(.*(?:\n(?:[ \t]+|- ).*)*)", re.MULTILINE)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_YEAR = re.compile(r"\b(\d{4})\b")


def read(file: BinaryIO, limits: Limits) -> Manuscript:
    manuscript = Manuscript(limits.characters)
    text = decoded(read_whole(file, limits), manuscript.notes).replace("\r\n", "\n")
    front = _FRONT.match(text)
    manuscript.write(text[front.end() :] if front else text)
    headings = _headings(manuscript.text)
    manuscript.marks = _chapters(headings)
    manuscript.metadata = _metadata(front[1] if front else "", headings)
    return manuscript


def _chapters(headings: list[Mark]) -> list[Mark]:
    """Headings down to the shallowest level that has more than one."""
    counts = Counter(heading.level for heading in headings)
    level = min((level for level, count in counts.items() if count > 1), default=6)
    return [heading for heading in headings if heading.level <= level]


def _headings(text: str) -> list[Mark]:
    found: list[Mark] = []
    start, above, fence = 0, "", ""
    for line in text.split("\n"):
        opening = _FENCE.match(line)
        if opening and (not fence or opening[1].startswith(fence)):
            fence = "" if fence else opening[1]
        elif not fence and (atx := _ATX.match(line)):
            found.append(Mark(start, atx[2], len(atx[1])))
        elif not fence and above.strip() and (under := _SETEXT.match(line)):
            begin = start - len(above) - 1
            found.append(Mark(begin, above.strip(), 1 if under[1][0] == "=" else 2))
        above = "" if fence or opening or _ATX.match(line) else line
        start += len(line) + 1
    return [heading for heading in found if heading.title]


def _metadata(front: str, headings: list[Mark]) -> Metadata:
    entries = {match[1].lower(): match[2] for match in _ENTRY.finditer(front)}
    said = {key: _scalar(value) for key, value in entries.items()}
    first = [heading.title for heading in headings if heading.level == 1]
    year = _YEAR.search(said.get("date", ""))
    return Metadata(
        title=said.get("title") or (first[0] if len(first) == 1 else None),
        author=", ".join(_items(entries.get("author", ""))) or None,
        language=said.get("language") or said.get("lang") or None,
        description=said.get("description") or None,
        isbn=said.get("isbn") or None,
        year_published=int(year[1]) if year else None,
        subjects=tuple(_items(entries.get("tags", entries.get("keywords", "")))),
    )


def _items(value: str) -> list[str]:
    if value.lstrip().startswith("- "):
        items = [line.strip().removeprefix("- ") for line in value.strip().splitlines()]
    else:
        items = value.strip().removeprefix("[").removesuffix("]").split(",")
    return [item for item in map(_scalar, items) if item]


def _scalar(value: str) -> str:
    return one_line(value, 2_000).strip("\"' ")
