"""One writer for each member an answer can have, fed from the data blocks of a prompt."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from app.adapters.llm.extractive.contents import warnings_in
from app.adapters.llm.extractive.coverage import summary_of
from app.adapters.llm.extractive.opinions import opinions_in
from app.adapters.llm.extractive.order import Order, Part
from app.adapters.llm.extractive.reading import ended
from app.adapters.llm.extractive.salience import Text, worths
from app.adapters.llm.extractive.subjects import names_in, themes_in
from app.ports.llm import StructureBroken
from app.shared.sentences import sentences

_HOOK_LENGTHS = range(40, 201)
_FACT = re.compile(r"^(.+?) \((positive|negative|mixed)\): (.+)$")
_SOURCES = ("support", "parts", "part", "evidence", "source", "sources")

Schema = Mapping[str, Any]


def object_for(order: Order, schema: Schema) -> dict[str, Any]:
    """An object with every member of the schema this model can write; StructureBroken when
    a required one is not among them."""
    members: Schema = schema.get("properties", {})
    unknown = set(schema.get("required", ())) - set(_WRITERS)
    if unknown:
        raise StructureBroken(f"Without a language model nothing writes {sorted(unknown)}.")
    return {name: _WRITERS[name](order, members[name]) for name in members if name in _WRITERS}


def summary(order: Order, schema: Schema) -> str:
    return _told(order.material, order, schema)


def _blurb(order: Order, schema: Schema) -> str:
    return _told(order.beginning, order, schema)


def _told(text: str, order: Order, schema: Schema) -> str:
    told = summary_of(text, words=order.limit, characters=schema.get("maxLength", 20_000))
    if not told:
        raise StructureBroken("There is no text to summarise.")
    return told


def _hook(order: Order, schema: Schema) -> str:
    """The worthiest sentence of handy length that gives the end not away."""
    most = schema.get("maxLength", 240)
    read = Text.of(order.beginning)
    handy = [
        (worth, sentence.text)
        for sentence, worth in zip(read.sentences, worths(read), strict=True)
        if len(sentence.text) in _HOOK_LENGTHS and len(sentence.text) < most
    ]
    if handy:
        return ended(max(handy, key=lambda found: found[0])[1])
    return summary_of(order.everything, words=30, characters=most) or "…"


def _themes(order: Order, schema: Schema) -> list[str]:
    longest = schema.get("items", {}).get("maxLength", 60)
    return themes_in(order.everything, limit=schema.get("maxItems", 8), characters=longest)


def _characters(order: Order, schema: Schema) -> list[str]:
    longest = schema.get("items", {}).get("maxLength", 60)
    return names_in(order.everything, limit=schema.get("maxItems", 12), characters=longest)


def _warnings(order: Order, schema: Schema) -> list[str]:
    """Of those that may be given, where a list says which."""
    allowed = schema.get("items", {}).get("enum")
    found = [w for w in warnings_in(order.everything) if allowed is None or w in allowed]
    return found[: schema.get("maxItems", len(found))]


def _opinions(order: Order, schema: Schema) -> list[dict[str, Any]]:
    members = schema["items"]["properties"]
    most = members["sentence"].get("maximum", 10_000)
    found = opinions_in(
        order.block("sentences"), stars=order.stars, aspects=members["aspect"]["enum"]
    )
    return [o for o in found if 1 <= o["sentence"] <= most][: schema.get("maxItems", 24)]


def _sentences(order: Order, schema: Schema) -> list[dict[str, Any]]:
    """Sentences that say what they are about, or which parts they were taken from."""
    members = schema["items"]["properties"]
    write = _views if "aspect" in members else _traced
    return list(write(order, members))[: schema.get("maxItems", 400)]


def _views(order: Order, members: Schema) -> Iterator[dict[str, Any]]:
    for line in order.block("facts").splitlines():
        if (fact := _FACT.match(line)) and fact[1] in members["aspect"]["enum"]:
            text = f"{fact[3][:1].upper()}{fact[3][1:]}."
            yield {"aspect": fact[1], "stance": fact[2], "text": text}


def _traced(order: Order, members: Schema) -> Iterator[dict[str, Any]]:
    most = members["text"].get("maxLength", 20_000)
    known = [name for name in _SOURCES if name in members]
    for sentence in sentences(summary(order, {})):
        if len(sentence) <= most:
            numbers = _taken_from(sentence, order.parts)
            yield {"text": sentence} | {n: _numbers(numbers, members[n]) for n in known}


def _numbers(numbers: Sequence[int], schema: Schema) -> Any:
    if schema.get("type") != "array":
        return numbers[0] if numbers else None
    allowed = schema.get("items", {}).get("enum", numbers)
    return [number for number in numbers if number in allowed]


def _taken_from(sentence: str, parts: Sequence[Part]) -> list[int]:
    """The numbers of the parts that have the sentence word for word."""
    words = sentence.rstrip(".").split()
    return [
        part.number
        for part in parts
        if part.number is not None and " ".join(words) in " ".join(part.text.split())
    ]


_WRITERS: Mapping[str, Callable[[Order, Schema], Any]] = {
    "summary": summary,
    "synopsis": summary,
    "blurb": _blurb,
    "hook": _hook,
    "themes": _themes,
    "characters": _characters,
    "content_warnings": _warnings,
    "sentences": _sentences,
    "opinions": _opinions,
}
