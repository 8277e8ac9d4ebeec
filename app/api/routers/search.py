"""Finding books by name and by what they say."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.api.dependencies import CurrentUser, Search
from app.api.problems import problems
from app.api.schemas.base import Storable
from app.api.schemas.search import InBookOut, SearchOut
from app.domains.catalog.errors import BookNotFound, QueryTooSlow
from app.domains.catalog.model import BookQuery
from app.domains.discovery.model import Scope
from app.shared.errors import NotAuthenticated

router = APIRouter(tags=["search"], responses=problems(NotAuthenticated))

Question = Annotated[str, Query(min_length=1, max_length=1000), Storable]
Name = Annotated[str | None, Query(max_length=500), Storable]
Year = Annotated[int | None, Query(ge=-4000, le=9999)]
Limit = Annotated[int, Query(ge=1, le=50)]


def _filters(
    author: Name = None,
    genre: Name = None,
    tag: Name = None,
    language: Annotated[str | None, Query(max_length=35), Storable] = None,
    year_from: Year = None,
    year_to: Year = None,
    available: bool | None = None,
) -> BookQuery:
    return BookQuery(
        author=author,
        genre=genre,
        tag=tag,
        language=language,
        year_from=year_from,
        year_to=year_to,
        available=available,
    )


@router.get("/search", responses=problems(QueryTooSlow))
async def search(
    search: Search,
    actor: CurrentUser,
    filters: Annotated[BookQuery, Depends(_filters)],
    q: Question,
    scope: Scope = "all",
    limit: Limit = 20,
    facets: bool = False,
) -> SearchOut:
    """Books by title, author or ISBN, typos forgiven, and the passages of their text that
    say most of the question, with the place and a verbatim snippet."""
    answer = await search.search(actor, q, scope, filters, limit)
    return SearchOut.of(answer, await search.facets(q, filters) if facets else None)


@router.get("/books/{book_id}/search", responses=problems(BookNotFound))
async def search_in_book(
    book_id: UUID,
    search: Search,
    actor: CurrentUser,
    q: Question,
    sort: Annotated[str, Query(pattern="^(score|place)$")] = "score",
    after: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
    limit: Limit = 20,
) -> InBookOut:
    """The places of one book that say most of the question, or all of them in the order of
    the book (`sort=place`, which goes on with `after`)."""
    found = await search.search_in(
        actor, book_id, q, by_place=sort == "place", after=after, limit=limit
    )
    return InBookOut.of(found)
