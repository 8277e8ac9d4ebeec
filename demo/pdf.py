"""PDF with an outline and an information dictionary, set in one of its built-in fonts."""

import io
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from pypdf import PageObject, PdfWriter
from pypdf.generic import (
    DecodedStreamObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    TextStringObject,
)

from demo.manuscript import Chapter, Manuscript, plain

_WIDTH, _HEIGHT = 420, 595
_LINES_A_PAGE = 34
_CHARACTERS_A_LINE = 62


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    heading: bool = False


def pdf(book: Manuscript) -> bytes:
    writer = PdfWriter()
    font = writer._add_object(_font())
    for chapter in book.chapters:
        first = len(writer.pages)
        for lines in _pages(chapter):
            _print(writer, font, lines)
        writer.add_outline_item(title=chapter.title, page_number=first)
    writer.add_metadata(
        {
            "/Title": book.title,
            "/Author": book.author,
            "/Subject": book.description,
            "/Keywords": ", ".join(book.tags),
        }
    )
    writer.root_object[NameObject("/Lang")] = TextStringObject(book.language)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def _font() -> DictionaryObject:
    names = {
        "/Type": "/Font",
        "/Subtype": "/Type1",
        "/BaseFont": "/Times-Roman",
        "/Encoding": "/WinAnsiEncoding",
    }
    return DictionaryObject({NameObject(key): NameObject(name) for key, name in names.items()})


def _pages(chapter: Chapter) -> Iterator[list[_Line]]:
    lines = [_Line(chapter.title, heading=True), _Line("")]
    for paragraph in chapter.paragraphs:
        lines += [_Line(line) for line in textwrap.wrap(plain(paragraph), _CHARACTERS_A_LINE)]
        lines.append(_Line(""))
    for start in range(0, len(lines), _LINES_A_PAGE):
        yield lines[start : start + _LINES_A_PAGE]


def _print(writer: PdfWriter, font: IndirectObject, lines: list[_Line]) -> None:
    page = writer.add_page(PageObject.create_blank_page(width=_WIDTH, height=_HEIGHT))
    stream = DecodedStreamObject()
    stream.set_data(_content(lines))
    fonts = DictionaryObject({NameObject("/F"): font})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    page[NameObject("/Contents")] = writer._add_object(stream.flate_encode())


def _content(lines: list[_Line]) -> bytes:
    shown = b"\n".join(_shown(line) for line in lines)
    return b"BT 54 540 Td 15 TL\n" + shown + b"\nET"


def _shown(line: _Line) -> bytes:
    size = b"16" if line.heading else b"11"
    text = line.text.encode("cp1252", errors="replace")
    for character in (b"\\", b"(", b")"):
        text = text.replace(character, b"\\" + character)
    return b"/F " + size + b" Tf (" + text + b") Tj T*"
