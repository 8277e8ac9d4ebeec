"""A manuscript as the bytes of a file, in each of the formats the library reads."""

import textwrap
from collections.abc import Callable, Mapping
from typing import Literal

from demo.epub import epub
from demo.manuscript import Manuscript, plain
from demo.pdf import pdf

Format = Literal["txt", "md", "epub", "pdf"]


def markdown(book: Manuscript) -> bytes:
    front = [
        f"title: {book.title}",
        f"author: {book.author}",
        f"language: {book.language}",
        f"date: {book.year}",
        f"description: {book.description}",
        f"tags: [{', '.join(book.tags)}]",
    ]
    parts = ["---", *front, "---", "", f"# {book.title}", ""]
    for chapter in book.chapters:
        parts += [f"## {chapter.title}", "", "\n\n".join(chapter.paragraphs), ""]
    return "\n".join(parts).encode()


def text(book: Manuscript) -> bytes:
    parts: list[str] = []
    for number, chapter in enumerate(book.chapters, start=1):
        parts.append(f"CHAPTER {number}. {chapter.title}")
        parts += [textwrap.fill(plain(paragraph), 72) for paragraph in chapter.paragraphs]
    return ("\n\n".join(parts) + "\n").encode()


PRESSES: Mapping[Format, Callable[[Manuscript], bytes]] = {
    "txt": text,
    "md": markdown,
    "epub": epub,
    "pdf": pdf,
}
