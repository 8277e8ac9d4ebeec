"""The questions of a summary tree: what each is about, how much it may take, and the key its
answer is kept under."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.domains.catalog import prompts
from app.domains.catalog.model import SummaryNode
from app.domains.catalog.service.outline import (
    Budget,
    Stretch,
    clipped,
    estimated_tokens,
    halves_of,
)
from app.ports.llm import CompletionRequest, ModelCard

Place = tuple[int, int]

_BLURB_WORDS, _BLURB_TOKENS = 120, 700
_FEWEST_WORDS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """An answered part of the tree: its title, where in the book it begins and ends, and a
    sentence of the book that bears it out."""

    title: str
    node: SummaryNode
    evidence: str
    place: Place

    @property
    def summary(self) -> str:
        return str(self.node.output["summary"])

    @property
    def key(self) -> str:
        """What a question about it rests on: another one once a better answer is there."""
        return f"{self.node.key}!" if self.node.degraded else self.node.key


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Something to ask. `member` of the answer is the prose, of at most so many `words`;
    `source` is what it tells of; `put` makes the request, for so many words, in less of the
    window if it must be `tight`; `place` is what part of the book it is about, None for all
    of it. A question about a passage knows its `stretch` and how often that was `cut`
    already."""

    kind: str
    key: str
    member: str
    words: int
    source: str
    put: Callable[[int, bool], CompletionRequest]
    place: Place | None
    title: str = ""
    stretch: Stretch | None = None
    cut: int = 0


class Questions:
    """All that is asked of one model about one book."""

    def __init__(self, *, title: str, author: str, card: ModelCard) -> None:
        self.budget = Budget.for_window(card.context)
        self._model = card.reference
        self._title = clipped(title, self.budget.names * 2 // 3)
        self._author = clipped(author, self.budget.names // 3)

    def about_passage(self, chapter: str, stretch: Stretch, *, cut: int = 0) -> Question:
        words = max(_FEWEST_WORDS, self.budget.words >> cut)

        def put(words: int, tight: bool) -> CompletionRequest:
            return prompts.summarise_passage(
                title=self._title,
                author=self._author,
                chapter=clipped(chapter, self.budget.names),
                passage=stretch.text,
                words=words,
                tokens=self.budget.tokens,
            )

        # Titles help the model but do not make another question of the same text.
        return Question(
            kind="half" if cut else "passage",
            key=self._key("summarise_passage", words, [stretch.text]),
            member="summary",
            words=words,
            source=stretch.text,
            put=put,
            place=(stretch.start, stretch.end),
            title=chapter,
            stretch=stretch,
            cut=cut,
        )

    def about_halves(self, question: Question) -> list[Question]:
        """The same of each half of its stretch; none of what cannot be cut."""
        if question.stretch is None:
            return []
        halves = halves_of(question.stretch)
        cut = question.cut + 1
        return [self.about_passage(question.title, h, cut=cut) for h in halves if len(halves) > 1]

    def about_parts(self, group: Sequence[Branch]) -> Question:
        def put(words: int, tight: bool) -> CompletionRequest:
            return prompts.merge_summaries(
                title=self._title,
                author=self._author,
                part=clipped(span_of(group), self.budget.names),
                summaries=self._summaries(group, tight),
                evidence=self._evidence(group, tight),
                words=words,
                tokens=self.budget.tokens,
            )

        return self._about("merge_summaries", "part", "summary", self.budget.words, group, put)

    def about_book(self, branches: Sequence[Branch], whole: Sequence[str] = ()) -> Question:
        """About the branches; or about the `whole` text they are of, in their order."""

        def put(words: int, tight: bool) -> CompletionRequest:
            return prompts.present_book(
                title=self._title,
                author=self._author,
                summaries=list(whole) or self._summaries(branches, tight),
                evidence=[] if whole else self._evidence(branches, tight),
                words=words,
                tokens=self.budget.book_tokens,
            )

        kind, words = "whole" if whole else "book", self.budget.book_words
        return self._about("present_book", kind, "summary", words, branches, put)

    def introducing(self, branches: Sequence[Branch]) -> Question:
        def put(words: int, tight: bool) -> CompletionRequest:
            return prompts.introduce_book(
                title=self._title,
                author=self._author,
                summaries=self._summaries(branches, tight),
                evidence=self._evidence(branches, tight),
                words=words,
                tokens=min(_BLURB_TOKENS, self.budget.book_tokens),
            )

        words = min(_BLURB_WORDS, self.budget.book_words)
        return self._about("introduce_book", "introduction", "blurb", words, branches, put)

    def _about(
        self,
        name: prompts.Name,
        kind: str,
        member: str,
        words: int,
        below: Sequence[Branch],
        put: Callable[[int, bool], CompletionRequest],
    ) -> Question:
        key = self._key(name, words, [kind, *(branch.key for branch in below)])
        source = " ".join(branch.summary for branch in below)
        place = place_of(below) if kind == "part" else None
        return Question(kind, key, member, words, source, put, place)

    def _key(self, name: prompts.Name, words: int, inputs: Sequence[str]) -> str:
        return node_key(prompts.reference(name), self._model, words, inputs)

    def _summaries(self, branches: Sequence[Branch], tight: bool) -> list[str]:
        room = self.budget.part // 2 if tight else self.budget.part
        return [clipped(branch.summary, room) for branch in branches]

    def _evidence(self, branches: Sequence[Branch], tight: bool) -> list[str]:
        """Whole sentences only, and none there is no room for."""
        lines = (f"[{n}] {b.evidence}" for n, b in enumerate(branches, start=1) if b.evidence)
        room = 0 if tight else self.budget.evidence
        return [line for line in lines if estimated_tokens(line) < room]


def node_key(prompt: str, model: str, words: int, inputs: Sequence[str]) -> str:
    """The name of an answer: a hash of the prompt, the model, how much was asked for, and
    the text or the keys of the nodes below."""
    parts = [prompt, model, words, *inputs]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def place_of(group: Sequence[Branch]) -> Place:
    return group[0].place[0], group[-1].place[1]


def span_of(group: Sequence[Branch]) -> str:
    first, last = group[0].title, group[-1].title
    return first if first == last else f"{first} … {last}"
