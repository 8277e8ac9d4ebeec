"""A reader of plain text that needs no second process."""

import re
from collections.abc import AsyncIterator

from typing_extensions import override

from app.ports.text import (
    MEDIA_TYPES,
    Chapter,
    Document,
    EmptyFile,
    Metadata,
    TextExtractor,
    UnknownFormat,
    UnreadableDocument,
)

_HEADING = re.compile(r"^(?:# (?P<name>.+)|(?P<chapter>CHAPTER \d+.*))$", re.MULTILINE)


class PlainTextExtractor(TextExtractor):
    """Every file is UTF-8 text; `# Name` and `CHAPTER n` open chapters, English is assumed."""

    @override
    def recognise(self, head: bytes, filename: str) -> str:
        if not head:
            raise EmptyFile
        if b"\0" in head:
            raise UnknownFormat
        markdown = filename.lower().endswith((".md", ".markdown"))
        return MEDIA_TYPES["markdown" if markdown else "text"]

    @override
    async def extract(self, stream: AsyncIterator[bytes], media_type: str) -> Document:
        if media_type not in MEDIA_TYPES.values():
            raise UnknownFormat
        data = b"".join([piece async for piece in stream])
        text = data.decode(errors="replace").replace("\r\n", "\n").replace("\0", "").strip()
        if not text:
            raise UnreadableDocument("no_text", "There is no text in the file.")
        chapters = _chapters(text)
        title = chapters[0].title if text.startswith("# ") else None
        return Document(text, chapters, len(text.split()), "en", Metadata(title=title))


def _chapters(text: str) -> tuple[Chapter, ...]:
    begins = [
        (match.start(), match["name"] or match["chapter"]) for match in _HEADING.finditer(text)
    ]
    if not begins or begins[0][0] > 0:
        begins.insert(0, (0, "Front matter" if begins else "Text"))
    ends = [start for start, _ in begins[1:]] + [len(text)]
    return tuple(
        Chapter(title, start, end) for (start, title), end in zip(begins, ends, strict=True)
    )
