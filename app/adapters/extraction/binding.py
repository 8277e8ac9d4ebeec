"""The last step for every format: the licence goes, chapters and language are settled."""

from dataclasses import fields

from app.adapters.extraction import gutenberg, headings
from app.adapters.extraction.chapters import divide
from app.adapters.extraction.language import count_words, language_code
from app.adapters.extraction.manuscript import Manuscript, shifted
from app.ports.text import Document, Metadata, UnreadableDocument


def bind(manuscript: Manuscript) -> Document:
    """The document, with a language only if the file names one.

    Raises UnreadableDocument (`no_text`) when there is nothing to read.
    """
    whole = manuscript.text
    start, end = _trimmed(whole, *gutenberg.body(whole))
    text = whole[start:end]
    words = count_words(text)
    if not words:
        raise UnreadableDocument("no_text", "There is no text in the file, only pictures or space.")
    metadata = complete(manuscript.metadata, gutenberg.fields(whole[:start]))
    pages = [max(0, page - start) for page in manuscript.pages]
    marks = shifted(manuscript.marks, start, end) or headings.find(text, loose=manuscript.loose)
    return Document(
        text=text,
        chapters=divide(text, marks, title=metadata.title, pages=pages),
        words=words,
        language=language_code(metadata.language),
        metadata=metadata,
        notes=tuple(manuscript.notes),
    )


def complete(first: Metadata, second: Metadata) -> Metadata:
    """What the first says, and where it is silent what the second says."""
    return Metadata(
        **{f.name: getattr(first, f.name) or getattr(second, f.name) for f in fields(Metadata)}
    )


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    body = text[start:end]
    return start + len(body) - len(body.lstrip()), end - len(body) + len(body.rstrip())
