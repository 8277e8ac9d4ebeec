from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.api.dependencies import CurrentUser, Lending, Paging
from app.api.problems import problems
from app.api.schemas.base import PageOut
from app.api.schemas.lending import LoanOut
from app.domains.catalog.errors import BookNotFound
from app.domains.lending.errors import (
    AlreadyBorrowed,
    LoanLimitReached,
    NoCopyAvailable,
    NotBorrowed,
    RenewalLimitReached,
)
from app.domains.lending.model import Loan
from app.domains.lending.service import LendingService
from app.shared.errors import NotAuthenticated

router = APIRouter(tags=["lending"], responses=problems(NotAuthenticated))


@router.post(
    "/books/{book_id}/borrow",
    status_code=201,
    responses=problems(BookNotFound, NoCopyAvailable, AlreadyBorrowed, LoanLimitReached),
)
async def borrow(book_id: UUID, lending: Lending, actor: CurrentUser) -> LoanOut:
    return _out(lending, await lending.borrow(actor, book_id))


@router.post("/books/{book_id}/return", responses=problems(BookNotFound, NotBorrowed))
async def give_back(book_id: UUID, lending: Lending, actor: CurrentUser) -> LoanOut:
    return _out(lending, await lending.give_back(actor, book_id))


@router.post(
    "/books/{book_id}/renew", responses=problems(BookNotFound, NotBorrowed, RenewalLimitReached)
)
async def renew(book_id: UUID, lending: Lending, actor: CurrentUser) -> LoanOut:
    return _out(lending, await lending.renew(actor, book_id))


@router.get("/users/me/loans")
async def my_loans(
    lending: Lending,
    actor: CurrentUser,
    page: Paging,
    open: Annotated[bool | None, Query(description="true: on loan now; false: returned")] = None,
) -> PageOut[LoanOut]:
    found = await lending.loans_of(actor, open=open, page=page)
    return PageOut[LoanOut].of(found, lambda loan: _out(lending, loan))


def _out(lending: LendingService, loan: Loan) -> LoanOut:
    return LoanOut.model_validate({**vars(loan), "overdue": lending.is_overdue(loan)})
