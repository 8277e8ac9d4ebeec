"""The questions this room asks a model: one function a prompt file, its only reader."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from app.ports.llm import CompletionRequest, Message
from app.shared.fencing import fence
from app.shared.prompt_file import Prompt, read_prompt

MOST_SENTENCES = 400
_LONGEST_SENTENCE = 300


def read_review_prompt(*, rating: int, sentences: Sequence[str]) -> CompletionRequest:
    """Which sentence says what about which aspect; sentences count from 1."""
    lines = [f"{n}: {_line(text)}" for n, text in enumerate(sentences[:MOST_SENTENCES], start=1)]
    return _request(
        "read_review", rating=str(rating), sentences=fence("sentences", "\n".join(lines))
    )


def tell_consensus_prompt(*, facts: Sequence[str], voices: Sequence[str]) -> CompletionRequest:
    """What readers think, in words, from counted facts and a few of their sentences."""
    return _request(
        "tell_consensus",
        facts=fence("facts", "\n".join(facts)),
        voices=fence("voices", "\n".join(map(_line, voices))),
    )


@cache
def _prompt(name: str) -> Prompt:
    return read_prompt(Path(__file__).with_name(f"{name}.md"))


def _request(name: str, **values: str) -> CompletionRequest:
    prompt = _prompt(name)
    system, user = prompt.render(**values)
    return CompletionRequest(
        messages=[Message("system", system), Message("user", user)],
        task=prompt.name,
        prompt=prompt.reference,
        output_schema=prompt.output_schema,
        max_output_tokens=prompt.max_output_tokens,
    )


def _line(text: str) -> str:
    """One line, so that nobody's text can number or label lines of its own."""
    return " ".join(text.split())[:_LONGEST_SENTENCE]
