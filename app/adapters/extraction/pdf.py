"""PDF, read with pypdf page by page; what one page does wrong is not held against the rest."""

import logging
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from pypdf import PageObject, PdfReader, apply_configuration

from app.adapters.extraction.limits import Limits
from app.adapters.extraction.manuscript import Manuscript, Mark, outlined
from app.ports.text import Metadata, UnreadableDocument
from app.shared.cleaning import one_line

_STREAM = 16 * 2**20
_TIGHT: dict[str, Any] = {
    "maximum_declared_stream_length": _STREAM,
    "array_based_stream_maximum_output_length": _STREAM,
    "lzw_maximum_output_length": _STREAM,
    "run_length_maximum_output_length": _STREAM,
    "zlib_maximum_output_length": _STREAM,
    "stream_decoding_work_maximum_length": 4 * _STREAM,
    "image_maximum_buffer_size": _STREAM,
    "jbig2dec_binary": None,
    "disable_legacy_handling": True,
}
_LINE_END = re.compile(r"[ \t]+\n")
_MOST_MARKS = 20_000
_GENERATED_TITLES = ("untitled", "microsoft word - ", "microsoft powerpoint - ")


def read(file: BinaryIO, limits: Limits) -> Manuscript:
    logging.disable()
    with apply_configuration(**_TIGHT):
        reader = _opened(file)
        manuscript = Manuscript(limits.characters, loose=True)
        _read_pages(reader, manuscript, limits.pages)
        manuscript.metadata = _metadata(reader)
        manuscript.marks = outlined(_outline(reader, manuscript), manuscript.length)
    return manuscript


def _opened(file: BinaryIO) -> PdfReader:
    try:
        reader = PdfReader(file)
        locked = reader.is_encrypted and not reader.decrypt("")
    except MemoryError:
        raise
    except Exception as error:
        raise _corrupt() from error
    if locked:
        raise UnreadableDocument("encrypted", "The PDF asks for a password.")
    return reader


def _read_pages(reader: PdfReader, manuscript: Manuscript, most: int) -> None:
    unreadable = 0
    for page in _pages(reader, most):
        manuscript.turn_page()
        text = _text_of(page)
        unreadable += text is None
        manuscript.write(_LINE_END.sub("\n", f"{text or ''}\n"))
    if unreadable == len(manuscript.pages):
        raise _corrupt()
    if unreadable:
        manuscript.notes.append(f"pages_unreadable:{unreadable}")


def _pages(reader: PdfReader, most: int) -> Iterator[PageObject]:
    try:
        count = len(reader.pages)
        if count > most:
            raise UnreadableDocument("too_large", f"A PDF may have {most:,} pages.")
        yield from reader.pages
    except (MemoryError, UnreadableDocument):
        raise
    except Exception as error:
        raise _corrupt() from error


def _text_of(page: PageObject) -> str | None:
    try:
        return page.extract_text()
    except MemoryError:
        raise
    except Exception:
        return None


def _outline(reader: PdfReader, manuscript: Manuscript) -> list[Mark]:
    try:
        items = list(_flat(reader.outline))
        found = [(level, item, reader.get_destination_page_number(item)) for level, item in items]
    except MemoryError:
        raise
    except Exception:
        return []
    text = manuscript.text
    return [
        Mark(_place(text, manuscript.pages, page, title), title, level)
        for level, item, page in found
        if page is not None and page >= 0 and (title := one_line(str(item.title or "")))
    ]


def _flat(outline: list[Any]) -> Iterator[tuple[int, Any]]:
    waiting = [(1, item) for item in reversed(outline)]
    for _ in range(_MOST_MARKS):
        if not waiting:
            return
        level, item = waiting.pop()
        if isinstance(item, list):
            waiting.extend((level + 1, below) for below in reversed(item))
        else:
            yield level, item


def _place(text: str, pages: list[int], page: int, title: str) -> int:
    """Where on its page a section begins: at its title, if the page shows it."""
    start = pages[page]
    end = pages[page + 1] if page + 1 < len(pages) else len(text)
    found = text.find(title, start, end)
    return found if found >= 0 else start


def _metadata(reader: PdfReader) -> Metadata:
    return Metadata(
        title=_title(_said(reader, "title") or _said_in_xmp(reader, "dc_title")),
        author=_said(reader, "author") or _said_in_xmp(reader, "dc_creator"),
        language=_language(reader),
        description=_said(reader, "subject") or _said_in_xmp(reader, "dc_description"),
        subjects=_keywords(_said(reader, "keywords")),
    )


def _said(reader: PdfReader, name: str) -> str | None:
    try:
        value = getattr(reader.metadata, name, None)
    except MemoryError:
        raise
    except Exception:
        return None
    return one_line(str(value), 2_000) or None if value else None


def _said_in_xmp(reader: PdfReader, name: str) -> str | None:
    try:
        value = getattr(reader.xmp_metadata, name, None)
    except MemoryError:
        raise
    except Exception:
        return None
    values = value.values() if isinstance(value, dict) else value
    return one_line(", ".join(map(str, values)), 2_000) or None if values else None


def _language(reader: PdfReader) -> str | None:
    try:
        return str(reader.root_object.get("/Lang") or "")[:40] or None
    except MemoryError:
        raise
    except Exception:
        return None


def _title(title: str | None) -> str | None:
    return None if not title or title.lower().startswith(_GENERATED_TITLES) else title


def _keywords(value: str | None) -> tuple[str, ...]:
    words = (value or "").replace(";", ",").split(",")
    return tuple(word.strip() for word in words if word.strip())


def _corrupt() -> UnreadableDocument:
    return UnreadableDocument("corrupt", "The PDF is damaged.")
