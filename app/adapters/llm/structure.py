"""Answers with a structure: decoding them, and the part of JSON Schema our prompts use.

Objects, arrays, strings, numbers, `required`, `additionalProperties: false`, `enum` and the
limits on length and size; flat schemas only, because models fail on deep ones.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from app.ports.llm import StructureBroken
from app.shared.cleaning import clean

Schema = Mapping[str, Any]

_KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


class AnswerBroken(StructureBroken):
    """StructureBroken that still knows the answer and what is wrong with it."""

    def __init__(self, complaint: str, *, answer: str) -> None:
        super().__init__(f"The model's answer is not what was asked for: {complaint}.")
        self.complaint = complaint
        self.answer = answer


def parse_answer(text: str, schema: Schema) -> dict[str, Any]:
    """The JSON object in the answer, satisfying the schema; raises AnswerBroken.

    What is only too long (a string, a list) is shortened, not refused.
    """
    value = trimmed(_decoded(text), schema)
    for complaint in complaints(value, schema):
        raise AnswerBroken(complaint, answer=text)
    if not isinstance(value, dict):
        raise AnswerBroken("it is not a JSON object", answer=text)
    return value


def complaints(value: Any, schema: Schema, place: str = "the answer") -> Iterator[str]:
    """What the schema has against the value, in words for the model; nothing when it fits."""
    kind = schema.get("type")
    if kind and not _is_a(value, kind):
        yield f"{place} must be of type {kind}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{place} must be one of {', '.join(map(str, schema['enum']))}"
    elif isinstance(value, dict):
        yield from _object_complaints(value, schema, place)
    elif isinstance(value, list):
        yield from _size_complaints(len(value), schema, "Items", place)
        for index, item in enumerate(value):
            yield from complaints(item, schema.get("items", {}), f"{place}[{index}]")
    elif isinstance(value, str):
        yield from _size_complaints(len(value), schema, "Length", place)
    elif isinstance(value, int | float):
        yield from _range_complaints(value, schema, place)


def trimmed(value: Any, schema: Schema) -> Any:
    """The value with over-long strings and lists shortened to what the schema allows, and
    without the characters that no database takes."""
    if isinstance(value, str) and "enum" not in schema:
        value = clean(value)
        return _shortened(value.strip(), schema.get("maxLength", len(value)))
    if isinstance(value, list):
        kept = value[: schema.get("maxItems", len(value))]
        return [trimmed(item, schema.get("items", {})) for item in kept]
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        return {name: trimmed(part, parts.get(name, {})) for name, part in value.items()}
    return value


def _decoded(text: str) -> Any:
    """Models like to wrap JSON in prose or in a code block: take the outermost braces."""
    start, end = text.find("{"), text.rfind("}")
    try:
        return json.loads(text[start : end + 1] if 0 <= start < end else text)
    except (ValueError, RecursionError) as error:
        raise AnswerBroken("it is not JSON", answer=text) from error


def _is_a(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _KINDS[kind])


def _object_complaints(value: Mapping[str, Any], schema: Schema, place: str) -> Iterator[str]:
    parts = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place} lacks '{name}'"
    for name, part in value.items():
        if name in parts:
            yield from complaints(part, parts[name], f"'{name}'")
        elif schema.get("additionalProperties") is False:
            yield f"{place} may not have {json.dumps(name)[:60]}"


def _size_complaints(size: int, schema: Schema, what: str, place: str) -> Iterator[str]:
    if size < schema.get(f"min{what}", 0):
        yield f"{place} is too short"
    if size > schema.get(f"max{what}", size):
        yield f"{place} is too long"


def _range_complaints(value: float, schema: Schema, place: str) -> Iterator[str]:
    if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{place} must lie between {schema.get('minimum')} and {schema.get('maximum')}"


def _shortened(text: str, limit: int) -> str:
    """Cut behind the last sentence that fits, else behind the last word."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    stop = max(cut.rfind(mark) for mark in (". ", "! ", "? ", "。"))
    if stop > limit // 2:
        return cut[: stop + 1]
    return (cut[: cut.rfind(" ")] if " " in cut[limit // 2 :] else cut).rstrip() + "…"
