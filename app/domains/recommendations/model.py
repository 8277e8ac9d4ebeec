"""What a reader likes, what they were shown, and what they did with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypedDict
from uuid import UUID


class FeedbackAction(StrEnum):
    CLICK = "click"
    LIKE = "like"
    DISMISS = "dismiss"


class DeedKind(StrEnum):
    """What a reader can do with a book that tells something of their taste."""

    BORROWED = "borrowed"
    RENEWED = "renewed"
    RATED = "rated"
    CLICKED = "clicked"
    LIKED = "liked"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Deed:
    """Something a reader did with a book; `value` is the stars of a rating."""

    kind: DeedKind
    book_id: UUID
    at: datetime
    value: int | None = None


@dataclass(frozen=True, slots=True)
class Tastes:
    """Weights −1..1 by name as the reader writes it; names are compared without case."""

    genres: Mapping[str, float] = field(default_factory=dict)
    authors: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, float] = field(default_factory=dict)
    languages: Mapping[str, float] = field(default_factory=dict)


class Taste(TypedDict):
    name: str
    weight: float


@dataclass(eq=False, kw_only=True)
class Preferences:
    """What a reader said they like; what the library learns is never stored here."""

    user_id: UUID
    genres: list[Taste]
    authors: list[Taste]
    tags: list[Taste]
    languages: list[Taste]
    updated_at: datetime

    @classmethod
    def stated(cls, user_id: UUID, tastes: Tastes, at: datetime) -> "Preferences":
        return cls(
            user_id=user_id,
            genres=_listed(tastes.genres),
            authors=_listed(tastes.authors),
            tags=_listed(tastes.tags),
            languages=_listed(tastes.languages),
            updated_at=at,
        )

    @property
    def tastes(self) -> Tastes:
        return Tastes(
            *(_weights(t) for t in (self.genres, self.authors, self.tags, self.languages))
        )


def _listed(weights: Mapping[str, float]) -> list[Taste]:
    return [Taste(name=name, weight=weight) for name, weight in weights.items()]


def _weights(tastes: list[Taste]) -> dict[str, float]:
    return {taste["name"]: taste["weight"] for taste in tastes}


@dataclass(eq=False, kw_only=True)
class Showing:
    """One answer of the recommender: which books were shown, for later learning."""

    id: UUID
    user_id: UUID
    model: str
    model_version: str
    book_ids: list[UUID]
    shown_at: datetime


@dataclass(eq=False, kw_only=True)
class Feedback:
    id: UUID
    showing_id: UUID
    user_id: UUID
    book_id: UUID
    action: str
    at: datetime
