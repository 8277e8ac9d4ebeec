"""Plain text: which encoding, and then nothing more."""

import codecs
from typing import BinaryIO

import chardet

from app.adapters.extraction.gutenberg import declared_charset
from app.adapters.extraction.limits import Limits
from app.adapters.extraction.manuscript import Manuscript
from app.ports.text import UnreadableDocument

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LAST_RESORT = "cp1252"
_SAMPLE = 64 * 2**10
_DAMAGE = 50


def read(file: BinaryIO, limits: Limits) -> Manuscript:
    manuscript = Manuscript(limits.characters)
    manuscript.write(decoded(read_whole(file, limits), manuscript.notes))
    return manuscript


def read_whole(file: BinaryIO, limits: Limits) -> bytes:
    """All bytes. Raises UnreadableDocument when they are more than any text could need."""
    most = min(4 * limits.characters, limits.inflated_bytes)
    data = file.read(most + 1)
    if len(data) > most:
        raise UnreadableDocument("too_large", f"A text file may have {most:,} bytes.")
    return data


def decoded(data: bytes, notes: list[str]) -> str:
    """The text: by its byte order mark, else as UTF-8 (cut or slightly damaged, if need
    be), else as its Gutenberg header says, else by a guess, which is noted."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data[len(bom) :].decode(encoding, errors="replace")
    text = _utf8(data, notes)
    if text is not None:
        return text
    return _legacy(data, declared_charset(data)) or _guessed(data, notes)


def _utf8(data: bytes, notes: list[str]) -> str | None:
    try:
        # Not final: a file cut inside its last character is still UTF-8.
        return codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        text = data.decode("utf-8", errors="replace")
    bad = text.count("\ufffd")
    good = sum(0xC2 <= byte <= 0xF4 for byte in data) - bad
    if good < _DAMAGE * bad:
        return None
    notes.append("encoding_damaged")
    return text


def _legacy(data: bytes, charset: str | None) -> str | None:
    if not charset or charset.lower() in ("utf-8", "ascii", "us-ascii"):
        return None
    if charset.lower() in ("iso-8859-1", "iso-latin-1", "latin-1", "latin1"):
        charset = _LAST_RESORT
    try:
        return data.decode(charset)
    except (LookupError, UnicodeDecodeError):
        return None


def _guessed(data: bytes, notes: list[str]) -> str:
    notes.append("encoding_guessed")
    guess = chardet.detect(_telling(data))["encoding"]
    return _legacy(data, guess) or data.decode(_LAST_RESORT, errors="replace")


def _telling(data: bytes) -> bytes:
    """The lines that are not plain ASCII: the others say nothing about the encoding."""
    lines: list[bytes] = []
    size = 0
    for line in data.splitlines(keepends=True):
        if size >= _SAMPLE:
            break
        if not line.isascii():
            lines.append(line[:_SAMPLE])
            size += len(line)
    return b"".join(lines)[:_SAMPLE]
