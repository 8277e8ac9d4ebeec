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
from app.domains.recommendations.errors import BookNotShown, ShowingNotFound
from app.shared.errors import NotAuthenticated, Unavailable

router = APIRouter(tags=["recommendations"], responses=problems(NotAuthenticated, Unavailable))

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
    """Books for you, best first, each with its reasons; never one you have or had.

    Books with a free copy come first; of those that are all out, the best keep up to a third
    of the places, at the end. In the last third a place is now and then given to chance
    (`RECOMMENDER_EXPLORE`). `model.name` says who answers: `popular` means that there is no
    model yet."""
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
    """Say what you did with a book you were shown; a dismissed one does not come back. Saying
    the same twice is saying it once."""
    await service.take_feedback(user, recommendation_id, book_id=body.book_id, action=body.action)


@router.delete("/users/me/history", status_code=status.HTTP_204_NO_CONTENT)
async def forget_history(user: CurrentUser, service: Recommendations) -> None:
    """Have the library forget what you did so far: the books you looked at, what you were
    shown and said of it (dismissed books may come back), and your name on loans that are
    over, so that you have to borrow such a book again to review it.

    Loans that are still open stay yours, reviews stay published, and so do the preferences
    you stated; none of what happened up to now is learnt from any more."""
    await service.forget_history(user)
