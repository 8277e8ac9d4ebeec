"""Asking a model what a summary tree needs to know, until there is an answer to show.

An answer that cannot be shown is asked for once more, shorter; a passage that fails again,
or does not fit the window, is cut in two; in the end sentences of the book itself stand in.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from app.domains.catalog.model import SummaryNode
from app.domains.catalog.service.answers import fault_of, told
from app.domains.catalog.service.provenance import Grounds
from app.domains.catalog.service.questions import Question, Questions
from app.ports.llm import (
    Completion,
    CompletionRequest,
    ContextOverflow,
    LLMProvider,
    ModelFailure,
    ModelUnavailable,
    StructureBroken,
    Usage,
)

_SECOND_TIME: Mapping[str, Any] = {"temperature": 0.0, "seed": 8}
_FEWEST_WORDS = 20
_SHORTEST_EXTRACT = 200
# What does not fit is cut until it does; what a model cannot do it can seldom do by halves.
_MOST_CUTS, _MOST_TRIES_AT_HALVES = 4, 1

Output = dict[str, Any]


class Memory(Protocol):
    """Where answers are kept: `recall` finds those to some keys, `keep` stores one; either
    may raise to stop the run. What is `aside` was not planned for."""

    async def recall(
        self, keys: Sequence[str], *, aside: bool = False
    ) -> Mapping[str, SummaryNode]: ...

    async def keep(self, node: SummaryNode, *, aside: bool = False) -> None: ...


class _Unusable(Exception):
    """What the model says cannot be shown, twice."""


class Interview:
    """Asks one model about one book. Raises ModelUnavailable when the model is away."""

    def __init__(
        self,
        *,
        llm: LLMProvider,
        stand_in: LLMProvider,
        memory: Memory,
        questions: Questions,
        grounds: Grounds,
        at_once: int,
    ) -> None:
        self._llm = llm
        self._stand_in = stand_in
        self._memory = memory
        self._questions = questions
        self._grounds = grounds
        # Held until an answer is kept, so that a crash loses no more than this many.
        self._places = asyncio.Semaphore(at_once)
        # Who waits for a place when the first one fails does not even begin.
        self._over = False
        self._asked: dict[str, asyncio.Task[SummaryNode]] = {}
        self.nodes: dict[str, SummaryNode] = {}

    async def recall(self, questions: Sequence[Question]) -> None:
        """Look up what was answered already."""
        self.nodes |= await self._memory.recall([question.key for question in questions])

    async def answer(self, question: Question) -> SummaryNode:
        """The answer to a question that was looked up. A text that stands twice in the book
        is one question."""
        if (known := self.nodes.get(question.key)) is None:
            if (asked := self._asked.get(question.key)) is None:
                asked = asyncio.ensure_future(self._ask(question))
                self._asked[question.key] = asked
            known = self.nodes[question.key] = await asked
        return known

    async def _ask(self, question: Question) -> SummaryNode:
        async with self._places:
            if self._over:
                raise asyncio.CancelledError
            try:
                node = await self._node(question)
                await self._memory.keep(node)
            except BaseException:
                self._over = True
                raise
        return node

    async def _node(self, question: Question) -> SummaryNode:
        try:
            return await self._told(question)
        except ModelUnavailable:
            raise
        except ContextOverflow:
            node = await self._tighter(question) or await self._by_halves(question, _MOST_CUTS)
        except (StructureBroken, _Unusable):
            node = await self._by_halves(question, _MOST_TRIES_AT_HALVES)
        except ModelFailure:
            node = None
        return node or await self._extract(question)

    async def _told(self, question: Question) -> SummaryNode:
        for words, way in ((question.words, {}), (question.words * 2 // 3, _SECOND_TIME)):
            request = replace(question.put(max(_FEWEST_WORDS, words), False), **way)
            completion = await self._llm.complete(request)
            if (output := await self._shown(completion, question, request)) is not None:
                return self._kept(question, request, output, completion.usage)
        raise _Unusable

    async def _tighter(self, question: Question) -> SummaryNode | None:
        """Of what was put together, less of each may still fit."""
        if question.stretch is not None:
            return None
        request = question.put(question.words, True)
        try:
            completion = await self._llm.complete(request)
        except ModelUnavailable:
            raise
        except ModelFailure:
            return None
        output = await self._shown(completion, question, request)
        return self._kept(question, request, output, completion.usage) if output else None

    async def _by_halves(self, question: Question, most: int) -> SummaryNode | None:
        if question.cut >= most:
            return None
        halves = [await self._half(half) for half in self._questions.about_halves(question)]
        if all(node.degraded for node in halves):
            return None
        removed = [line for node in halves for line in node.output.get("removed", [])]
        return replace(
            next(node for node in halves if not node.degraded),
            key=question.key,
            kind=question.kind,
            output={"summary": " ".join(_summary(node) for node in halves), "removed": removed},
            degraded=any(node.degraded for node in halves),
            tokens_in=sum(node.tokens_in for node in halves),
            tokens_out=sum(node.tokens_out for node in halves),
        )

    async def _half(self, question: Question) -> SummaryNode:
        """Kept by itself: a crash between the halves does not ask for the first one again."""
        known = await self._memory.recall([question.key], aside=True)
        node = known.get(question.key)
        if node is None:
            node = await self._node(question)
            await self._memory.keep(node, aside=True)
        self.nodes[question.key] = node
        return node

    async def _extract(self, question: Question) -> SummaryNode:
        request = question.put(question.words, False)
        output: Output = {question.member: question.source[:_SHORTEST_EXTRACT]}
        usage = Usage(0, 0, estimated=True)
        try:
            completion = await self._stand_in.complete(request)
            output, usage = dict(completion.parsed or output), completion.usage
        except ModelFailure:
            # Nothing in it can be told apart from the rest: its beginning as it is.
            pass
        return self._kept(question, request, output, usage, degraded=True)

    def _kept(
        self,
        question: Question,
        request: CompletionRequest,
        output: Output,
        usage: Usage,
        *,
        degraded: bool = False,
    ) -> SummaryNode:
        author = (self._stand_in if degraded else self._llm).card
        return SummaryNode(
            key=question.key,
            kind=question.kind,
            output=output,
            degraded=degraded,
            provider=author.provider,
            model=author.model,
            prompt=request.prompt,
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
        )

    async def _shown(
        self, completion: Completion, question: Question, request: CompletionRequest
    ) -> Output | None:
        """What of the answer may be shown, or None."""
        output = dict(completion.parsed or {})
        # Sentences of the book itself are as they are; nothing better would come.
        if not output or self._llm.card == self._stand_in.card:
            return output or None
        asked = "\n".join(message.content for message in request.messages)
        return await asyncio.to_thread(self._sound, output, question, asked)

    def _sound(self, output: Output, question: Question, asked: str) -> Output | None:
        found = self._grounds.founded(told(str(output[question.member])), question.place)
        if any(s.unfounded or not s.support for s in found.statements):
            return None
        if len(found.removed) > len(found.statements) or _is_faulty(found.text, question, asked):
            return None
        removed = [statement.text for statement in found.removed]
        return {**output, question.member: found.text, "removed": removed}


def _is_faulty(text: str, question: Question, asked: str) -> bool:
    fault = fault_of(text, source=question.source, words=question.words, asked=asked)
    return fault is not None


def _summary(node: SummaryNode) -> str:
    return str(node.output["summary"])
