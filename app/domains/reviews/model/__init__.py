"""Opinions of readers, and what they add up to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

from app.domains.reviews.model.aspects import Aspect as Aspect
from app.domains.reviews.model.languages import language_of
from app.domains.reviews.model.topics import FREE, MOST_TOPICS, shown_name

ReviewSort = Literal["-created_at", "created_at", "-rating", "rating"]
ConsensusStatus = Literal["none", "pending", "fresh", "stale"]

FORMER_READER = "a former reader"


class Polarity(StrEnum):
    POSITIVE = "positive"
    NEGATIVE = "negative"
    MIXED = "mixed"


@dataclass(eq=False, kw_only=True)
class Review:
    """One reader's opinion of one book. `revision` grows with each edit; `read_revision`
    is the one whose opinions are counted (0: none yet), `read_by` the model that was asked
    for them, `read_with` the prompt (`name@version#hash`), `read_degraded` that a stand-in
    had to answer. `words_key` names its words whatever the white space between them."""

    id: UUID
    book_id: UUID
    user_id: UUID | None
    rating: int
    text: str
    created_at: datetime
    updated_at: datetime
    revision: int = 1
    read_revision: int = 0
    read_by: str | None = None
    read_with: str | None = None
    read_degraded: bool = False
    words_key: str | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        self._note_words()

    @property
    def is_read(self) -> bool:
        return self.read_revision == self.revision

    def edit(self, *, rating: int, text: str, at: datetime) -> None:
        """The new words are unread: nothing of the old ones counts any more."""
        self.rating, self.text, self.updated_at = rating, text, at
        self.revision += 1
        self.read_revision, self.read_degraded = 0, False
        self.read_by = self.read_with = None
        self._note_words()

    def mark_read(self, reading: "Reading") -> None:
        self.read_revision = self.revision
        self.read_by, self.read_with = reading.by, reading.prompt
        self.read_degraded = reading.degraded

    def reading_of(self, opinions: Sequence["Opinion"]) -> "Reading":
        """These opinions, found as those were that are counted now."""
        return Reading(opinions, self.read_by or "", self.read_degraded, self.read_with)

    def says_the_same_as(self, text: str) -> bool:
        return self.words_key == words_key_of(text)

    def _note_words(self) -> None:
        self.words_key, self.language = words_key_of(self.text), language_of(self.text)


def words_key_of(text: str) -> str:
    """A hash of the words of a text, whatever white space stands between them."""
    return sha256(" ".join(text.split()).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A review with the name its reader goes by."""

    review: Review
    reviewer: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """Sentence `sentence` (from 1) of a review, `quote` in its own words, says this about
    that: an Aspect, or a free topic (`other:…`). A review has at most one opinion for each
    sentence and aspect."""

    sentence: int
    aspect: str
    polarity: Polarity
    quote: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model found in a review, which model was asked (`provider:model`), and how
    (`name@version#hash` of the prompt)."""

    opinions: Sequence[Opinion]
    by: str
    degraded: bool
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A sentence of a live review that stands for one view of an aspect."""

    review_id: UUID
    aspect: str
    polarity: Polarity
    text: str
    sentence: int = 1


