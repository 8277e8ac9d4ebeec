"""The formats the library reads: a media type → the module whose `read` does it."""

from importlib import import_module
from typing import BinaryIO, Protocol, cast

from app.adapters.extraction.binding import bind
from app.adapters.extraction.limits import Limits
from app.adapters.extraction.manuscript import Manuscript
from app.adapters.extraction.wire import died
from app.ports.text import MEDIA_TYPES, Document, UnknownFormat, UnreadableDocument

# Modules by name: a child that reads a text need not load a PDF parser first.
_READERS = {
    MEDIA_TYPES["text"]: "plain_text",
    MEDIA_TYPES["markdown"]: "markdown",
    MEDIA_TYPES["pdf"]: "pdf",
    MEDIA_TYPES["epub"]: "epub",
}


class _Reader(Protocol):
    def read(self, file: BinaryIO, limits: Limits) -> Manuscript: ...


def read_document(file: BinaryIO, media_type: str, limits: Limits) -> Document:
    """Read the file in this very process, with no limit on time. Raises UnreadableDocument."""
    if media_type not in _READERS:
        raise UnknownFormat
    reader = cast(_Reader, import_module(f"app.adapters.extraction.{_READERS[media_type]}"))
    return bind(_manuscript(reader, file, limits))


def _manuscript(reader: _Reader, file: BinaryIO, limits: Limits) -> Manuscript:
    try:
        return reader.read(file, limits)
    except UnreadableDocument:
        raise
    except (MemoryError, RecursionError) as error:
        raise died() from error
    except Exception as error:
        raise UnreadableDocument("corrupt", "The file is damaged.") from error
