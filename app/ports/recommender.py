"""Finding the next book: a model of ids, texts and weights that knows no library."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Literal
from uuid import UUID

from app.shared.errors import Unavailable

ReasonKind = Literal[
    "because_you_borrowed", "you_like_genre", "you_like_author", "readers_like_you", "popular"
]


@dataclass(frozen=True, slots=True)
class Item:
    """What a model may know of a book. `popularity` counts readers; `text` is free words
    (description, summary)."""

    id: UUID
    title: str
    author: str
    genres: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    language: str | None = None
    text: str = ""
    popularity: int = 0
    year: int | None = None
    series: str | None = None


@dataclass(frozen=True, slots=True)
class Interaction:
    """What a reader's deeds say of an item, −1..1 in all; one for each pair of the two."""

    reader_id: UUID
    item_id: UUID
    weight: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a model is fitted on; `version` changes when any of it does."""

    version: str
    items: Sequence[Item]
    interactions: Sequence[Interaction] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """A reader as the model sees them: weights −1..1 by item (the latest deed first, where
    that is known), and by lower-case name."""

    items: Mapping[UUID, float] = field(default_factory=dict)
    genres: Mapping[str, float] = field(default_factory=dict)
    authors: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, float] = field(default_factory=dict)
    languages: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """What contributed most to a score: an item of the profile, or a name in it."""

    kind: ReasonKind
    item_id: UUID | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    item_id: UUID
    score: float
    reasons: tuple[Reason, ...]


class ModelDamaged(Unavailable):
    """A stored model that is cut short, altered, of another format or of another recommender."""

    title = "The stored recommender model cannot be read"


class Recommender(ABC):
    """All methods are pure computations, to be called off the event loop. One thread may
    `fit` or `load` while others ask: they are answered from one model or the other."""

    name: str

    @property
    @abstractmethod
    def items(self) -> Mapping[UUID, int]:
        """The items the model knows, with how many readers each had when it was fitted."""

    @abstractmethod
    def fit(self, snapshot: Snapshot) -> None:
        """Learn the snapshot, forgetting any earlier one; an empty one is fine. A fit that
        raises leaves the model as it was."""

    @abstractmethod
    def recommend(
        self, profile: Profile, exclude: Collection[UUID], k: int, *, diversity: float = 0.0
    ) -> list[Recommendation]:
        """At most k items, best first, none excluded, each with at least one true reason.

        Items the profile says something for come first; popularity fills up only what is
        left, and says so in its reason. Unknown ids in the profile are ignored. `diversity`
        0..1 is how much likeness to the items before it counts against an item (greedy
        maximal marginal relevance, Carbonell and Goldstein 1998); at 0 scores only fall.
        The first j of k are what is given for j.
        """

    @abstractmethod
    def similar(self, item_id: UUID, k: int) -> list[Recommendation]:
        """At most k items nearest to this one, without it; none for an unknown id."""

    @abstractmethod
    def save(self, target: BinaryIO) -> None:
        """Write the fitted model, describing itself and with a checksum; no code is in it."""

    @abstractmethod
    def load(self, source: BinaryIO) -> None:
        """Become what was saved, forgetting any earlier model. Raises ModelDamaged, and then
        stays as it was."""
