"""Project Gutenberg's frame around a book: a header with fields, and a licence behind it.

Three generations are known: the `*** START OF …` markers, the same in one run of stars
without spaces, and before 2000 `*END*THE SMALL PRINT!` with no end marker but a last line.
"""

import re

from app.ports.text import Metadata

_START = re.compile(
    r"^[ \t]*\*{3} ?START OF (?:TH(?:E|IS) )?PROJECT GUTENBERG\b(?:[^*\n]*\n?){1,3}\*{3}",
    re.IGNORECASE | re.MULTILINE,
)
_SMALL_PRINT = re.compile(r"^[ \t]*\*END[ *]*THE SMALL PRINT![^\n]*\*END\*[^\n]*$", re.MULTILINE)
_END = re.compile(
    r"^[ \t]*(?:\*{3} ?END OF (?:TH(?:E|IS) )?PROJECT GUTENBERG\b"
    r"|(?:This is the )?end of (?:the |this )?project gutenberg(?:['’]s)?\b)",
    re.IGNORECASE | re.MULTILINE,
)
_CREDITS = re.compile(
    r"\s*(?:Produced by|E-?text prepared by|This e-?text was)[^\n]*(?:\n.+){0,4}\n"
)
_FIELD = re.compile(r"^(Title|Author|Language): *(.+(?:\n[ \t]+\S.*)*)", re.MULTILINE)
_CHARSET = re.compile(rb"^Character set encoding: *([\w-]+)", re.IGNORECASE | re.MULTILINE)
_HEADER = 20_000


def body(text: str) -> tuple[int, int]:
    """Where the book itself begins and ends; the whole text if there is no frame."""
    start = _START.search(text, 0, _HEADER * 2) or _SMALL_PRINT.search(text, 0, _HEADER * 2)
    first = start.end() if start else 0
    if start and (credit := _CREDITS.match(text, first)):
        first = credit.end()
    end = _END.search(text, first)
    return first, end.start() if end else len(text)


def fields(header: str) -> Metadata:
    """Title, author and language as the header gives them. Its dates are those of the
    electronic edition and say nothing of the book."""
    if "gutenberg" not in header[:_HEADER].lower():
        return Metadata()
    found = {
        match[1].lower(): " ".join(match[2].split()) for match in _FIELD.finditer(header[:_HEADER])
    }
    return Metadata(**found)  # type: ignore[arg-type]


def declared_charset(data: bytes) -> str | None:
    """The encoding a Gutenberg header names, for texts that are not UTF-8."""
    match = _CHARSET.search(data, 0, _HEADER)
    return match[1].decode() if match else None
