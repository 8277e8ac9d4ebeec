"""Prompts are files: a front matter that names them and says what goes in and comes out,
a `## system` part and a `## user` part with strict placeholders.

    ---
    {"name": "summarise_passage", "version": 1, "inputs": ["title"], "output": {…JSON schema…},
     "max_output_tokens": 400}
    ---
    ## system
    …
    ## user
    Book: {{title}}
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILE = re.compile(
    r"\A---\n(?P<head>.*?)\n---\n## system\n(?P<system>.*?)\n## user\n(?P<user>.*)\Z", re.S
)
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


class BrokenPrompt(Exception):
    """A prompt file or its use is wrong: a mistake of ours, found by the tests."""


@dataclass(frozen=True, slots=True)
class Prompt:
    name: str
    version: int
    inputs: frozenset[str]
    output_schema: Mapping[str, Any] | None
    max_output_tokens: int
    system: str
    user: str
    digest: str

    @property
    def reference(self) -> str:
        """`name@version#hash`, kept with whatever the prompt brings forth."""
        return f"{self.name}@{self.version}#{self.digest[:12]}"

    def render(self, **values: str) -> tuple[str, str]:
        """(system, user) with every placeholder filled, exactly those declared."""
        if set(values) != self.inputs:
            raise BrokenPrompt(f"{self.name} takes {sorted(self.inputs)}, not {sorted(values)}")
        return self.system, _PLACEHOLDER.sub(lambda found: values[found[1]], self.user)


def read_prompt(path: Path) -> Prompt:
    """Read and check one prompt file; raises BrokenPrompt."""
    body = path.read_text(encoding="utf-8")
    found = _FILE.match(body)
    if not found:
        raise BrokenPrompt(f"{path.name}: front matter, '## system' and '## user' are needed")
    head = json.loads(found["head"])
    prompt = Prompt(
        name=head["name"],
        version=head["version"],
        inputs=frozenset(head["inputs"]),
        output_schema=head.get("output"),
        max_output_tokens=head["max_output_tokens"],
        system=found["system"].strip(),
        user=found["user"].strip(),
        digest=hashlib.sha256(body.encode()).hexdigest(),
    )
    if set(_PLACEHOLDER.findall(prompt.user)) != prompt.inputs or _PLACEHOLDER.search(
        prompt.system
    ):
        raise BrokenPrompt(f"{path.name}: placeholders and inputs differ")
    return prompt
