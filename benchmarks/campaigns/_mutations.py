"""Ways to spoil a file: any bytes, the fields of its format, and what is packed inside."""

import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping

Spoiling = Callable[[random.Random, bytes], bytes]

_NUMBERS = ("0", "1", "-1", "7", "255", "65536", "2147483647", "4294967296", "9" * 40, "1e308")
_PDF_NUMBER = re.compile(rb"(?<![\w.])\d{1,10}(?![\w.])")
_PDF_NAME = re.compile(rb"/[A-Za-z]{2,20}")
_PDF_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_MARK = re.compile(rb"<[^<>]{1,200}>")
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
# Offsets and sizes of the fields of a ZIP's headers.
_FIELDS: Mapping[bytes, tuple[tuple[int, int], ...]] = {
    _LOCAL: ((4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
    _CENTRAL: ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4)),
    _END: ((4, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
}


def flipped(dice: random.Random, data: bytes) -> bytes:
    """Some bits are others."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 2, 8, 64, 512))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(dice: random.Random, data: bytes) -> bytes:
    """The end is missing, or the beginning."""
    place = dice.randrange(len(data))
    return data[:place] if dice.random() < 0.8 else data[place:]


def overwritten(dice: random.Random, data: bytes) -> bytes:
    """A stretch is noise, or one byte again and again."""
    start, size = dice.randrange(len(data)), dice.choice((1, 4, 16, 256, 4096))
    noise = dice.randbytes(size) if dice.random() < 0.5 else bytes([dice.randrange(256)]) * size
    return data[:start] + noise + data[start + size :]


def repeated(dice: random.Random, data: bytes) -> bytes:
    """A stretch comes many times, or not at all."""
    start = dice.randrange(len(data))
    stretch = data[start : start + dice.choice((8, 64, 1024))]
    return data[:start] + stretch * dice.choice((0, 2, 50, 1000)) + data[start + len(stretch) :]


def spliced(dice: random.Random, data: bytes, other: bytes) -> bytes:
    """The beginning of one file, the end of another."""
    return data[: dice.randrange(len(data))] + other[dice.randrange(len(other)) :]


def zip_fields_changed(dice: random.Random, data: bytes) -> bytes:
    """Headers that say something else than what is there."""
    changed = bytearray(data)
    places = [(mark, found.start()) for mark in _FIELDS for found in re.finditer(mark, data)]
    for mark, place in dice.choices(places, k=dice.randint(1, 6)) if places else ():
        offset, size = dice.choice(_FIELDS[mark])
        value = dice.choice((0, 1, 99, 2 ** (8 * size) - 1, dice.randrange(2 ** (8 * size))))
        start = place + offset
        changed[start : start + size] = struct.pack("<I", value)[:size][: len(changed) - start]
    return bytes(changed)


def members_changed(dice: random.Random, data: bytes) -> bytes:
    """A sound archive around spoiled members."""
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
            spoiled = set(dice.choices(old.namelist()[1:], k=dice.randint(1, 3)))
            for name in old.namelist():
                content = old.read(name)
                packed = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
                new.writestr(name, _content_changed(dice, content, name in spoiled), packed)
    except Exception:
        # Another spoiling was here before, and there is no end to what zipfile says of it.
        return flipped(dice, data)
    return out.getvalue()


def _content_changed(dice: random.Random, content: bytes, really: bool) -> bytes:
    if not (really and content):
        return content
    return dice.choice((flipped, cut, repeated, marks_moved))(dice, content)


def marks_moved(dice: random.Random, data: bytes) -> bytes:
    """Markup with its tags in another order, doubled or dropped."""
    marks = _MARK.findall(data)
    if not marks:
        return data
    odds = dice.random() / 2

    def other(found: re.Match[bytes]) -> bytes:
        if dice.random() > odds:
            return found[0]
        return dice.choice((dice.choice(marks), found[0] * 3, b"", b"&%s;" % found[0][1:5]))

    return _MARK.sub(other, data)


def pdf_numbers_changed(dice: random.Random, data: bytes) -> bytes:
    """Lengths, references and counts that are wrong; references into a circle among them."""
    odds = dice.choice((0.005, 0.05, 0.3))

    def other(found: re.Match[bytes]) -> bytes:
        if dice.random() > odds:
            return found[0]
        return dice.choice((*_NUMBERS, str(dice.randint(1, 12)))).encode()

    return _PDF_NUMBER.sub(other, data)


def pdf_names_changed(dice: random.Random, data: bytes) -> bytes:
    """One name of the format for another."""
    names = [*_PDF_NAME.findall(data), b"/Kids", b"/Parent", b"/Prev", b"/Extends", b"/Filter"]
    odds = dice.choice((0.01, 0.1))
    return _PDF_NAME.sub(lambda f: dice.choice(names) if dice.random() < odds else f[0], data)


def pdf_streams_changed(dice: random.Random, data: bytes) -> bytes:
    """What is packed in the streams is spoiled and packed again, so that it unpacks."""

    def other(found: re.Match[bytes]) -> bytes:
        try:
            content = zlib.decompress(found[1])
        except zlib.error:
            return found[0]
        spoiled = dice.choice((flipped, repeated, cut, overwritten))(dice, content or b" ")
        return b"stream\n" + zlib.compress(spoiled) + b"\nendstream"

    return _PDF_STREAM.sub(other, data)


ANYWHERE: tuple[Spoiling, ...] = (flipped, cut, overwritten, repeated)
IN_EPUBS: tuple[Spoiling, ...] = (zip_fields_changed, members_changed, members_changed)
IN_PDFS: tuple[Spoiling, ...] = (pdf_numbers_changed, pdf_names_changed, pdf_streams_changed)


def spoilings_of(filename: str) -> tuple[Spoiling, ...]:
    """What may be done to a file of this name."""
    inside = {"epub": IN_EPUBS, "pdf": IN_PDFS}.get(filename.rpartition(".")[2], ())
    return (*ANYWHERE, *inside, *inside)
