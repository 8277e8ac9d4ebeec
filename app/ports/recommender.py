"""Finding the next book: a model of ids, texts and weights that knows no library."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

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


@dataclass(frozen=True, slots=True)
class Interaction:
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
    """A reader as the model sees them: weights −1..1 by item, and by lower-case name."""

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


class Recommender(ABC):
    """`fit` and the questions are pure computations, to be called off the event loop."""

    name: str

    @abstractmethod
    def fit(self, snapshot: Snapshot) -> None:
        """Learn the snapshot, forgetting any earlier one; an empty one is fine."""

    @abstractmethod
    def recommend(
        self, profile: Profile, exclude: Collection[UUID], k: int
    ) -> list[Recommendation]:
        """At most k items, best first, none excluded, each with at least one true reason.

        Items the profile says something for come first; popularity fills up only what is
        left, and says so in its reason. Unknown ids in the profile are ignored.
        """

    @abstractmethod
    def similar(self, item_id: UUID, k: int) -> list[Recommendation]:
        """At most k items nearest to this one, without it; none for an unknown id."""
