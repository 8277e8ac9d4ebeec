"""Reading one review: which sentence says what about which aspect."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.domains.reviews.model import Aspect, Opinion, Polarity, Reading, Review
from app.domains.reviews.prompts import MOST_SENTENCES, read_review_prompt
from app.ports.llm import (
    ContextOverflow,
    LLMProvider,
    ModelFailure,
    ModelRefused,
    ModelUnavailable,
)
from app.shared.sentences import sentences

_LONGEST_QUOTE = 300


class ReviewReader:
    """Reads reviews by the model, or by the stand-in where the model fails.

    It lives for one run of a job: a model that is away is asked once. Each question shows
    one review only, and its answer can be nothing but numbers and names from our lists.
    """

    def __init__(self, llm: LLMProvider, stand_in: LLMProvider) -> None:
        self._llm = llm
        self._stand_in = stand_in
        self.model_fails = False
        self.model_may_return = False

    async def read(self, review: Review) -> Reading:
        """Never fails: a review nobody can read has no opinions."""
        by = self._stand_in.card.reference
        if not self.model_fails:
            try:
                opinions = await _opinions(self._llm, review)
                degraded = self._llm.card.provider == self._stand_in.card.provider
                return Reading(opinions, self._llm.card.reference, degraded)
            except (ModelUnavailable, ModelRefused) as failure:
                self.give_up(failure)
            except ModelFailure:
                # It answered and cannot read this one: no use to ask it again.
                by = self._llm.card.reference
        return Reading(await self._stood_in(review), by, degraded=True)

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
    shown = sentences(review.text)[:MOST_SENTENCES]
    while True:
        try:
            answer = await llm.complete(read_review_prompt(rating=review.rating, sentences=shown))
        except ContextOverflow:
            # Windows differ, and only the provider can count tokens: show the first half.
            if len(shown) < 2:
                raise
            shown = shown[: len(shown) // 2]
        else:
            return opinions_in(answer.parsed or {}, shown)


def opinions_in(answer: Mapping[str, Any], shown: Sequence[str]) -> Sequence[Opinion]:
    """The opinions of an answer about sentences that were shown; a sentence that says both
    of one aspect is mixed."""
    found: dict[tuple[int, Aspect], Polarity] = {}
    for item in answer.get("opinions", ()):
        place = item["sentence"], Aspect(item["aspect"])
        polarity = Polarity(item["polarity"])
        if 1 <= place[0] <= len(shown):
            same = found.get(place, polarity) is polarity
            found[place] = polarity if same else Polarity.MIXED
    return [
        Opinion(number, aspect, polarity, shown[number - 1][:_LONGEST_QUOTE])
        for (number, aspect), polarity in sorted(found.items())
    ]
