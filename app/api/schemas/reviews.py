from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.api.schemas.base import In, Out, Prose
from app.domains.reviews.model import Analysis, AspectView, Ratings, ReviewView


class ReviewIn(In):
    rating: Annotated[int, Field(strict=True, ge=1, le=5)]
    text: Prose


class ReviewOut(Out):
    id: UUID
    book_id: UUID
    user_id: UUID | None
    reviewer: str
    rating: int
    text: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, view: ReviewView) -> "ReviewOut":
        review = view.review
        return cls(
            id=review.id,
            book_id=review.book_id,
            user_id=review.user_id,
            reviewer=view.reviewer,
            rating=review.rating,
            text=review.text,
            created_at=review.created_at,
            updated_at=review.updated_at,
        )


class RatingOut(Out):
    """`histogram` says how many readers gave how many stars, from "1" to "5"."""

    average: float | None
    count: int
    histogram: dict[str, int]

    @classmethod
    def of(cls, ratings: Ratings) -> "RatingOut":
        histogram = {str(stars): n for stars, n in enumerate(ratings.histogram, start=1)}
        return cls(average=ratings.average, count=ratings.count, histogram=histogram)


class QuoteOut(Out):
    review_id: UUID
    text: str


class AspectOut(Out):
    """How many of `readers` speak well of it, ill, or both; each reader counts once. `free`:
    no aspect of the library's list, but a topic of the readers' own, shown from five on."""

    name: str
    free: bool
    positive: int
    negative: int
    mixed: int
    readers: int
    quotes: list[QuoteOut]

    @classmethod
    def of(cls, view: AspectView) -> "AspectOut":
        count = view.count
        return cls(
            name=count.name,
            free=count.is_free,
            positive=count.positive,
            negative=count.negative,
            mixed=count.mixed,
            readers=count.readers,
            quotes=[QuoteOut.model_validate(quote) for quote in view.quotes],
        )


class SourceOut(Out):
    """Who wrote the text; `degraded`: without a language model."""

    provider: str
    model: str
    prompt: str
    degraded: bool


class AnalysisOut(Out):
    """`sentiment` is the mean of the stars, (average − 3) / 2, and, where readers speak of
    aspects, of (positive − negative) / all; null without a review."""

    book_id: UUID
    status: str
    consensus: str | None
    sentiment: Annotated[float | None, Field(ge=-1, le=1)]
    aspects: list[AspectOut]
    rating: RatingOut
    reviews_covered: int
    source: SourceOut | None
    updated_at: datetime | None

    @classmethod
    def of(cls, analysis: Analysis) -> "AnalysisOut":
        source = analysis.source
        return cls(
            book_id=analysis.book_id,
            status=analysis.status,
            consensus=analysis.consensus,
            sentiment=analysis.sentiment,
            aspects=[AspectOut.of(view) for view in analysis.aspects],
            rating=RatingOut.of(analysis.ratings),
            reviews_covered=analysis.reviews_covered,
            source=SourceOut.model_validate(source) if source else None,
            updated_at=analysis.updated_at,
        )
