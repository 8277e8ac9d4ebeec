"""The prompt files of all rooms: whether they are sound, what they render, what changed."""

import difflib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Column, func, select

from app.adapters.llm.structure import complaints
from app.adapters.llm.tokens import TokenEstimate, estimate_tokens
from app.adapters.postgres.engine import open_engine
from app.adapters.postgres.tables.base import metadata
from app.bootstrap.library import database_of
from app.bootstrap.settings import Settings
from app.ports.llm import Message
from app.shared.errors import Invalid, NotFound
from app.shared.fencing import unmarked
from app.shared.prompt_file import BrokenPrompt, Prompt, parse_prompt, read_prompt

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "tests/architecture/prompts.lock"

_TYPES = {"string", "integer", "number", "boolean"}
_KEYWORDS = {
    "type", "enum", "minLength", "maxLength", "minimum", "maximum", "items", "maxItems",
    "minItems", "properties", "required", "additionalProperties",
}  # fmt: skip
_REFERENCES = {"prompt", "read_with"}


class NoSuchPrompt(NotFound):
    title = "There is no such prompt"


class PromptUnusable(Invalid):
    title = "The prompt cannot be used so"


def prompt_files(root: Path = ROOT) -> dict[str, Path]:
    """`room/name` and its file, of all rooms."""
    files = sorted((root / "app/domains").glob("*/prompts/*.md"))
    return {f"{file.parents[1].name}/{file.stem}": file for file in files}


def faults(root: Path = ROOT, lock: Path = LOCK) -> Iterator[str]:
    """What is wrong with the prompt files and their lock, a sentence each."""
    if not lock.exists():
        yield f"There is no lock at {lock}: prompts are checked where the sources are."
        return
    locked: dict[str, str] = json.loads(lock.read_text("utf-8"))
    for name, file in prompt_files(root).items():
        try:
            prompt = read_prompt(file)
        except BrokenPrompt as broken:
            yield str(broken)
            continue
        for fault in (*_of_the_head(prompt, file), *_of_the_budget(prompt), *_of_structure(prompt)):
            yield f"{name}: {fault}."
        yield from _of_the_lock(name, prompt, locked, lock.name)


def rendered(name: str, values: Mapping[str, str], *, sample: bool) -> str:
    """The prompt as a model sees it, marks of data blocks as zeros; `sample`: inputs that
    are not given are those of the front matter. Raises NoSuchPrompt, PromptUnusable."""
    prompt = read_prompt(_file_of(name))
    given = {**(prompt.samples if sample else {}), **values}
    try:
        system, user = prompt.render(**given)
    except BrokenPrompt as broken:
        raise PromptUnusable(str(broken)) from broken
    return f"## system\n{system}\n## user\n{unmarked(user)}\n"


def difference(name: str, against: str) -> str:
    """How the file differs from another one or from its state in a commit, and whether that
    is another prompt for a model. Raises NoSuchPrompt, PromptUnusable."""
    file = _file_of(name)
    now, before = file.read_text("utf-8"), _text_in(against, file)
    lines = difflib.unified_diff(
        before.splitlines(), now.splitlines(), against, file.name, lineterm=""
    )
    return "\n".join([*lines, _verdict(before, now)])


async def stored_answers(settings: Settings, name: str) -> dict[str, int]:
    """How many stored answers carry which reference (`name@version#hash`) of the prompt."""
    found: dict[str, int] = {}
    async with database_of(settings) as url:
        engine = open_engine(url, pool_size=1)
        try:
            async with engine.connect() as connection:
                for column in _references():
                    counted = select(column, func.count()).where(column.like(f"{_short(name)}@%"))
                    for reference, count in await connection.execute(counted.group_by(column)):
                        found[reference] = found.get(reference, 0) + count
        finally:
            await engine.dispose()
    return found


def reference_of(name: str) -> str:
    return read_prompt(_file_of(name)).reference


