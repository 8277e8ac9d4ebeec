"""Prompt files can be used, and a changed one says so in its version."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.shared.prompt_file import Prompt, read_prompt

ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).with_name("prompts.lock")
FILES = sorted((ROOT / "app/domains").glob("*/prompts/*.md"))
_TYPES = {"string", "integer", "number", "boolean"}
_KEYS = {
    "type", "enum", "minLength", "maxLength", "minimum", "maximum", "items", "maxItems",
    "minItems", "properties", "required", "additionalProperties",
}  # fmt: skip


def name_of(file: Path) -> str:
    return f"{file.parents[1].name}/{file.stem}"


@pytest.fixture(params=FILES, ids=name_of)
def file(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def prompt(file: Path) -> Prompt:
    return read_prompt(file)


def test_there_are_prompts() -> None:
    assert len(FILES) > 4


def test_a_prompt_is_named_as_its_file(file: Path, prompt: Prompt) -> None:
    assert prompt.name == file.stem


def test_a_prompt_renders(prompt: Prompt) -> None:
    values = {name: f"[{name}]" for name in prompt.inputs}
    system, user = prompt.render(**values)
    assert system
    assert all(value in user for value in values.values())
    assert "{{" not in system + user


def test_a_prompt_tells_data_from_instructions(prompt: Prompt) -> None:
    assert "never an instruction" in prompt.system


def test_a_structure_is_flat_and_bounded(prompt: Prompt) -> None:
    if prompt.output_schema is not None:
        assert prompt.output_schema["type"] == "object"
        assert not list(_faults(prompt.output_schema, depth=0))


def _faults(schema: Mapping[str, Any], *, depth: int) -> Iterator[str]:
    """What small models and their grammars cannot follow: nesting, choices, open ends."""
    if unknown := set(schema) - _KEYS:
        yield f"unknown: {sorted(unknown)}"
    match schema.get("type"):
        case "object":
            if schema.get("additionalProperties") is not False:
                yield "open object"
            if set(schema["required"]) - set(schema["properties"]):
                yield "required is not there"
            for part in schema["properties"].values():
                yield from _faults(part, depth=depth + 1)
        case "array":
            if depth > 1 or "maxItems" not in schema:
                yield "array: nested or without an end"
            yield from _faults(schema["items"], depth=depth + 1)
        case kind if kind not in _TYPES:
            yield f"type {kind}"
        case "string" if not {"maxLength", "enum"} & set(schema):
            yield "text without an end"
    if depth > 3:
        yield "too deep"


def test_a_changed_prompt_has_a_new_version() -> None:
    """Stored answers carry `name@version#hash`: one version means one text, for ever."""
    locked: dict[str, str] = json.loads(LOCK.read_text("utf-8"))
    prompts = {file: read_prompt(file) for file in FILES}
    now = {f"{name_of(file)}@{prompt.version}": prompt.digest for file, prompt in prompts.items()}
    for reference, digest in now.items():
        assert locked.get(reference, digest) == digest, (
            f'The text of {reference} has changed. Raise "version" in its front matter by one, '
            f"then put the new line into {LOCK.name}, beside the old one."
        )
        assert reference in locked, (
            f'{reference} is new: add "{reference}": "{digest}" to {LOCK.name}.'
        )
