"""Reading one review: which sentence says what about which aspect."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from app.domains.reviews.model import Opinion, Polarity, Reading, Review
from app.domains.reviews.model.topics import FREE, subject_of
from app.domains.reviews.prompts import (
    MOST_SENTENCES,
    OTHER,
    read_review_prompt,
    read_review_reference,
)
from app.ports.llm import (
    ContextOverflow,
    LLMProvider,
    ModelFailure,
    ModelRefused,
    ModelUnavailable,
)
from app.shared.sentences import sentences

_LONGEST_QUOTE = 300
_MOST_TOPICS = 3


class ReviewReader:
    """Reads reviews by the model, or by the stand-in where the model fails.

    It lives for one run of a job: a model that is away is asked once. Each question shows
    one review only, and its answer can be nothing but numbers and names from our lists, and
    names of topics that stand in the review.
    """

    def __init__(self, llm: LLMProvider, stand_in: LLMProvider) -> None:
        self._llm = llm
        self._stand_in = stand_in
        self.model_fails = False
        self.model_may_return = False

    @property
    def prompt(self) -> str:
        return read_review_reference()

    @property
    def is_stand_in(self) -> bool:
        return self._llm.card.provider == self._stand_in.card.provider

    async def read(self, review: Review) -> Reading:
        """Never fails: a review nobody can read has no opinions."""
        by = self._stand_in.card.reference
        if not self.model_fails:
            try:
                opinions = await _opinions(self._llm, review)
                return Reading(opinions, self._llm.card.reference, self.is_stand_in, self.prompt)
            except (ModelUnavailable, ModelRefused) as failure:
                self.give_up(failure)
            except ModelFailure:
                # It answered and cannot read this one: no use to ask it again.
                by = self._llm.card.reference
        return Reading(await self._stood_in(review), by, degraded=True, prompt=self.prompt)

    def give_up(self, failure: ModelFailure) -> None:
        """Ask the model nothing more in this run."""
        self.model_fails = True
        self.model_may_return = isinstance(failure, ModelUnavailable)

    async def _stood_in(self, review: Review) -> Sequence[Opinion]:
        try:
            return await _opinions(self._stand_in, review)
        except ModelFailure:
            return ()


async def _opinions(llm: LLMProvider, review: Review) -> Sequence[Opinion]:
    # A long review takes its time to be taken apart: not on the loop.
    shown = (await asyncio.to_thread(sentences, review.text))[:MOST_SENTENCES]
    while True:
        try:
            answer = await llm.complete(read_review_prompt(sentences=shown))
        except ContextOverflow:
            # Windows differ, and only the provider can count tokens: show the first half.
            if len(shown) < 2:
                raise
            shown = shown[: len(shown) // 2]
        else:
            return await asyncio.to_thread(opinions_in, answer.parsed or {}, shown)


def opinions_in(answer: Mapping[str, Any], shown: Sequence[str]) -> Sequence[Opinion]:
    """The opinions of an answer about sentences that were shown; a sentence that says both
    of one aspect is mixed. Of free topics the first three count."""
    found: dict[tuple[int, str], Polarity] = {}
    for place, polarity in _said(answer, shown):
        same = found.get(place, polarity) is polarity
        found[place] = polarity if same else Polarity.MIXED
    return [
        Opinion(number, subject, polarity, shown[number - 1][:_LONGEST_QUOTE])
        for (number, subject), polarity in sorted(found.items())
    ]


def carried_over(opinions: Sequence[Opinion], before: str, after: str) -> list[Opinion]:
    """What was found in a text, quoted from another one of the same words between other
    white space."""
    ink = [0, *accumulate(not sign.isspace() for sign in before)]
    places = [place for place, sign in enumerate(after) if not sign.isspace()]
    carried = []
    for opinion in opinions:
        start = before.find(opinion.quote)
        if start >= 0 and opinion.quote:
            end = start + len(opinion.quote)
            quote = after[places[ink[start]] : places[ink[end] - 1] + 1]
            carried.append(replace(opinion, quote=quote[:_LONGEST_QUOTE]))
    return carried


def _said(
    answer: Mapping[str, Any], shown: Sequence[str]
) -> Iterator[tuple[tuple[int, str], Polarity]]:
    topics: set[str] = set()
    for item in answer.get("opinions", ()):
        number = item["sentence"]
        if not 1 <= number <= len(shown):
            continue
        subject: str | None = item["aspect"]
        if subject == OTHER:
            subject = subject_of(item.get("topic", ""), shown[number - 1])
        if subject and _has_room(subject, topics):
            yield (number, subject), Polarity(item["polarity"])


def _has_room(subject: str, topics: set[str]) -> bool:
    if subject.startswith(FREE) and len(topics) < _MOST_TOPICS:
        topics.add(subject)
    return subject in topics or not subject.startswith(FREE)
