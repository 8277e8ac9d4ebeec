"""What kind of file this is, by its first bytes."""

import codecs
import re
from pathlib import PurePath

from app.ports.text import MEDIA_TYPES, EmptyFile, UnknownFormat

_PDF = re.compile(rb"%PDF-\d")
_PDF_WITHIN = 1024
_ZIP = b"PK\x03\x04"
_EPUB = (
    re.compile(rb"mimetype(?:.{0,64}?)application/epub\+zip", re.DOTALL),
    re.compile(rb"META-INF/container\.xml"),
)
_UNICODE_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_NOT_TEXT = (
    b"MZ\x90",
    b"\x7fELF",
    b"\x89PNG",
    b"GIF8",
    b"\xff\xd8\xff",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"7z\xbc\xaf",
    b"Rar!",
    b"\xd0\xcf\x11\xe0",
    b"{\\rtf",
    b"%!PS",
    b"AT&TFORM",
    b"OggS",
    b"ID3",
)
_MARKUP = re.compile(rb"\s*(?:<\?xml|<!doctype|<html|<head|<svg)", re.IGNORECASE)
_CONTROLS = bytes({*range(32)} - {*b"\t\n\r\f\x1a\x1b"})
_CONTROLS_PER_THOUSAND = 5
_MARKDOWN = (".md", ".markdown", ".mdown", ".mkd")


def recognise(head: bytes, filename: str) -> str:
    """The media type. EPUBs that do not begin with their `mimetype` are taken when their
    container can be seen; HTML, XML and RTF are not text a reader would want, and refused.

    Raises EmptyFile, UnknownFormat.
    """
    if not head:
        raise EmptyFile
    if _PDF.search(head[: _PDF_WITHIN + 6]):
        return MEDIA_TYPES["pdf"]
    if head.startswith(_ZIP) and any(sign.search(head) for sign in _EPUB):
        return MEDIA_TYPES["epub"]
    if not _is_text(head):
        raise UnknownFormat
    markdown = PurePath(filename.lower()).suffix in _MARKDOWN
    return MEDIA_TYPES["markdown" if markdown else "text"]


def _is_text(head: bytes) -> bool:
    if head.startswith(_UNICODE_BOMS):
        return True
    if head.startswith(_NOT_TEXT) or _MARKUP.match(head.removeprefix(codecs.BOM_UTF8)):
        return False
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return b"\0" not in head and controls * 1000 <= _CONTROLS_PER_THOUSAND * len(head)
