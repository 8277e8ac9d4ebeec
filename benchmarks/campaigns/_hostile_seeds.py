"""Sound files, written here, for mutations to begin with."""

import io
import random
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from pypdf import PdfReader, PdfWriter

from tests.contracts.extraction_samples import ENGLISH, GERMAN, chaptered, epub2, epub3, pdf


@dataclass(frozen=True, slots=True)
class Sample:
    """Bytes as somebody would send them, and how they were made."""

    made: str
    filename: str
    data: bytes


@cache
def sound_files() -> tuple[Sample, ...]:
    """A dozen small books in all formats; each of them is read whole."""
    return (
        Sample("plain text", "lamp.txt", chaptered().encode()),
        Sample("text in code page 1252", "lampe.txt", chaptered(body=GERMAN).encode("cp1252")),
        Sample("text in UTF-16", "lampe.txt", chaptered(body=GERMAN).encode("utf-16")),
        Sample("text of many scripts", "scripts.txt", _scripts().encode()),
        Sample("Markdown", "lamp.md", _markdown().encode()),
        Sample("EPUB 3", "lamp.epub", epub3()),
        Sample("EPUB 3 of many chapters", "saga.epub", epub3(_chapters(12))),
        Sample("EPUB 2", "old.epub", epub2()),
        Sample("PDF", "lamp.pdf", pdf([ENGLISH] * 3)),
        Sample("PDF with an outline", "parts.pdf", pdf([ENGLISH] * 5, outline={"A": 0, "B": 3})),
        Sample("PDF of packed streams", "packed.pdf", _packed(pdf([ENGLISH * 8] * 4))),
        Sample("PDF of object streams", "modern.pdf", modern_pdf(_MODERN)),
    )


_MODERN = {
    1: b"<</Type/Catalog/Pages 2 0 R>>",
    2: b"<</Type/Pages/Kids[4 0 R 5 0 R]/Count 2>>",
    3: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    4: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 6 0 R"
    b"/Resources<</Font<</F 3 0 R>>>>>>",
    5: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 6 0 R"
    b"/Resources<</Font<</F 3 0 R>>>>>>",
}


def modern_pdf(held: Mapping[int, bytes], *, extends: str = "") -> bytes:
    """A PDF 1.5: the objects lie packed in object 7, their places in the stream 8; object 6
    is the text of a page."""
    content = f"BT /F 10 Tf 40 780 Td ({ENGLISH})Tj ET".encode()
    numbers = b" ".join(b"%d %d" % pair for pair in zip(held, _places(held), strict=True)) + b" "
    packed = zlib.compress(numbers + b" ".join(held.values()))
    head = b"/Type/ObjStm/N %d/First %d/Filter/FlateDecode%s"
    out = bytearray(b"%PDF-1.5\n")
    rows = [b"\0" * 5 + b"\xff\xff"]
    rows += [b"\2" + (7).to_bytes(4) + index.to_bytes(2) for index in range(len(held))]
    for number, words, data in (
        (6, b"", content),
        (7, head % (len(held), len(numbers), extends.encode()), packed),
    ):
        rows.append(b"\1" + len(out).to_bytes(4) + b"\0\0")
        out += b"%d 0 obj\n%s" % (number, _stream(words, data))
    start = len(out)
    rows.append(b"\1" + start.to_bytes(4) + b"\0\0")
    words = b"/Type/XRef/W[1 4 2]/Size %d/Root 1 0 R" % len(rows)
    return bytes(out + b"8 0 obj\n" + _stream(words, b"".join(rows))) + (
        b"startxref\n%d\n%%%%EOF" % start
    )


def _places(held: Mapping[int, bytes]) -> list[int]:
    places = [0]
    for content in held.values():
        places.append(places[-1] + len(content) + 1)
    return places[:-1]


def _stream(words: bytes, data: bytes) -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream\nendobj\n" % (words, len(data), data)


def _chapters(count: int) -> dict[str, str]:
    return {f"Chapter {n}": f"<p id='p{n}'>{ENGLISH}</p>" * 6 for n in range(1, count + 1)}


def _markdown() -> str:
    body = f"{ENGLISH}\n\n* a lamp\n* a wick\n\n> {ENGLISH}\n\n```\nno text\n```\n"
    return "\n".join(f"# Part {n}\n\n## Lamp {n}\n\n{body}" for n in range(1, 4))


def _scripts() -> str:
    lines = ("Το φως του φάρου.", "Свет маяка.", "灯台の光。", "ضوء المنارة.", "🕯️ e\u0301 \u200fx")
    return "\n\n".join(random.Random(1).choices(lines, k=80))


def _packed(data: bytes) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    for page in writer.pages:
        page.compress_content_streams()
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
