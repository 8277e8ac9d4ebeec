"""The one question a consensus is told from, and its record: enough to ask it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from uuid import UUID

from app.domains.reviews.model import AspectCount, Exemplar, Polarity, Ratings, Standing
from app.domains.reviews.prompts import tell_consensus_prompt
from app.domains.reviews.service.phrases import phrases_for
from app.domains.reviews.service.telling import (
    Heard,
    basis_of,
    facts_of,
    line_of,
    told_of,
    voices_of,
)
from app.ports.llm import CompletionRequest
from app.shared.fencing import unmarked

_THEIRS = "the language of the readers' sentences"


@dataclass(frozen=True, slots=True)
class Question:
    """What the model is asked about a standing: counted facts and sentences of readers, and
    after a first attempt what was wrong with its answer (`remarks`)."""

    standing: Standing
    voices: Sequence[Exemplar]
    remarks: Sequence[str] = ()
    attempt: int = 0

    @classmethod
    def about(cls, standing: Standing, exemplars: Sequence[Exemplar]) -> "Question":
        told = {count.aspect for count in told_of(standing)}
        return cls(standing, voices_of([one for one in exemplars if one.aspect in told]))

    def again(self, remarks: Sequence[str]) -> "Question":
        return replace(self, remarks=remarks, attempt=self.attempt + 1)

    def request(self) -> CompletionRequest:
        language = self.standing.language
        return tell_consensus_prompt(
            facts=facts_of(self.standing),
            voices=[line_of(voice) for voice in self.voices],
            aspects=[count.name for count in told_of(self.standing)],
            language=phrases_for(language).language if language else _THEIRS,
            remarks=self.remarks,
            attempt=self.attempt,
        )

    def record(self, heard: Heard) -> dict[str, Any]:
        """The basis of its answer: what it rests on, what of it is heard, and all that is
        needed to ask again, but for the readers' words."""
        return {
            **basis_of(self.standing, self.voices, heard),
            "remarks": list(self.remarks),
            "attempt": self.attempt,
            "asked": rendered_hash(self.request()),
        }


def question_from(basis: Mapping[str, Any], quotes: Mapping[tuple[UUID, int], str]) -> Question:
    """The question of a record, with the sentences readers wrote (by review and number)."""
    count, total, histogram = basis["ratings"]
    one, two, three, four, five = histogram
    standing = Standing(
        Ratings(count, total, (one, two, three, four, five)),
        tuple(AspectCount(aspect, *counts) for aspect, *counts in basis["aspects"]),
        basis["readers"],
        language=basis["language"],
    )
    voices = [
        Exemplar(UUID(review), aspect, Polarity(polarity), quotes[UUID(review), number], number)
        for review, number, aspect, polarity in basis["shown"]
    ]
    return Question(standing, voices, tuple(basis["remarks"]), basis["attempt"])


def rendered_hash(request: CompletionRequest) -> str:
    """A hash of what a model is shown, the marks of data blocks apart."""
    texts = [unmarked(message.content) for message in request.messages]
    return sha256("\0".join(texts).encode()).hexdigest()
