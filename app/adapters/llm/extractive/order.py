"""What is asked for: read from the prompt, whose data blocks hold what there is to go by."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.ports.llm import CompletionRequest
from app.shared.fencing import fenced_blocks

_WORD_LIMIT = re.compile(r"at most (\d{1,6}) words")
_STARS = re.compile(r"^Stars given by the reviewer: ([1-5])\b", re.M)
_NUMBERED = re.compile(r"^\s*(?:\[(\d+)\]|(\d+)\s*[.:)])\s+")
_DATA = re.compile(r"<data:.*</data:[a-z_]+ [0-9a-f]{12}>", re.S)
_FRAME = frozenset({"book", "chapter", "part"})


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the material by its number; None where parts are not numbered."""

    number: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Order:
    """The data, the words outside it, and how many words are wanted back."""

    blocks: Sequence[tuple[str, str]]
    words_around: str
    limit: int

    @classmethod
    def of(cls, request: CompletionRequest) -> "Order":
        """Read the request; a limit is believed only outside the data."""
        asked = "\n".join(m.content for m in request.messages if m.role == "user")
        around = _DATA.sub("\n", asked).strip()
        stated = _WORD_LIMIT.findall(around)
        limit = int(stated[-1]) if stated else max(20, request.max_output_tokens // 2)
        return cls(fenced_blocks(asked), around, max(1, limit))

    def block(self, label: str) -> str:
        return "\n\n".join(text for name, text in self.blocks if name == label)

    @property
    def stars(self) -> int | None:
        found = _STARS.search(self.words_around)
        return int(found[1]) if found else None

    @property
    def parts(self) -> list[Part]:
        """The material in the order of the book."""
        return _parts(self._material)

    @property
    def material(self) -> str:
        """What is to be summarised, without numbers."""
        return _joined(self.parts)

    @property
    def everything(self) -> str:
        """With the sentences quoted from the book."""
        return _joined([*self.parts, *_parts(self.block("evidence"))])

    @property
    def beginning(self) -> str:
        """The first two thirds of the material: what may be told to who has not read it."""
        parts = self.parts
        if len(parts) > 1:
            return _joined(parts[: -(-2 * len(parts) // 3)])
        return self.material[: -(-2 * len(self.material) // 3)]

    @property
    def _material(self) -> str:
        """The passage, or the parts, or whatever there is."""
        for label in ("passage", "parts"):
            if text := self.block(label).strip():
                return text
        others = [text for name, text in self.blocks if name not in _FRAME and text.strip()]
        around = "" if self.blocks else self.words_around
        return "\n\n".join(others) or around or self.block("book")


def _parts(text: str) -> list[Part]:
    """Each numbered line begins a part; a text without any is one."""
    lines = text.splitlines()
    if not any(map(_NUMBERED.match, lines)):
        return [Part(None, text)] if text.strip() else []
    parts: list[Part] = []
    for line in lines:
        if found := _NUMBERED.match(line):
            parts.append(Part(int(found[1] or found[2]), line[found.end() :]))
        elif parts:
            parts[-1] = Part(parts[-1].number, f"{parts[-1].text}\n{line}")
        else:
            parts.append(Part(None, line))
    return parts


def _joined(parts: Sequence[Part]) -> str:
    return "\n\n".join(part.text.strip("\n") for part in parts)
