"""The summary tree: passages are summarised, summaries joined, and the book presented.

Each answer is stored under the hash of all that went into its question (a Merkle tree), so
that a crash, a second run, a cancelled run and an equal chapter of another edition are one
and the same thing: a question that was answered is not asked again.
"""

import asyncio
import hashlib
import json
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from app.domains.catalog import prompts
from app.domains.catalog.model import ChapterSummary, Presentation, SummaryNode
from app.domains.catalog.service.answers import evidence_for, is_degenerate
from app.domains.catalog.service.outline import (
    Budget,
    Section,
    clipped,
    estimated_tokens,
    groups_of,
)
from app.ports.llm import (
    Completion,
    CompletionRequest,
    LLMProvider,
    ModelFailure,
    ModelUnavailable,
)

_ATTEMPTS = 2
# No more than a model could be set to answer: the others wait here, not in line for threads.

Result = TypeVar("Result")


class Memory(Protocol):
    """Where answers are kept: `recall` finds those to some keys, `keep` stores one; either
    may raise to stop the run."""

    async def recall(self, keys: Sequence[str]) -> Mapping[str, SummaryNode]: ...

    async def keep(self, node: SummaryNode) -> None: ...


@dataclass(frozen=True, slots=True)
class _Question:
    kind: str
    key: str
    request: CompletionRequest
    source: str
    words: int


@dataclass(frozen=True, slots=True)
class _Branch:
    """An answered part of the tree, with sentences of the book that bear it out."""

    title: str
    node: SummaryNode
    evidence: str

    @property
    def summary(self) -> str:
        return str(self.node.output["summary"])

    @property
    def key(self) -> str:
        """What a question about it rests on: another one once a better answer is there."""
        return f"{self.node.key}!" if self.node.degraded else self.node.key


