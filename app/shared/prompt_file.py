"""Prompts are files: a front matter that names them and says what goes in and comes out,
a `## system` part and a `## user` part with strict placeholders.

    ---
    {"id": "read_review", "version": 2, "purpose": "…",
     "inputs": {"sentences": {"untrusted": true, "limit": 9000, "sample": "1: Fine."}},
     "output": {…flat JSON schema…}, "example": {…an answer that satisfies it…},
     "needs": {"context": 512}, "params": {"temperature": 0.2, "seed": 7},
     "budget": {"in": 3200, "out": 700},
     "changelog": {"1": "The first one.", "2": "Knows free topics."}}
    ---
    ## system
    …
    ## user
    {{sentences}}

`limit` counts characters, `context` and `budget` tokens; `in` is what the prompt may take
with every input at its limit. A prompt's hash covers what a model sees and how it is asked:
system, user, output, params and the output budget.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.shared.fencing import Fenced, fence

_FILE = re.compile(
    r"\A---\n(?P<head>.*?)\n---\n## system\n(?P<system>.*?)\n## user\n(?P<user>.*)\Z", re.S
)
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_MEMBERS = frozenset(
    "id version purpose inputs output example needs params budget changelog".split()
)


class BrokenPrompt(Exception):
    """A prompt file or its use is wrong: a mistake of ours, found by the tests."""


@dataclass(frozen=True, slots=True)
class PromptInput:
    """What goes in. Who wrote an `untrusted` one is nobody we know: it is fenced, and cut at
    `limit` characters; a trusted one is a line of ours."""

    untrusted: bool
    limit: int | None
    sample: str


@dataclass(frozen=True, slots=True)
class Prompt:
    name: str
    version: int
    purpose: str
    inputs: Mapping[str, PromptInput]
    output_schema: Mapping[str, Any] | None
    example: Mapping[str, Any] | None
    context: int
    params: Mapping[str, Any]
    max_input_tokens: int
    max_output_tokens: int
    changelog: Mapping[str, str]
    system: str
    user: str
    digest: str

    @property
    def reference(self) -> str:
        """`name@version#hash`, kept with whatever the prompt brings forth."""
        return f"{self.name}@{self.version}#{self.digest[:12]}"

    @property
    def samples(self) -> dict[str, str]:
        return {name: each.sample for name, each in self.inputs.items()}

    def render(self, **values: str) -> tuple[str, str]:
        """(system, user) with every placeholder filled, exactly those declared; untrusted
        text is fenced under its name unless it is already. Raises BrokenPrompt."""
        if set(values) != set(self.inputs):
            raise BrokenPrompt(f"{self.name} takes {sorted(self.inputs)}, not {sorted(values)}")
        texts = {name: self._text(name, value) for name, value in values.items()}
        return self.system, _PLACEHOLDER.sub(lambda found: texts[found[1]], self.user)

    def _text(self, name: str, value: str) -> str:
        declared = self.inputs[name]
        if isinstance(value, Fenced):
            return value
        if declared.untrusted:
            return fence(name, value, limit=declared.limit)
        if "\n" in value or len(value) > (declared.limit or len(value)):
            raise BrokenPrompt(f"{self.name}: {name} is a short line of ours, this is none")
        return value


def read_prompt(path: Path) -> Prompt:
    """Read and check one prompt file; raises BrokenPrompt."""
    return parse_prompt(path.read_text(encoding="utf-8"), where=path.name)


def parse_prompt(body: str, *, where: str) -> Prompt:
    """The prompt in the text of a file; raises BrokenPrompt, which names `where`."""
    found = _FILE.match(body)
    if not found:
        raise BrokenPrompt(f"{where}: front matter, '## system' and '## user' are needed")
    try:
        head = json.loads(found["head"])
        prompt = _prompt(head, found["system"].strip(), found["user"].strip())
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenPrompt(f"{where}: the front matter is wrong: {error!r}") from error
    _check_placeholders(prompt, where)
    return prompt


def _prompt(head: Mapping[str, Any], system: str, user: str) -> Prompt:
    if unknown := set(head) - _MEMBERS:
        raise ValueError(f"unknown members {sorted(unknown)}")
    budget, params = head["budget"], head["params"]
    seen = [system, user, head.get("output"), params, budget["out"]]
    return Prompt(
        name=head["id"],
        version=head["version"],
        purpose=head["purpose"],
        inputs={name: _input(declared) for name, declared in head["inputs"].items()},
        output_schema=head.get("output"),
        example=head.get("example"),
        context=head["needs"]["context"],
        params=params,
        max_input_tokens=budget["in"],
        max_output_tokens=budget["out"],
        changelog=head["changelog"],
        system=system,
        user=user,
        digest=hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest(),
    )


def _input(declared: Mapping[str, Any]) -> PromptInput:
    if unknown := set(declared) - {"untrusted", "limit", "sample"}:
        raise ValueError(f"unknown members {sorted(unknown)} of an input")
    return PromptInput(
        bool(declared.get("untrusted", False)), declared.get("limit"), declared["sample"]
    )


def _check_placeholders(prompt: Prompt, where: str) -> None:
    used = set(_PLACEHOLDER.findall(prompt.user))
    if used != set(prompt.inputs) or _PLACEHOLDER.search(prompt.system):
        raise BrokenPrompt(f"{where}: placeholders and inputs differ")
