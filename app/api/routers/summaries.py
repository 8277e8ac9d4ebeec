"""What the library says its books say."""

from uuid import UUID

from fastapi import APIRouter, Depends, Response, status

from app.api.dependencies import CurrentUser, Reviews, Summaries, kick
from app.api.problems import problems
from app.api.schemas.catalog import (
    GeneratedOut,
    GenerateSummaryIn,
    JobStartedOut,
    SummaryOut,
)
from app.api.schemas.reviews import RatingOut
from app.domains.catalog.errors import (
    BookNotFound,
    GeneratedTextOff,
    NotYourBook,
    SummaryNotPossible,
)
from app.domains.catalog.service.summarising import Generated, presentation_reply
from app.shared.errors import NotAuthenticated

router = APIRouter(tags=["summaries"], responses=problems(NotAuthenticated))


@router.get("/books/{book_id}/summary", responses=problems(BookNotFound))
async def show_summary(
    book_id: UUID, summaries: Summaries, reviews: Reviews, evidence: bool = False
) -> SummaryOut:
    """The summary of the whole book as it stands; never waits for a model. With
    `?evidence=true` each sentence comes with the sentences of the book that bear it out."""
    told = await summaries.show(book_id, evidence=evidence)
    rating = RatingOut.of(await reviews.ratings(book_id))
    return SummaryOut.of(told, rating)


@router.post(
    "/books/{book_id}/summary",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[Depends(kick)],
    responses=problems(BookNotFound, NotYourBook, SummaryNotPossible, GeneratedTextOff),
)
async def make_summary_anew(
    book_id: UUID, response: Response, user: CurrentUser, summaries: Summaries
) -> JobStartedOut:
    return _started(await summaries.make_anew(user, book_id), response)


@router.delete(
    "/books/{book_id}/summary",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(BookNotFound, NotYourBook),
)
async def cancel_summary(book_id: UUID, user: CurrentUser, summaries: Summaries) -> None:
    """Stop the running summary; what could be read before stays."""
    await summaries.cancel(user, book_id)


@router.post(
    "/generate-summary",
    dependencies=[Depends(kick)],
    responses={
        202: {"model": JobStartedOut, "description": "A job will make it"},
        **problems(BookNotFound, NotYourBook, SummaryNotPossible, GeneratedTextOff),
    },
)
async def generate_summary(
    body: GenerateSummaryIn, response: Response, user: CurrentUser, summaries: Summaries
) -> GeneratedOut | JobStartedOut:
    """Summarise a text, at once if it fits one question to the model, else by a job."""
    if body.book_id is not None:
        return _generated(await summaries.generate_for_book(user, body.book_id), response)
    generated = await summaries.generate_for_text(
        user, content=body.content or "", title=body.title or "Untitled"
    )
    return _generated(generated, response)


def _generated(generated: Generated, response: Response) -> GeneratedOut | JobStartedOut:
    if generated.presentation is not None:
        return GeneratedOut.model_validate(presentation_reply(generated.presentation))
    assert generated.job_id is not None
    return _started(generated.job_id, response)


def _started(job_id: UUID, response: Response) -> JobStartedOut:
    response.status_code = status.HTTP_202_ACCEPTED
    response.headers["Location"] = f"/jobs/{job_id}"
    return JobStartedOut(job_id=job_id)
