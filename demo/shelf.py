"""The books the story is about: our own, or those of a folder."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.logbook import logbook
from demo.manuscript import Manuscript, chapters_of
from demo.printing import PRESSES, Format

SOURCES = Path(__file__).parent / "books"
_SUFFIXES = {".txt": "txt", ".md": "md", ".markdown": "md", ".epub": "epub", ".pdf": "pdf"}


@dataclass(frozen=True, slots=True)
class BookFile:
    """A file to bring to the library, and what is said of it; the rest the file says."""

    filename: str
    format: str
    size: int
    read: Callable[[], bytes]
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shelf:
    """`books` by size, the smallest first; `longest` comes last, when the plug is pulled."""

    books: list[BookFile]
    longest: BookFile | None


def sample_shelf() -> Shelf:
    entries = tomllib.loads((SOURCES / "manifest.toml").read_text("utf-8"))["book"]
    printed = [_printed(_manuscript(entry), entry["format"]) for entry in entries]
    return Shelf(_by_size(printed), _printed(logbook(), "epub"))


def shelf_in(folder: Path) -> Shelf:
    """All books below the folder; of three or more the longest is kept for later."""
    paths = [path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES]
    books = _by_size([_on_disk(path) for path in paths if path.is_file()])
    return Shelf(books[:-1], books[-1]) if len(books) > 2 else Shelf(books, None)


def _by_size(books: list[BookFile]) -> list[BookFile]:
    return sorted(books, key=lambda book: book.size)


def _on_disk(path: Path) -> BookFile:
    return BookFile(path.name, _SUFFIXES[path.suffix.lower()], path.stat().st_size, path.read_bytes)


def _manuscript(entry: dict[str, Any]) -> Manuscript:
    return Manuscript(
        title=entry["title"],
        author=entry["author"],
        language=entry["language"],
        year=entry["year"],
        description=entry["description"],
        genres=tuple(entry["genres"]),
        tags=tuple(entry["tags"]),
        chapters=chapters_of((SOURCES / entry["source"]).read_text("utf-8")),
    )


def _printed(book: Manuscript, kind: Format) -> BookFile:
    data = PRESSES[kind](book)
    name = f"{book.title.lower().replace(' ', '-').replace(',', '')}.{kind}"
    return BookFile(name, kind, len(data), lambda: data, _fields(book, kind))


def _fields(book: Manuscript, kind: Format) -> dict[str, str]:
    """What the file cannot say: no format says a genre, plain text says nothing at all."""
    shelved = {"genres": ", ".join(book.genres), "tags": ", ".join(book.tags)}
    if kind != "txt":
        return shelved
    said = {"title": book.title, "author": book.author, "description": book.description}
    return {**said, **shelved}
