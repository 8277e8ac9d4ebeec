"""How a child answers: a sign of life, then the length of a JSON header, the header, and
the text in UTF-8."""

import json
from dataclasses import asdict
from typing import Any

from app.ports.text import Chapter, Document, Metadata, UnreadableDocument

ALIVE = b"LUMINA1\n"
HEADER_LIMIT = 32 * 2**20
_LENGTH = 8


def encode_document(document: Document) -> bytes:
    header = asdict(document)
    text = header.pop("text")
    return _framed(header) + str(text).encode()


def encode_failure(failure: UnreadableDocument) -> bytes:
    return _framed({"failure": [failure.reason, failure.detail]})


def decode(answer: bytes | bytearray) -> Document:
    """The document, or the UnreadableDocument the child reports; a garbled answer is
    `too_complex`, for a child only garbles it by dying on the way."""
    try:
        body = _LENGTH + int.from_bytes(answer[:_LENGTH])
        header = json.loads(answer[_LENGTH:body])
        if "failure" not in header:
            return _document(header, str(memoryview(answer)[body:], "utf-8"))
        reason, detail = map(str, header["failure"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise died() from error
    raise UnreadableDocument(reason, detail)


def died() -> UnreadableDocument:
    return UnreadableDocument(
        "too_complex", "Reading the file takes more time or memory than a book may have."
    )


def _framed(header: dict[str, Any]) -> bytes:
    body = json.dumps(header).encode()
    return len(body).to_bytes(_LENGTH) + body


def _document(header: dict[str, Any], text: str) -> Document:
    chapters = tuple(Chapter(**chapter) for chapter in header.pop("chapters"))
    said = header.pop("metadata")
    metadata = Metadata(**{**said, "subjects": tuple(said["subjects"])})
    notes = tuple(header.pop("notes"))
    _check(chapters, len(text))
    return Document(text=text, chapters=chapters, metadata=metadata, notes=notes, **header)


def _check(chapters: tuple[Chapter, ...], length: int) -> None:
    ends = [0, *(chapter.end for chapter in chapters)]
    starts = [*(chapter.start for chapter in chapters), length]
    if ends != starts:
        raise ValueError("the chapters do not cover the text")