@dataclass(frozen=True, slots=True)
class Ratings:
    """Stars as given: `histogram[n]` readers gave n + 1 stars."""

    count: int = 0
    total: int = 0
    histogram: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)

    @property
    def average(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass(frozen=True, slots=True)
class AspectCount:
    """How many readers speak of an aspect (or of a free topic), by what they think of it;
    each reader counts once: as mixed when they say both."""

    aspect: str
    positive: int
    negative: int
    mixed: int

    @property
    def readers(self) -> int:
        return self.positive + self.negative + self.mixed

    @property
    def is_free(self) -> bool:
        return self.aspect.startswith(FREE)

    @property
    def name(self) -> str:
        return shown_name(self.aspect)

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.positive, self.negative, self.mixed


def ranked_counts(counts: Iterable[AspectCount]) -> tuple[AspectCount, ...]:
    """The most spoken of first, among equals in the order of our list, then by name; of free
    topics no more than there is room for."""
    order = {aspect.value: place for place, aspect in enumerate(Aspect)}
    ranked = sorted(counts, key=lambda c: (-c.readers, order.get(c.aspect, len(order)), c.aspect))
    topics = [count for count in ranked if count.is_free][:MOST_TOPICS]
    return tuple(count for count in ranked if not count.is_free or count in topics)


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is counted of a book's reviews at one moment: the stars of all, and what
    `readers` of them, whose reviews have been read, say of which aspect (the most spoken of
    first; free topics from five readers on). `degraded`: a stand-in read some of them;
    `language`: the one most of them are written in, as far as it is known."""

    ratings: Ratings = Ratings()
    aspects: tuple[AspectCount, ...] = ()
    readers: int = 0
    degraded: bool = False
    language: str | None = None

    @property
    def all_read(self) -> bool:
        return self.readers == self.ratings.count

    @property
    def sentiment(self) -> float | None:
        """−1..1, or None without a review: the stars, (average − 3) / 2, and where aspects
        are spoken of the mean of that and (positive − negative) / all readers' views."""
        if self.ratings.average is None:
            return None
        stars = (self.ratings.average - 3) / 2
        views = sum(count.readers for count in self.aspects)
        if not views:
            return round(stars, 3)
        leaning = sum(count.positive - count.negative for count in self.aspects) / views
        return round((stars + leaning) / 2, 3)


@dataclass(frozen=True, slots=True)
class Source:
    """Who wrote a text: `prompt` is `name@version#hash`; degraded: a stand-in did."""

    provider: str
    model: str
    prompt: str
    degraded: bool


@dataclass(eq=False, kw_only=True)
class Consensus:
    """What readers of a book think, in words, and what it was told from (`basis`).

    Status: pending (nothing told yet), fresh, or stale (reviews changed since).
    `retractions` counts edits and withdrawals and never falls; the text is worth showing
    only while it is `vouched` for after the last of them.
    """

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
    retractions: int = 0
    vouched: int = 0

    @classmethod
    def untold(cls, book_id: UUID, at: datetime) -> "Consensus":
        return cls(
            book_id=book_id,
            status="pending",
            text=None,
            basis={},
            reviews_covered=0,
            provider=None,
            model=None,
            prompt=None,
            degraded=False,
            updated_at=at,
        )

    @property
    def holds(self) -> bool:
        return self.text is not None and self.vouched == self.retractions

    @property
    def source(self) -> Source | None:
        if self.provider is None or self.model is None or self.prompt is None:
            return None
        return Source(self.provider, self.model, self.prompt, self.degraded)

    def unsettle(self, at: datetime) -> None:
        """A review came."""
        if self.status == "fresh":
            self.status = "stale"
        self.updated_at = at

    def retract(self, review_id: UUID, at: datetime) -> None:
        """A review went or was reworded; a text that used its sentences is forgotten."""
        self.unsettle(at)
        self.retractions += 1
        if str(review_id) in self.basis.get("voices", ()):
            self.text = None

    def forget(self, at: datetime) -> None:
        """The last review went."""
        self.status, self.text, self.basis, self.updated_at = "pending", None, {}, at
        self.provider = self.model = self.prompt = None
        self.degraded, self.reviews_covered = False, 0

    def tell(
        self, text: str, source: Source, *, basis: Mapping[str, Any], covered: int, at: datetime
    ) -> None:
        self.text, self.basis, self.degraded = text, dict(basis), source.degraded
        self.provider, self.model, self.prompt = source.provider, source.model, source.prompt
        self.status = "stale"
        self.vouch(covered=covered, at=at)

    def vouch(self, *, covered: int, at: datetime) -> None:
        """The text holds for these reviews too."""
        self.vouched, self.reviews_covered, self.updated_at = self.retractions, covered, at

    def settle(self) -> None:
        """Nothing has changed since it was told or vouched for."""
        self.status = "fresh"


@dataclass(frozen=True, slots=True)
class AspectView:
    count: AspectCount
    quotes: Sequence[Exemplar]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a book's readers think, in numbers and in words."""

    book_id: UUID
    status: ConsensusStatus
    ratings: Ratings
    sentiment: float | None
    consensus: str | None = None
    aspects: Sequence[AspectView] = field(default=())
    reviews_covered: int = 0
    source: Source | None = None
    updated_at: datetime | None = None