class SummaryTree:
    """Grows the tree of one book with one model; `stand_in` answers where the model's
    answers are unusable. Raises ModelUnavailable when the model is away."""

    def __init__(
        self,
        *,
        title: str,
        author: str,
        llm: LLMProvider,
        stand_in: LLMProvider,
        memory: Memory,
        at_once: int,
    ) -> None:
        self._llm = llm
        self._stand_in = stand_in
        self._memory = memory
        self._budget = Budget.for_window(llm.card.context)
        self._title = clipped(title, self._budget.names * 2 // 3)
        self._author = clipped(author, self._budget.names // 3)
        # Held until an answer is kept, so that a crash loses no more than this many.
        self._places = asyncio.Semaphore(at_once)
        self._degraded = False
        self._keys: list[str] = []

    @property
    def keys(self) -> Sequence[str]:
        """The keys of all nodes the last presentation grew from."""
        return self._keys

    async def present(self, sections: Sequence[Section], *, coverage: float) -> Presentation:
        """`coverage` is the share of the text that lies in the sections."""
        chapters = await self._chapters(sections)
        branches = await self._joined(list(chapters), until=self._budget.fan_in)
        root = await self._present(branches)
        return Presentation(
            summary=str(root.output["summary"]),
            hook=str(root.output.get("hook", "")),
            themes=[str(theme) for theme in root.output.get("themes", [])],
            characters=[str(name) for name in root.output.get("characters", [])],
            chapters=[ChapterSummary(branch.title, branch.summary) for branch in chapters],
            provider=root.provider,
            model=root.model,
            prompt=root.prompt,
            degraded=self._degraded,
            coverage=coverage,
        )

    async def _chapters(self, sections: Sequence[Section]) -> list[_Branch]:
        # Seconds of work for a long book: not on the loop.
        questions = await asyncio.to_thread(self._about_passages, sections)
        nodes = await self._answers(questions)
        leaves = await asyncio.to_thread(_leaves, sections, nodes)
        return await _each(self._single(branches) for branches in leaves)

    async def _single(self, branches: list[_Branch]) -> _Branch:
        return (await self._joined(branches, until=1))[0]

    async def _joined(self, branches: list[_Branch], *, until: int) -> list[_Branch]:
        while len(branches) > until:
            groups = groups_of(branches, self._budget.fan_in)
            questions = [self._about_parts(group) for group in groups if len(group) > 1]
            nodes = iter(await self._answers(questions))
            branches = [
                group[0] if len(group) == 1 else _joint(group, next(nodes)) for group in groups
            ]
        return branches

    async def _present(self, branches: list[_Branch]) -> SummaryNode:
        return (await self._answers([self._about_book(branches)]))[0]

    def _about_passages(self, sections: Sequence[Section]) -> list[_Question]:
        return [self._about_passage(s.title, passage) for s in sections for passage in s.passages]

    def _about_passage(self, chapter: str, passage: str) -> _Question:
        request = prompts.summarise_passage(
            title=self._title,
            author=self._author,
            chapter=clipped(chapter, self._budget.names),
            passage=passage,
            words=self._budget.words,
            tokens=self._budget.tokens,
        )
        # Titles help the model but do not make another question of the same text.
        return self._question("passage", request, self._budget.words, [passage], passage)

    def _about_parts(self, group: list[_Branch]) -> _Question:
        request = prompts.merge_summaries(
            title=self._title,
            author=self._author,
            part=clipped(_span(group), self._budget.names),
            summaries=self._summaries(group),
            evidence=self._evidence(group),
            words=self._budget.words,
            tokens=self._budget.tokens,
        )
        return self._question("part", request, self._budget.words, *_below(group))

    def _about_book(self, branches: list[_Branch]) -> _Question:
        request = prompts.present_book(
            title=self._title,
            author=self._author,
            summaries=self._summaries(branches),
            evidence=self._evidence(branches),
            words=self._budget.book_words,
            tokens=self._budget.book_tokens,
        )
        return self._question("book", request, self._budget.book_words, *_below(branches))

    def _summaries(self, branches: list[_Branch]) -> list[str]:
        return [clipped(branch.summary, self._budget.part) for branch in branches]

    def _evidence(self, branches: list[_Branch]) -> list[str]:
        """Whole sentences only, and none there is no room for."""
        lines = (branch.evidence for branch in branches)
        return [line for line in lines if line and estimated_tokens(line) < self._budget.evidence]

    def _question(
        self, kind: str, request: CompletionRequest, words: int, inputs: list[str], source: str
    ) -> _Question:
        key = node_key(kind, request, self._llm.card.reference, words, inputs)
        return _Question(kind, key, request, source, words)

    async def _answers(self, questions: list[_Question]) -> list[SummaryNode]:
        known = await self._memory.recall([question.key for question in questions])
        # A text that stands twice in the book is one question.
        fresh = {q.key: q for q in questions if q.key not in known}
        asked = await _each(self._asked(question) for question in fresh.values())
        answers = {**known, **{node.key: node for node in asked}}
        nodes = [answers[question.key] for question in questions]
        self._keys.extend(node.key for node in nodes)
        self._degraded = self._degraded or any(node.degraded for node in nodes)
        return nodes

    async def _asked(self, question: _Question) -> SummaryNode:
        async with self._places:
            node = await self._answered(question)
            await self._memory.keep(node)
        return node

    async def _answered(self, question: _Question) -> SummaryNode:
        completion = await self._usable(question)
        degraded = completion is None
        author = (self._stand_in if degraded else self._llm).card
        if completion is None:
            completion = await self._stand_in.complete(question.request)
        return SummaryNode(
            key=question.key,
            kind=question.kind,
            output=dict(completion.parsed or {}),
            degraded=degraded,
            provider=author.provider,
            model=author.model,
            prompt=question.request.prompt,
            tokens_in=completion.usage.tokens_in,
            tokens_out=completion.usage.tokens_out,
        )

    async def _usable(self, question: _Question) -> Completion | None:
        """The model's answer, or None when what it says cannot be used, twice."""
        request = question.request
        for _ in range(_ATTEMPTS):
            try:
                completion = await self._llm.complete(request)
            except ModelUnavailable:
                raise
            except ModelFailure:
                return None
            if self._may_be_shown(completion, question):
                return completion
            request = replace(request, temperature=0.0, seed=request.seed + 1)
        return None

    def _may_be_shown(self, completion: Completion, question: _Question) -> bool:
        if not completion.parsed:
            return False
        # Sentences of the book itself are as they are; nothing better would come.
        return self._llm.card == self._stand_in.card or not is_degenerate(
            completion.parsed, source=question.source, words=question.words
        )


def node_key(
    kind: str, request: CompletionRequest, model: str, words: int, inputs: Sequence[str]
) -> str:
    """The name of an answer: a hash of the prompt, the model, the parameters and the text
    or the keys of the nodes below."""
    parts = [kind, request.prompt, model, request.max_output_tokens, words, *inputs]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def _leaves(sections: Sequence[Section], nodes: Sequence[SummaryNode]) -> list[list[_Branch]]:
    left = iter(nodes)
    return [
        [_leaf(section.title, passage, next(left)) for passage in section.passages]
        for section in sections
    ]


def _leaf(title: str, passage: str, node: SummaryNode) -> _Branch:
    return _Branch(title, node, evidence_for(str(node.output["summary"]), passage))


def _joint(group: list[_Branch], node: SummaryNode) -> _Branch:
    return _Branch(_span(group), node, next((b.evidence for b in group if b.evidence), ""))


def _span(group: list[_Branch]) -> str:
    first, last = group[0].title, group[-1].title
    return first if first == last else f"{first} … {last}"


def _below(group: list[_Branch]) -> tuple[list[str], str]:
    return [branch.key for branch in group], " ".join(branch.summary for branch in group)


async def _each(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All results in order, or the first failure, the others cancelled."""
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in running]
