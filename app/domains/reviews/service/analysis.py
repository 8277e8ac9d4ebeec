"""What readers think of a book, as it is shown."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from app.domains.reviews.model import Analysis, AspectView, Consensus, Exemplar, Ratings, Standing
from app.domains.reviews.service.telling import TOLD_BY_NUMBERS, quotes_for, text_by_numbers


def analysis_by_stars(book_id: UUID, ratings: Ratings) -> Analysis:
    """Nothing but the stars: no reviews, or a library without generated texts."""
    return Analysis(book_id, "none", ratings, Standing(ratings).sentiment)


def analysis_of(
    consensus: Consensus, standing: Standing, exemplars: Sequence[Exemplar]
) -> Analysis:
    """The text while it holds, else the one that only speaks the numbers of this moment."""
    analysis = Analysis(
        consensus.book_id,
        "pending",
        standing.ratings,
        standing.sentiment,
        aspects=[AspectView(count, quotes_for(count, exemplars)) for count in standing.aspects],
        updated_at=consensus.updated_at,
    )
    if consensus.status == "pending":
        return analysis
    analysis = replace(analysis, status="fresh" if consensus.status == "fresh" else "stale")
    if not consensus.holds:
        text = text_by_numbers(standing)
        return replace(
            analysis, consensus=text, source=TOLD_BY_NUMBERS, reviews_covered=standing.readers
        )
    return replace(
        analysis,
        consensus=consensus.text,
        source=consensus.source,
        reviews_covered=consensus.reviews_covered,
    )
