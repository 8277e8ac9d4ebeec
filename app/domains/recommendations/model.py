"""What a reader likes, what they were shown, and what they did with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypedDict
from uuid import UUID


class FeedbackAction(StrEnum):
    CLICK = "click"
    LIKE = "like"
    DISMISS = "dismiss"


class DeedKind(StrEnum):
    """What a reader can do with a book that tells something of their taste."""

    VIEWED = "viewed"
    BORROWED = "borrowed"
    RENEWED = "renewed"
    FINISHED = "finished"
    RETURNED_EARLY = "returned_early"
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


# Who gives a book back the next day has hardly read it; who kept it for a week has.
EARLY = timedelta(days=2)
LONG_ENOUGH = timedelta(days=7)


def deeds_of_loan(
    book_id: UUID, *, borrowed_at: datetime, returned_at: datetime | None, renewals: int
) -> list[Deed]:
    """All that one loan says; it is kept once, in the lending room, and read from there."""
    deeds = [Deed(DeedKind.BORROWED, book_id, borrowed_at)]
    if renewals:
        deeds.append(Deed(DeedKind.RENEWED, book_id, borrowed_at))
    if returned_at and returned_at - borrowed_at < EARLY:
        deeds.append(Deed(DeedKind.RETURNED_EARLY, book_id, returned_at))
    elif returned_at and returned_at - borrowed_at >= LONG_ENOUGH:
        deeds.append(Deed(DeedKind.FINISHED, book_id, returned_at))
    return deeds


@dataclass(frozen=True, slots=True)
class Past:
    """What a reader must not be shown again: what they have or had on loan, what they
    dismissed."""

    had: frozenset[UUID] = frozenset()
    dismissed: frozenset[UUID] = frozenset()


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
    """One answer of the recommender, for later learning: the books in the order they were
    shown, and with which probability each came to its place."""

    id: UUID
    user_id: UUID
    model: str
    model_version: str
    book_ids: list[UUID]
    propensities: list[float]
    shown_at: datetime

    def propensity_of(self, book_id: UUID) -> float | None:
        return dict(zip(self.book_ids, self.propensities, strict=False)).get(book_id)


@dataclass(eq=False, kw_only=True)
class Feedback:
    """`propensity` is that of the showing: how likely the book was shown where it was."""

    id: UUID
    showing_id: UUID
    user_id: UUID
    book_id: UUID
    action: str
    at: datetime
    propensity: float | None = None


@dataclass(eq=False, kw_only=True)
class StoredModel:
    """A fitted model and its file. It is announced before the file is written, so that a file
    left behind by a crash is known by name, and serves from `published_at` on. `seconds` is how
    long the fit took, also one that failed; 0 while it is under way, or when its process died."""

    id: UUID
    name: str
    version: str
    storage_key: str
    announced_at: datetime
    books: int = 0
    seconds: float = 0.0
    size: int | None = None
    sha256: str | None = None
    published_at: datetime | None = None

    @classmethod
    def announced(cls, model_id: UUID, name: str, version: str, at: datetime) -> "StoredModel":
        key = f"models/{name}/{model_id}"
        return cls(id=model_id, name=name, version=version, storage_key=key, announced_at=at)

    def publish(self, at: datetime, *, size: int, sha256: str, books: int, seconds: float) -> None:
        self.size, self.sha256, self.published_at = size, sha256, at
        self.books, self.seconds = books, seconds

    def fail(self, *, seconds: float) -> None:
        self.seconds = max(seconds, 0.001)

    @property
    def fitted(self) -> bool:
        """Whether the fit came to its end, though the model may have been withdrawn since."""
        return self.sha256 is not None

    @property
    def failed_at(self) -> datetime | None:
        if self.fitted or not self.seconds:
            return None
        return self.announced_at + timedelta(seconds=self.seconds)

    @property
    def memory(self) -> str:
        """Which readers it may have been fitted on: two models say the same when nobody was
        forgotten between them, and neither was fitted on readers the other may not know."""
        return self.version.rpartition("-")[2]