def fullest(prompt: Prompt) -> dict[str, str]:
    """Every input at its limit."""
    return {
        name: ("data " * ((each.limit or 0) // 5 + 1))[: each.limit] if each.limit else each.sample
        for name, each in prompt.inputs.items()
    }


def _of_the_head(prompt: Prompt, file: Path) -> Iterator[str]:
    if prompt.name != file.stem:
        yield f"its id is {prompt.name}"
    if not prompt.purpose:
        yield "it does not say what it is for"
    if str(prompt.version) not in prompt.changelog:
        yield f"the changelog does not say what version {prompt.version} is about"
    for name, each in prompt.inputs.items():
        if each.untrusted and not each.limit:
            yield f"untrusted {name} has no limit"
    if "never an instruction" not in prompt.system:
        yield "the system part does not tell data from instructions"
    system, user = prompt.render(**prompt.samples)
    if "{{" in system + user:
        yield "a placeholder is left over"


def _of_the_budget(prompt: Prompt) -> Iterator[str]:
    system, user = prompt.render(**fullest(prompt))
    most = TokenEstimate().of([Message("system", system), Message("user", user)])
    if most > prompt.max_input_tokens:
        yield f"with full inputs it takes {most} tokens of a budget of {prompt.max_input_tokens}"
    answer = estimate_tokens(json.dumps(prompt.example or {}, ensure_ascii=False))
    if answer > prompt.max_output_tokens:
        yield f"its example takes {answer} tokens, its answers may take {prompt.max_output_tokens}"


def _of_structure(prompt: Prompt) -> Iterator[str]:
    if prompt.output_schema is None:
        return
    yield from _of_schema(prompt.output_schema, depth=0)
    if prompt.example is None:
        yield "it shows no example of an answer"
        return
    yield from complaints(prompt.example, prompt.output_schema, "the example")


def _of_schema(schema: Mapping[str, Any], *, depth: int) -> Iterator[str]:
    """What small models and their grammars cannot follow: nesting, choices, open ends."""
    if unknown := set(schema) - _KEYWORDS:
        yield f"the structure uses {sorted(unknown)}"
    match schema.get("type"):
        case "object":
            yield from _of_object(schema, depth=depth)
        case "array":
            if depth > 1 or "maxItems" not in schema:
                yield "a list of the structure is nested or has no end"
            yield from _of_schema(schema["items"], depth=depth + 1)
        case kind if kind not in _TYPES:
            yield f"the structure has the type {kind}"
        case "string" if not {"maxLength", "enum"} & set(schema):
            yield "a text of the structure has no end"
    if depth > 3:
        yield "the structure is too deep"


def _of_object(schema: Mapping[str, Any], *, depth: int) -> Iterator[str]:
    if schema.get("additionalProperties") is not False:
        yield "an object of the structure is open"
    if set(schema["required"]) - set(schema["properties"]):
        yield "the structure requires what it does not have"
    for part in schema["properties"].values():
        yield from _of_schema(part, depth=depth + 1)


def _of_the_lock(name: str, prompt: Prompt, locked: Mapping[str, str], lock: str) -> Iterator[str]:
    reference = f"{name}@{prompt.version}"
    if reference not in locked:
        yield f'{reference} is new: add "{reference}": "{prompt.digest}" to {lock}.'
    elif locked[reference] != prompt.digest:
        yield (
            f'What a model sees of {reference} has changed. Raise "version" in its front matter '
            f"by one, say in its changelog why, then put the new line into {lock}, beside the "
            "old one."
        )


def _file_of(name: str) -> Path:
    """By `room/name` or, where that is enough, by the name alone."""
    found = [file for known, file in prompt_files().items() if name in (known, file.stem)]
    if len(found) != 1:
        raise NoSuchPrompt(f"{name}; there are {', '.join(prompt_files())}.")
    return found[0]


def _short(name: str) -> str:
    return _file_of(name).stem


def _text_in(against: str, file: Path) -> str:
    if Path(against).is_file():
        return Path(against).read_text("utf-8")
    if against.startswith("-"):
        raise PromptUnusable(f"{against} is neither a file nor a commit.")
    place = f"{against}:{file.relative_to(ROOT).as_posix()}"
    try:
        shown = subprocess.run(  # noqa: S603
            ["git", "show", place],  # noqa: S607
            cwd=ROOT,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
    except OSError as error:
        raise PromptUnusable(f"{against} is no file, and there is no git.") from error
    if shown.returncode:
        raise PromptUnusable(f"{against} is neither a file nor a commit that has {file.name}.")
    return shown.stdout


def _verdict(before: str, now: str) -> str:
    new = parse_prompt(now, where="now")
    try:
        old = parse_prompt(before, where="before")
    except BrokenPrompt:
        return f"Now {new.reference}; what was there before is no prompt of this form."
    if old.digest == new.digest:
        return f"{new.reference}: nothing that a model sees has changed."
    return f"{old.reference} is {new.reference} now: no stored answer counts as one of its own."


def _references() -> list[Column[Any]]:
    return [
        column
        for table in metadata.tables.values()
        for column in table.columns
        if column.name in _REFERENCES
    ]
