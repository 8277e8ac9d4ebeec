"""The questions this room asks a model: one function a prompt file, its only reader."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from app.ports.llm import CompletionRequest, Message
from app.shared.fencing import fence
from app.shared.prompt_file import Prompt, read_prompt

Name = Literal["summarise_passage", "merge_summaries", "present_book", "introduce_book"]


def reference(name: Name) -> str:
    """`name@version#hash` of a prompt, part of the key of each answer to it."""
    return _prompt(name).reference


def offered_warnings() -> Sequence[str]:
    """The content warnings a model may choose from, in the order it sees them."""
    schema = _prompt("introduce_book").output_schema or {}
    offered: list[str] = schema["properties"]["content_warnings"]["items"]["enum"]
    return offered


@cache
def _prompt(name: str) -> Prompt:
    return read_prompt(Path(__file__).with_name(f"{name}.md"))


def summarise_passage(
    *, title: str, author: str, chapter: str, passage: str, words: int, tokens: int
) -> CompletionRequest:
    return _request(
        "summarise_passage",
        tokens,
        book=_book(title, author),
        chapter=fence("chapter", chapter, limit=200),
        passage=fence("passage", passage),
        words=str(words),
    )


def merge_summaries(
    *,
    title: str,
    author: str,
    part: str,
    summaries: list[str],
    evidence: list[str],
    words: int,
    tokens: int,
) -> CompletionRequest:
    return _request(
        "merge_summaries",
        tokens,
        book=_book(title, author),
        part=fence("part", part, limit=200),
        parts=fence("parts", _numbered(summaries)),
        evidence=fence("evidence", "\n".join(evidence)),
        words=str(words),
    )


def present_book(
    *, title: str, author: str, summaries: list[str], evidence: list[str], words: int, tokens: int
) -> CompletionRequest:
    return _about_book("present_book", title, author, summaries, evidence, words, tokens)


def introduce_book(
    *, title: str, author: str, summaries: list[str], evidence: list[str], words: int, tokens: int
) -> CompletionRequest:
    return _about_book("introduce_book", title, author, summaries, evidence, words, tokens)


def _about_book(
    name: Name,
    title: str,
    author: str,
    summaries: list[str],
    evidence: list[str],
    words: int,
    tokens: int,
) -> CompletionRequest:
    return _request(
        name,
        tokens,
        book=_book(title, author),
        parts=fence("parts", _numbered(summaries)),
        evidence=fence("evidence", "\n".join(evidence)),
        words=str(words),
    )


def _request(name: Name, tokens: int, **values: str) -> CompletionRequest:
    prompt = _prompt(name)
    system, user = prompt.render(**values)
    return CompletionRequest(
        messages=[Message("system", system), Message("user", user)],
        task=prompt.name,
        prompt=prompt.reference,
        output_schema=prompt.output_schema,
        max_output_tokens=min(tokens, prompt.max_output_tokens),
    )


def _book(title: str, author: str) -> str:
    return fence("book", f"{title}\nby {author}", limit=400)


def _numbered(summaries: list[str]) -> str:
    return "\n\n".join(f"{n}. {text}" for n, text in enumerate(summaries, start=1))
