"""The questions this room asks a model: one function a prompt file, its only reader."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from app.ports.llm import CompletionRequest, Message
from app.shared.prompt_file import Prompt, read_prompt

MOST_SENTENCES = 400
OTHER = "other"
OVERALL = "overall"
_LONGEST_SENTENCE = 300


def read_review_prompt(*, sentences: Sequence[str]) -> CompletionRequest:
    """Which sentence says what about which aspect; sentences count from 1."""
    lines = [f"{n}: {_line(text)}" for n, text in enumerate(sentences[:MOST_SENTENCES], start=1)]
    return _request("read_review", sentences="\n".join(lines))


def tell_consensus_prompt(
    *,
    facts: Sequence[str],
    voices: Sequence[str],
    aspects: Sequence[str],
    language: str,
    remarks: Sequence[str] = (),
    attempt: int = 0,
) -> CompletionRequest:
    """What readers think of these aspects, in words, from counted facts and a few of their
    sentences; `remarks`: what was wrong with the answer to the attempt before."""
    schema = _prompt("tell_consensus").output_schema or {}
    schema = _only_about(schema, [OVERALL, *aspects], most=len(facts))
    return _request(
        "tell_consensus",
        schema=schema,
        attempt=attempt,
        facts="\n".join(facts),
        voices="\n".join(map(_line, voices)),
        language=language,
        remarks=_remark(remarks),
    )


def read_review_reference() -> str:
    return _prompt("read_review").reference


@cache
def _prompt(name: str) -> Prompt:
    return read_prompt(Path(__file__).with_name(f"{name}.md"))


def _request(
    name: str, schema: Mapping[str, Any] | None = None, attempt: int = 0, **values: str
) -> CompletionRequest:
    prompt = _prompt(name)
    system, user = prompt.render(**values)
    return CompletionRequest(
        messages=[Message("system", system), Message("user", user)],
        task=prompt.name,
        prompt=prompt.reference,
        output_schema=schema or prompt.output_schema,
        max_output_tokens=prompt.max_output_tokens,
        temperature=prompt.params["temperature"],
        seed=prompt.params["seed"] + attempt,
    )


def _only_about(schema: Mapping[str, Any], names: Sequence[str], *, most: int) -> Mapping[str, Any]:
    """The same structure, but for these aspects and so many sentences only: what there is to
    tell is known by now, and a small model that may go on goes round in circles."""
    items = schema["properties"]["sentences"]["items"]
    about = {**items["properties"]["aspect"], "enum": list(names)}
    narrowed = {**items, "properties": {**items["properties"], "aspect": about}}
    listed = schema["properties"]["sentences"]
    sentences = {**listed, "items": narrowed, "maxItems": min(most, listed["maxItems"])}
    return {**schema, "properties": {"sentences": sentences}}


def _remark(remarks: Sequence[str]) -> str:
    return f"Mind what was wrong before: {'; '.join(remarks)[:300]}." if remarks else ""


def _line(text: str) -> str:
    """One line, so that nobody's text can number or label lines of its own."""
    return " ".join(text.split())[:_LONGEST_SENTENCE]
