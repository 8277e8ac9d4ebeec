"""A book before it is printed: what its Markdown source says, whatever the format."""

import re
from dataclasses import dataclass

_STRONG = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_EMPHASIS = re.compile(r"\*(.+?)\*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Chapter:
    """`paragraphs` may hold *emphasis* and **strong** words."""

    title: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manuscript:
    title: str
    author: str
    language: str
    year: int
    description: str
    genres: tuple[str, ...]
    tags: tuple[str, ...]
    chapters: tuple[Chapter, ...]


def chapters_of(source: str) -> tuple[Chapter, ...]:
    """The chapters of a Markdown text, each under a heading of the second level."""
    _, *parts = re.split(r"^## +", source, flags=re.MULTILINE)
    return tuple(_chapter(part) for part in parts)


def plain(text: str) -> str:
    """Without marks of emphasis."""
    return _EMPHASIS.sub(r"\1", _STRONG.sub(r"\1", text))


def marked_up(escaped: str) -> str:
    """With XHTML elements for emphasis; takes text that is escaped already."""
    return _EMPHASIS.sub(r"<em>\1</em>", _STRONG.sub(r"<strong>\1</strong>", escaped))


def _chapter(part: str) -> Chapter:
    title, _, body = part.partition("\n")
    blocks = (" ".join(block.split()) for block in body.split("\n\n"))
    return Chapter(title.strip(), tuple(block for block in blocks if block))
