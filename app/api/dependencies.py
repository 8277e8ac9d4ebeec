"""What routes ask for, by name."""

from collections.abc import Awaitable, Callable
from typing import Annotated, cast
from uuid import UUID

from fastapi import BackgroundTasks, Depends, Query, Request
from fastapi.security import OAuth2PasswordBearer

from app.domains.accounts.model import User
from app.domains.accounts.service import AccountsService, AuditService, PersonalDataService
from app.domains.catalog.service import IngestionService, ShelvingService, SummaryService
from app.domains.discovery.service import SearchService
from app.domains.lending.service import LendingService
from app.domains.recommendations.service import RecommendationsService
from app.domains.reviews.service import ReviewsService
from app.ports.jobs import JobBoard
from app.services import Services
from app.shared.pages import MAX_LIMIT, PageRequest

# For the Authorize button of /docs; the gate has checked the token before any route runs.
_bearer = OAuth2PasswordBearer(tokenUrl="/auth/login", auto_error=False)


# Whatever is no coroutine runs in a thread of its own, which costs more than it does.
def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


async def _everything(request: Request) -> Services:
    return _services(request)


def _part(name: str) -> Callable[[Request], Awaitable[object]]:
    async def part(request: Request) -> object:
        return getattr(_services(request), name)

    return part


async def _current_user(request: Request, _: Annotated[str | None, Depends(_bearer)]) -> User:
    return cast(User, request.state.user)


async def _current_session(request: Request, _: Annotated[str | None, Depends(_bearer)]) -> UUID:
    return cast(UUID, request.state.session_id)


async def _paging(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 20,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> PageRequest:
    return PageRequest(limit, cursor)


async def kick(request: Request, background: BackgroundTasks) -> None:
    """Have this process look for jobs once the answer is out; nothing is lost without it."""
    background.add_task(cast(Callable[[], Awaitable[None]], request.app.state.kick))


async def note_view(
    book_id: UUID,
    request: Request,
    background: BackgroundTasks,
    user: Annotated[User, Depends(_current_user)],
) -> None:
    """Have it noted, once the answer is out, that the reader looked at the book."""
    background.add_task(_services(request).recommendations.note_view, user, book_id)


CurrentUser = Annotated[User, Depends(_current_user)]
CurrentSession = Annotated[UUID, Depends(_current_session)]
Paging = Annotated[PageRequest, Depends(_paging)]
Everything = Annotated[Services, Depends(_everything)]
Accounts = Annotated[AccountsService, Depends(_part("accounts"))]
Audit = Annotated[AuditService, Depends(_part("audit"))]
OwnData = Annotated[PersonalDataService, Depends(_part("personal_data"))]
Shelving = Annotated[ShelvingService, Depends(_part("shelving"))]
Ingestion = Annotated[IngestionService, Depends(_part("ingestion"))]
Summaries = Annotated[SummaryService, Depends(_part("summaries"))]
Lending = Annotated[LendingService, Depends(_part("lending"))]
Reviews = Annotated[ReviewsService, Depends(_part("reviews"))]
Recommendations = Annotated[RecommendationsService, Depends(_part("recommendations"))]
Jobs = Annotated[JobBoard, Depends(_part("jobs"))]
Search = Annotated[SearchService, Depends(_part("search"))]
