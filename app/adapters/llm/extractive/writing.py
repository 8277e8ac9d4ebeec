"""One writer for each member an answer can have, fed from the data blocks of a prompt."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.adapters.llm.extractive.opinions import opinions_in
from app.adapters.llm.extractive.salience import ended, summary_of, weighed
from app.adapters.llm.extractive.subjects import names_in, themes_in
from app.ports.llm import CompletionRequest, StructureBroken
from app.shared.fencing import fenced_blocks

_WORD_LIMIT = re.compile(r"at most (\d{1,6}) words")
_STARS = re.compile(r"^Stars given by the reviewer: ([1-5])\b", re.M)
_ORDINAL = re.compile(r"^\s*\d+\s*[.:)]\s+")
_DATA = re.compile(r"<data:.*</data:[a-z_]+ [0-9a-f]{12}>", re.S)
_FRAME = frozenset({"book", "chapter", "part"})
_HOOK_LENGTHS = range(40, 201)

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: the data, the words outside it, and how many words back."""

    blocks: Sequence[tuple[str, str]]
    words_around: str
    limit: int

    def block(self, label: str) -> str:
        return "\n\n".join(text for name, text in self.blocks if name == label)

    @property
    def material(self) -> str:
        """What is to be summarised: the passage, or the parts, or whatever there is."""
        for label in ("passage", "parts"):
            if text := self.block(label).strip():
                return _paragraphs(text)
        others = [text for name, text in self.blocks if name not in _FRAME and text.strip()]
        around = "" if self.blocks else self.words_around
        return "\n\n".join(others) or around or self.block("book")

    @property
    def everything(self) -> str:
        return f"{self.material}\n\n{self.block('evidence')}"


def order_of(request: CompletionRequest) -> Order:
    """Read the request; a limit is believed only outside the data."""
    asked = "\n".join(m.content for m in request.messages if m.role == "user")
    around = _DATA.sub("\n", asked).strip()
    stated = _WORD_LIMIT.findall(around)
    limit = int(stated[-1]) if stated else max(20, request.max_output_tokens // 2)
    return Order(fenced_blocks(asked), around, max(1, limit))


def object_for(order: Order, schema: Schema) -> dict[str, Any]:
    """An object with every member of the schema this model can write; StructureBroken when
    a required one is not among them."""
    members: Schema = schema.get("properties", {})
    unknown = set(schema.get("required", ())) - set(_WRITERS)
    if unknown:
        raise StructureBroken(f"Without a language model nothing writes {sorted(unknown)}.")
    return {name: _WRITERS[name](order, members[name]) for name in members if name in _WRITERS}


def summary(order: Order, schema: Schema) -> str:
    most = schema.get("maxLength", 20_000)
    text = summary_of(order.material, words=order.limit, characters=most)
    if not text:
        raise StructureBroken("There is no text to summarise.")
    return text


def _hook(order: Order, schema: Schema) -> str:
    """A telling sentence of handy length from the first two thirds: nothing is given away."""
    most = schema.get("maxLength", 240)
    found = weighed(order.everything)
    early = found[: max(1, len(found) * 2 // 3)]
    handy = [s for s in early if len(s.text) in _HOOK_LENGTHS and len(s.text) < most]
    if handy:
        return ended(max(handy, key=lambda s: s.worth).text)
    return summary_of(order.everything, words=30, characters=most) or "…"


def _themes(order: Order, schema: Schema) -> list[str]:
    longest = schema.get("items", {}).get("maxLength", 60)
    return themes_in(order.everything, limit=schema.get("maxItems", 8), characters=longest)


def _characters(order: Order, schema: Schema) -> list[str]:
    longest = schema.get("items", {}).get("maxLength", 60)
    return names_in(order.everything, limit=schema.get("maxItems", 12), characters=longest)


def _opinions(order: Order, schema: Schema) -> list[dict[str, Any]]:
    stars = _STARS.search(order.words_around)
    members = schema["items"]["properties"]
    most = members["sentence"].get("maximum", 10_000)
    found = opinions_in(
        order.block("sentences"),
        stars=int(stars[1]) if stars else None,
        aspects=members["aspect"]["enum"],
    )
    return [o for o in found if 1 <= o["sentence"] <= most][: schema.get("maxItems", 24)]


def _consensus(order: Order, schema: Schema) -> str:
    """The facts as prose, as many whole ones as there is room for."""
    room = schema.get("maxLength", 900)
    text = ""
    for fact in filter(None, map(str.strip, order.block("facts").splitlines())):
        sentence = ended(fact.lstrip("-• "))
        if len(text) + len(sentence) < room:
            text = f"{text} {sentence}".strip()
    return text or summary(order, schema)


def _paragraphs(text: str) -> str:
    """Each line a paragraph of its own where lines are numbered summaries."""
    lines = text.splitlines()
    if not any(map(_ORDINAL.match, lines)):
        return text
    return "\n\n".join(_ORDINAL.sub("", line) for line in lines)


_WRITERS: Mapping[str, Callable[[Order, Schema], Any]] = {
    "summary": summary,
    "hook": _hook,
    "themes": _themes,
    "characters": _characters,
    "opinions": _opinions,
    "consensus": _consensus,
}
