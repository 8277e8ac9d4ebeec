"""The summary tree: passages are summarised, summaries joined, and the book presented.

Each answer is stored under the hash of all that went into its question (a Merkle tree), so
that a crash, a second run, a cancelled run and an equal chapter of another edition are one
and the same thing: a question that was answered is not asked again.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from app.domains.catalog import prompts
from app.domains.catalog.model import (
    ChapterSummary,
    Evidence,
    Presentation,
    SummaryNode,
    TracedSentence,
)
from app.domains.catalog.service.answers import evidence_for
from app.domains.catalog.service.interview import Interview, Memory
from app.domains.catalog.service.outline import Budget, groups_of, joins_of
from app.domains.catalog.service.questions import Branch, Question, Questions, place_of, span_of
from app.domains.catalog.service.reading import Reading
from app.domains.catalog.service.telling import (
    abridged,
    chosen,
    distinct,
    introduction_of,
    is_name,
    leads_away,
)
from app.ports.llm import LLMProvider

_MOST_REMOVED = 100
# In characters: some 230,000 words, read in seconds.
_MOST_CHOSEN_FROM = 1_300_000

Result = TypeVar("Result")
Shape = Question | list["Shape"]


def takes_whole(reading: Reading, llm: LLMProvider, stand_in: LLMProvider) -> bool:
    """Whether the book is told from its text and not from summaries: where sentences of it
    are only chosen, those chosen from all of it are the better ones."""
    if llm.card != stand_in.card:
        return False
    return sum(len(passage.text) for passage in reading.passages) <= _MOST_CHOSEN_FROM


def questions_for(reading: Reading, llm: LLMProvider, stand_in: LLMProvider) -> int:
    """How many questions the whole tree takes, the two about the book included."""
    count = len(reading.passages)
    if takes_whole(reading, llm, stand_in):
        return count + 2
    return count + joins_of(count, Budget.for_window(llm.card.context)) + 2


class SummaryTree:
    """Grows the tree of one book with one model; `stand_in` answers where the model's
    answers are unusable. Raises ModelUnavailable when the model is away."""

    def __init__(
        self,
        reading: Reading,
        *,
        title: str,
        author: str,
        llm: LLMProvider,
        stand_in: LLMProvider,
        memory: Memory,
        at_once: int,
    ) -> None:
        self._reading = reading
        self._takes_whole = takes_whole(reading, llm, stand_in)
        self._questions = Questions(title=title, author=author, card=llm.card)
        self._told_leaves: dict[Question, Branch] = {}
        self._interview = Interview(
            llm=llm,
            stand_in=stand_in,
            memory=memory,
            questions=self._questions,
            grounds=reading.grounds,
            at_once=at_once,
        )

    @property
    def keys(self) -> Sequence[str]:
        """The keys of all nodes the presentation grew from."""
        return list(self._interview.nodes)

    async def summarise(self) -> SummaryNode:
        """Only the summary of the whole, without an introduction; of a single passage it is
        the passage's own."""
        leaves = await self._leaves_asked()
        branches = await self._top(leaves)
        if len(leaves) == len(leaves[0]) == 1:
            return branches[0].node
        return await self._answered(self._about_book(branches))

    async def present(self) -> tuple[Presentation, Evidence]:
        leaves = await self._leaves_asked()
        branches = await self._top(leaves)
        told, introduced = await _each(
            self._answered(question)
            for question in (
                self._about_book(branches),
                self._questions.introducing(branches),
            )
        )
        chapters = [[await self._branch(leaf) for leaf in chapter] for chapter in leaves]
        return await asyncio.to_thread(self._told, told, introduced, chapters)

    def _about_book(self, branches: Sequence[Branch]) -> Question:
        texts = [passage.text for passage in self._reading.passages] if self._takes_whole else []
        return self._questions.about_book(branches, texts)

    async def _leaves_asked(self) -> list[list[Question]]:
        """The questions about passages, by section, looked up."""
        # Seconds of work for a long book: not on the loop.
        leaves = await asyncio.to_thread(self._leaves)
        await self._interview.recall([leaf for chapter in leaves for leaf in chapter])
        return leaves

    def _leaves(self) -> list[list[Question]]:
        return [
            [self._questions.about_passage(section.title, passage) for passage in section.passages]
            for section in self._reading.sections
        ]

    async def _top(self, leaves: list[list[Question]]) -> list[Branch]:
        """What the book is told from. Joining begins as soon as the parts are there, so that
        nobody waits at the end of a level."""
        budget = self._questions.budget
        shape: list[Shape] = [leaf for chapter in leaves for leaf in chapter]
        while len(shape) > budget.book_fan_in and not self._takes_whole:
            groups = groups_of(shape, budget.fan_in)
            shape = [group[0] if len(group) == 1 else group for group in groups]
        return await _each(self._branch(part) for part in shape)

    async def _branch(self, shape: Shape) -> Branch:
        if isinstance(shape, Question):
            return await self._leaf(shape)
        group = await _each(self._branch(part) for part in shape)
        node = await self._answered(self._questions.about_parts(group))
        lines = "\n\n".join(branch.evidence for branch in group)
        return Branch(span_of(group), node, evidence_for(_text(node), lines), place_of(group))

    async def _leaf(self, question: Question) -> Branch:
        """Told of twice: in what it is joined to, and in its chapter."""
        if (known := self._told_leaves.get(question)) is None:
            known = self._told_leaves[question] = await self._leaf_of(question)
        return known

    async def _leaf_of(self, question: Question) -> Branch:
        node = await self._interview.answer(question)
        assert question.stretch is not None
        evidence = await asyncio.to_thread(evidence_for, _text(node), question.stretch.text)
        place = question.stretch.start, question.stretch.end
        return Branch(question.title, node, evidence, place)

    async def _answered(self, question: Question) -> SummaryNode:
        await self._interview.recall([question])
        return await self._interview.answer(question)

    def _told(
        self, told: SummaryNode, introduced: SummaryNode, chapters: list[list[Branch]]
    ) -> tuple[Presentation, Evidence]:
        grounds, reading = self._reading.grounds, self._reading
        synopsis = _text(told)
        hook, blurb = introduction_of(introduced.output, synopsis)
        if any(sentence.unfounded for sentence in grounds.traced(hook)):
            hook, _ = introduction_of({"blurb": blurb}, synopsis)
        told_of = [self._chapter(chapter) for chapter in chapters]
        nodes = self._interview.nodes.values()
        presentation = Presentation(
            summary=synopsis,
            hook=hook,
            blurb=blurb,
            themes=self._themes(introduced),
            characters=self._people(introduced),
            content_warnings=chosen(
                introduced.output.get("content_warnings", []), prompts.offered_warnings()
            ),
            chapters=[
                ChapterSummary(section.title, text)
                for section, (text, _) in zip(reading.sections, told_of, strict=True)
            ],
            left_out=list(reading.left_out),
            provider=told.provider,
            model=told.model,
            prompt=told.prompt,
            degraded=any(node.degraded for node in nodes),
            coverage=reading.coverage,
        )
        removed = [line for node in nodes for line in node.output.get("removed", [])]
        evidence = Evidence(
            summary=grounds.traced(synopsis),
            hook=grounds.traced(hook),
            blurb=grounds.traced(blurb),
            chapters=[sentences for _, sentences in told_of],
            removed=distinct(removed)[:_MOST_REMOVED],
        )
        return presentation, evidence

    def _themes(self, introduced: SummaryNode) -> list[str]:
        """What names somebody, counts something or leads somewhere that is not in the book is
        no theme of it."""
        return [
            theme
            for theme in distinct(introduced.output.get("themes", []))
            if not leads_away(theme)
            and not any(part.unfounded for part in self._reading.grounds.traced(theme))
        ]

    def _chapter(self, leaves: Sequence[Branch]) -> tuple[str, list[TracedSentence]]:
        """A chapter is told in the sentences its passages were summarised in."""
        texts = abridged([leaf.summary for leaf in leaves], 2 * self._questions.budget.words)
        traced = [
            sentence
            for leaf, text in zip(leaves, texts, strict=True)
            for sentence in self._reading.grounds.traced(text, leaf.place)
        ]
        return " ".join(texts), traced

    def _people(self, introduced: SummaryNode) -> list[str]:
        named = distinct(introduced.output.get("characters", []))
        return [n for n in named if is_name(n) and self._reading.grounds.has_name(n)]


def _text(node: SummaryNode) -> str:
    return str(node.output["summary"])


async def _each(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All results in order, or the first failure, the others cancelled."""
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in running]
