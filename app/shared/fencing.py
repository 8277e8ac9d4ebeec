"""The only way for untrusted text into a prompt: as data between marks it cannot forge.

The mark is a hash of the text itself, so a text cannot contain its own closing mark, and
the same text always renders the same prompt.
"""

import hashlib
import re
import unicodedata

_BLOCK = re.compile(
    r"<data:(?P<label>[a-z_]+) (?P<mark>[0-9a-f]{12})>\n"
    r"(?P<text>.*?)\n</data:(?P=label) (?P=mark)>",
    re.S,
)
_KEPT_CONTROLS = "\n\t"


def fence(label: str, text: str, *, limit: int | None = None) -> str:
    """The text as a data block: control, format and bidi characters removed, cut at
    `limit` characters. `label` is lower-case letters and underscores."""
    clean = "".join(c for c in text if c in _KEPT_CONTROLS or unicodedata.category(c)[0] != "C")
    clean = clean[:limit]
    mark = hashlib.sha256(clean.encode()).hexdigest()[:12]
    return f"<data:{label} {mark}>\n{clean}\n</data:{label} {mark}>"


def fenced_blocks(prompt: str) -> list[tuple[str, str]]:
    """(label, text) of every data block of a prompt, in order."""
    return [(found["label"], found["text"]) for found in _BLOCK.finditer(prompt)]
