"""Preferences and recommendations over the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from app.api.schemas.base import In, Line, Out
from app.api.schemas.catalog import BookOut
from app.domains.recommendations.model import FeedbackAction, Preferences, Taste, Tastes
from app.domains.recommendations.service import Recommended
from app.domains.recommendations.service.recommending import StatedAndLearnt


class TasteIn(In):
    name: Line
    weight: Annotated[float, Field(ge=-1, le=1)] = 1.0


def _named_once(tastes: list[TasteIn]) -> list[TasteIn]:
    if len({taste.name.casefold() for taste in tastes}) < len(tastes):
        raise ValueError("names each taste once (case does not matter)")
    return tastes


TastesIn = Annotated[list[TasteIn], Field(max_length=100), AfterValidator(_named_once)]


class PreferencesIn(In):
    genres: TastesIn = []
    authors: TastesIn = []
    tags: TastesIn = []
    languages: TastesIn = []

    def stated_by(self, user_id: UUID, at: datetime) -> Preferences:
        return Preferences(
            user_id=user_id,
            genres=_plain(self.genres),
            authors=_plain(self.authors),
            tags=_plain(self.tags),
            languages=_plain(self.languages),
            updated_at=at,
        )


class TasteOut(Out):
    name: str
    weight: float


class TastesOut(Out):
    genres: list[TasteOut]
    authors: list[TasteOut]
    tags: list[TasteOut]
    languages: list[TasteOut]


class PreferencesOut(TastesOut):
    """What the reader said, and, read-only, what the library learnt from what they did."""

    learned: TastesOut

    @classmethod
    def of(cls, both: StatedAndLearnt) -> "PreferencesOut":
        stated = _weighed(both.stated.tastes)
        return cls.model_validate({**stated, "learned": _weighed(both.learnt)})


class ReasonOut(Out):
    kind: str
    book_id: UUID | None = None
    value: str | None = None
    text: str


class RecommendationOut(Out):
    book: BookOut
    score: float
    reasons: list[ReasonOut]


class ModelOut(Out):
    name: str
    version: str
    trained_at: datetime


class RecommendationsOut(Out):
    items: list[RecommendationOut]
    model: ModelOut
    recommendation_id: UUID

    @classmethod
    def of(cls, found: Recommended) -> "RecommendationsOut":
        return cls(
            items=[
                RecommendationOut(
                    book=BookOut.of(item.book),
                    score=round(item.score, 6),
                    reasons=[ReasonOut.model_validate(reason) for reason in item.reasons],
                )
                for item in found.items
            ],
            model=ModelOut(
                name=found.model, version=found.model_version, trained_at=found.trained_at
            ),
            recommendation_id=found.recommendation_id,
        )


class FeedbackIn(In):
    book_id: UUID
    action: FeedbackAction


def _plain(tastes: list[TasteIn]) -> list[Taste]:
    return [Taste(name=taste.name, weight=taste.weight) for taste in tastes]


def _weighed(tastes: Tastes) -> dict[str, list[Taste]]:
    def listed(weights: Mapping[str, float]) -> list[Taste]:
        return [Taste(name=name, weight=weight) for name, weight in weights.items()]

    kinds = ("genres", "authors", "tags", "languages")
    return {kind: listed(getattr(tastes, kind)) for kind in kinds}
