from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.api.dependencies import CurrentUser, Paging, Reviews, kick
from app.api.problems import problems
from app.api.schemas.base import PageOut
from app.api.schemas.reviews import AnalysisOut, ReviewIn, ReviewOut
from app.domains.catalog.errors import BookNotFound
from app.domains.reviews.errors import (
    AlreadyReviewed,
    NeverBorrowed,
    NotYourReview,
    ReviewNotFound,
)
from app.domains.reviews.model import ReviewSort
from app.shared.errors import NotAuthenticated

router = APIRouter(
    prefix="/books/{book_id}", tags=["reviews"], responses=problems(NotAuthenticated)
)


@router.post(
    "/reviews",
    status_code=201,
    dependencies=[Depends(kick)],
    responses=problems(BookNotFound, NeverBorrowed, AlreadyReviewed),
)
async def review(book_id: UUID, body: ReviewIn, reviews: Reviews, actor: CurrentUser) -> ReviewOut:
    view = await reviews.review(actor, book_id, rating=body.rating, text=body.text)
    return ReviewOut.of(view)


@router.get("/reviews", responses=problems(BookNotFound))
async def reviews_of_a_book(
    book_id: UUID,
    reviews: Reviews,
    _: CurrentUser,
    page: Paging,
    sort: Annotated[ReviewSort, Query()] = "-created_at",
) -> PageOut[ReviewOut]:
    found = await reviews.reviews_of(book_id, sort=sort, page=page)
    return PageOut[ReviewOut].of(found, ReviewOut.of)


@router.put(
    "/reviews/{review_id}",
    dependencies=[Depends(kick)],
    responses=problems(BookNotFound, ReviewNotFound, NotYourReview),
)
async def edit_review(
    book_id: UUID, review_id: UUID, body: ReviewIn, reviews: Reviews, actor: CurrentUser
) -> ReviewOut:
    view = await reviews.edit(actor, book_id, review_id, rating=body.rating, text=body.text)
    return ReviewOut.of(view)


@router.delete(
    "/reviews/{review_id}",
    status_code=204,
    dependencies=[Depends(kick)],
    responses=problems(BookNotFound, ReviewNotFound, NotYourReview),
)
async def withdraw_review(
    book_id: UUID, review_id: UUID, reviews: Reviews, actor: CurrentUser
) -> None:
    await reviews.withdraw(actor, book_id, review_id)


@router.get("/analysis", responses=problems(BookNotFound))
async def analysis(book_id: UUID, reviews: Reviews, _: CurrentUser) -> AnalysisOut:
    return AnalysisOut.of(await reviews.analysis(book_id))
