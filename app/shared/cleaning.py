"""Characters no reader sees and no database takes."""

import re

_CONTROLS = {*range(32), *range(0x7F, 0xA0)} - {9, 10}
_INVISIBLE = {0x00AD, 0x200B, 0x2060, 0xFEFF, 0xFFFE, 0xFFFF}
_PLAIN = {0x0C: "\n", 0x85: "\n", 0xA0: " "}
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl"}
_TABLE = {**dict.fromkeys(_CONTROLS | _INVISIBLE), **_PLAIN, **_LIGATURES}
_SURROGATES = re.compile("[\ud800-\udfff]+")


def clean(text: str) -> str:
    """The text with `\\n` line ends, without control characters, lone surrogates, soft
    hyphens and other invisible marks; no-break spaces and printers' ligatures made plain."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATES.sub("", text).translate(_TABLE)


def one_line(text: str, most: int = 200) -> str:
    """The text as a title: one line, single spaces, at most so many characters."""
    line = " ".join(clean(text[: 20 * most]).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
