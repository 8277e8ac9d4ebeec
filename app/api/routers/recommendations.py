"""What to read next, and what readers say of it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status

from app.api.dependencies import CurrentUser, Recommendations
from app.api.problems import problems
from app.api.schemas.recommendations import (
    FeedbackIn,
    PreferencesIn,
    PreferencesOut,
    RecommendationsOut,
)
from app.domains.catalog.errors import BookNotFound
from app.domains.recommendations.errors import BookNotShown, NoModelYet, ShowingNotFound
from app.shared.errors import NotAuthenticated

router = APIRouter(tags=["recommendations"], responses=problems(NotAuthenticated, NoModelYet))

Limit = Annotated[int, Query(ge=1, le=100)]


@router.get("/users/me/preferences")
async def show_preferences(user: CurrentUser, service: Recommendations) -> PreferencesOut:
    return PreferencesOut.beside(await service.preferences_of(user))


@router.put("/users/me/preferences")
async def state_preferences(
    body: PreferencesIn, user: CurrentUser, service: Recommendations
) -> PreferencesOut:
    """Replace what you said you like: weights from −1 (never) to 1 (always)."""
    return PreferencesOut.beside(await service.prefer(user, body.tastes))


@router.get("/recommendations")
async def recommend(
    user: CurrentUser, service: Recommendations, limit: Limit = 10
) -> RecommendationsOut:
    """Books for you, best first, each with its reasons; never one you have or had."""
    return RecommendationsOut.of(await service.recommend(user, limit))


@router.get("/books/{book_id}/similar", responses=problems(BookNotFound))
async def similar_books(
    book_id: UUID, user: CurrentUser, service: Recommendations, limit: Limit = 10
) -> RecommendationsOut:
    """The books most like this one, with what they have in common."""
    return RecommendationsOut.of(await service.similar(user, book_id, limit))


@router.post(
    "/recommendations/{recommendation_id}/feedback",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(ShowingNotFound, BookNotFound, BookNotShown),
)
async def give_feedback(
    recommendation_id: UUID, body: FeedbackIn, user: CurrentUser, service: Recommendations
) -> None:
    """Say what you did with a book you were shown; a dismissed one does not come back."""
    await service.take_feedback(user, recommendation_id, book_id=body.book_id, action=body.action)
