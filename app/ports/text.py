"""Reading the text out of a file, and what a file says of itself."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from app.shared.errors import Invalid, Unsupported

MEDIA_TYPES = {
    "text": "text/plain",
    "markdown": "text/markdown",
    "pdf": "application/pdf",
    "epub": "application/epub+zip",
}


class UnknownFormat(Unsupported):
    title = "The library reads TXT, Markdown, PDF and EPUB files"


class EmptyFile(Invalid):
    code = "empty_file"
    title = "The file is empty"


class UnreadableDocument(Invalid):
    """The file cannot be read; `code` says why.

    encrypted · corrupt · too_complex (time, memory) · too_large (inflated) · no_text
    """

    code = "unreadable"
    title = "The file cannot be read"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch of the text: characters `start` to `end` (excluded); the chapters of a
    document lie in order, without gaps, and cover all of it. `page` counts from 1."""

    title: str
    start: int
    end: int
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the file says of itself; whatever it does not say is None or empty."""

    title: str | None = None
    author: str | None = None
    language: str | None = None
    description: str | None = None
    isbn: str | None = None
    year_published: int | None = None
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """All the text of a file, free of NUL and lone surrogates, with `\\n` line ends.

    `language` is an ISO 639-1 code (from the file, else guessed from the text);
    `notes` are remarks for the librarian, such as `encoding_guessed`.
    """

    text: str
    chapters: tuple[Chapter, ...]
    words: int
    language: str | None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()


class TextExtractor(ABC):
    @abstractmethod
    def recognise(self, head: bytes, filename: str) -> str:
        """The media type of a file from its first bytes (64 KiB are enough), whatever it
        is called; the name only tells Markdown from plain text.

        Raises EmptyFile for no bytes, UnknownFormat for what cannot be read.
        """

    @abstractmethod
    async def extract(self, stream: AsyncIterator[bytes], media_type: str) -> Document:
        """Read the whole file. Raises UnreadableDocument, always within a stated time and
        memory, whatever the file does."""
