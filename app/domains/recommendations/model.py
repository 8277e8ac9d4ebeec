"""What a reader likes, what they were shown, and what they did with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class FeedbackAction(StrEnum):
    CLICK = "click"
    LIKE = "like"
    DISMISS = "dismiss"


@dataclass(frozen=True, slots=True)
class Tastes:
    """Weights −1..1 by name as the reader writes it; names are compared without case."""

    genres: Mapping[str, float] = field(default_factory=dict)
    authors: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, float] = field(default_factory=dict)
    languages: Mapping[str, float] = field(default_factory=dict)


@dataclass(eq=False, kw_only=True)
class Preferences:
    """What a reader said they like; what the library learns is never stored here."""

    user_id: UUID
    genres: list[dict[str, Any]]
    authors: list[dict[str, Any]]
    tags: list[dict[str, Any]]
    languages: list[dict[str, Any]]
    updated_at: datetime


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
