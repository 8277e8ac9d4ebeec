"""Opinions of readers, and what they add up to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class Aspect(StrEnum):
    PLOT = "plot"
    CHARACTERS = "characters"
    PROSE = "prose"
    PACING = "pacing"
    ENDING = "ending"
    SETTING = "setting"
    DIALOGUE = "dialogue"
    IDEAS = "ideas"
    RESEARCH = "research"
    HUMOUR = "humour"
    EMOTION = "emotion"
    LENGTH = "length"
    EDITION = "edition"


class Polarity(StrEnum):
    POSITIVE = "positive"
    NEGATIVE = "negative"
    MIXED = "mixed"


@dataclass(eq=False, kw_only=True)
class Review:
    """One reader's opinion of one book. `revision` grows with each edit; `read_revision`
    is the one whose opinions are counted (0: none yet)."""

    id: UUID
    book_id: UUID
    user_id: UUID | None
    rating: int
    text: str
    created_at: datetime
    updated_at: datetime
    revision: int = 1
    read_revision: int = 0

    def edit(self, *, rating: int, text: str, at: datetime) -> None:
        self.rating, self.text, self.updated_at = rating, text, at
        self.revision += 1


@dataclass(frozen=True, slots=True)
class Opinion:
    """Sentence `sentence` (from 1) of a review says this about that."""

    sentence: int
    aspect: Aspect
    polarity: Polarity


@dataclass(frozen=True, slots=True)
class Ratings:
    """Stars as given: `histogram[n]` readers gave n + 1 stars."""

    count: int
    total: int
    histogram: tuple[int, int, int, int, int]

    @property
    def average(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass(frozen=True, slots=True)
class AspectCount:
    """How many readers speak of an aspect, by what they think of it; each reader counts
    once: as mixed when they say both."""

    aspect: Aspect
    positive: int
    negative: int
    mixed: int

    @property
    def readers(self) -> int:
        return self.positive + self.negative + self.mixed


@dataclass(eq=False, kw_only=True)
class Consensus:
    """What readers of a book think, in words, and the numbers it was told from
    (`basis`: {aspect: [positive, negative, mixed]}). Status: pending, fresh or stale."""

    book_id: UUID
    status: str
    text: str | None
    basis: dict[str, Any]
    reviews_covered: int
    provider: str | None
    model: str | None
    prompt: str | None
    degraded: bool
    updated_at: datetime
