"""Preferences and recommendations over the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from app.api.schemas.base import In, Line, Out
from app.api.schemas.catalog import BookOut
from app.domains.recommendations.model import FeedbackAction, Tastes
from app.domains.recommendations.service import Recommended
from app.domains.recommendations.service.recommending import StatedAndLearnt
from app.ports.recommender import ReasonKind


class TasteIn(In):
    name: Line
    weight: Annotated[float, Field(strict=True, ge=-1, le=1, allow_inf_nan=False)] = 1.0


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

    @property
    def tastes(self) -> Tastes:
        return Tastes(
            genres=_weights(self.genres),
            authors=_weights(self.authors),
            tags=_weights(self.tags),
            languages=_weights(self.languages),
        )


class TasteOut(Out):
    name: str
    weight: float


class TastesOut(Out):
    genres: list[TasteOut]
    authors: list[TasteOut]
    tags: list[TasteOut]
    languages: list[TasteOut]

    @classmethod
    def of(cls, tastes: Tastes) -> "TastesOut":
        return cls(
            genres=_listed(tastes.genres),
            authors=_listed(tastes.authors),
            tags=_listed(tastes.tags),
            languages=_listed(tastes.languages),
        )


class PreferencesOut(TastesOut):
    """What the reader said, and, read-only, what the library learnt from what they did."""

    learned: TastesOut

    @classmethod
    def beside(cls, both: StatedAndLearnt) -> "PreferencesOut":
        return cls(**dict(TastesOut.of(both.stated)), learned=TastesOut.of(both.learnt))


class ReasonOut(Out):
    kind: ReasonKind
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


def _weights(tastes: list[TasteIn]) -> dict[str, float]:
    return {taste.name: taste.weight for taste in tastes}


def _listed(weights: Mapping[str, float]) -> list[TasteOut]:
    return [TasteOut(name=name, weight=weight) for name, weight in weights.items()]
