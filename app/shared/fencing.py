"""The only way for untrusted text into a prompt: as data between marks it cannot forge.

A mark is a keyed hash of the text, and the key is drawn anew by each process: no author of a
text can know the mark it will stand behind, yet within a process the same text renders the
same prompt. What outlives the process (keys of stored answers, recorded prompts) uses what
went in, or `unmarked`.
"""

import hashlib
import hmac
import re
import secrets
import unicodedata

_KEY = secrets.token_bytes(16)
_BLOCK = re.compile(
    r"<data:(?P<label>[a-z_]+) (?P<mark>[0-9a-f]{12})>\n"
    r"(?P<text>.*?)\n</data:(?P=label) (?P=mark)>",
    re.S,
)
_KEPT_CONTROLS = "\n\t"
_NO_MARK = "0" * 12


class Fenced(str):
    """Text that is fenced already."""

    __slots__ = ()


def fence(label: str, text: str, *, limit: int | None = None) -> Fenced:
    """The text as a data block: control, format and bidi characters removed, cut at
    `limit` characters. `label` is lower-case letters and underscores."""
    clean = "".join(c for c in text if c in _KEPT_CONTROLS or unicodedata.category(c)[0] != "C")
    clean = clean[:limit]
    mark = hmac.new(_KEY, clean.encode(), hashlib.sha256).hexdigest()[:12]
    return Fenced(f"<data:{label} {mark}>\n{clean}\n</data:{label} {mark}>")


def fenced_blocks(prompt: str) -> list[tuple[str, str]]:
    """(label, text) of every data block of a prompt, in order."""
    return [(found["label"], found["text"]) for found in _BLOCK.finditer(prompt)]


def unmarked(prompt: str) -> str:
    """The prompt with every mark made zeros: the same in every process, for comparison only."""
    return _BLOCK.sub(_without_mark, prompt)


def _without_mark(found: re.Match[str]) -> str:
    label = found["label"]
    return f"<data:{label} {_NO_MARK}>\n{found['text']}\n</data:{label} {_NO_MARK}>"
