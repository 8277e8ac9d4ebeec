"""Who may call what: the one table of all routes, and what follows from it.

A new route is one line here: its method and path as in the OpenAPI document, and an audience.
Without that line `create_api` refuses to start, naming the route. The gate lets through unasked
what is for EVERYBODY; LIBRARIANS and ADMINS are held to their role before the route runs; whose
thing it is only the service behind a route can know, so OWNER and OWNER_OR_LIBRARIAN are kept
there. `tests/api/test_policy.py` takes the table from here and tries every route as everybody:
a route with an id of a new kind in its path needs one in `Cast.new_ids`, one that takes JSON an
example in `tests/api/test_hostile_input.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import cast

from fastapi import Request
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from app.domains.accounts.model import User
from app.shared.errors import Forbidden


class Audience(StrEnum):
    EVERYBODY = "everybody"
    SIGNED_IN = "who is signed in"
    OWNER = "whose it is"
    OWNER_OR_LIBRARIAN = "whose it is, and librarians"
    LIBRARIANS = "librarians"
    ADMINS = "admins"
    # Who runs the library says so: SERVER_METRICS.
    BY_SETTING = "who is signed in, or everybody"


POLICY: Mapping[str, Audience] = {
    "POST /auth/signup": Audience.EVERYBODY,
    "POST /auth/login": Audience.EVERYBODY,
    "POST /auth/refresh": Audience.EVERYBODY,
    "POST /auth/signout": Audience.SIGNED_IN,
    "GET /users": Audience.ADMINS,
    "PATCH /users/{user_id}": Audience.ADMINS,
    "GET /users/me": Audience.SIGNED_IN,
    "PATCH /users/me": Audience.SIGNED_IN,
    "DELETE /users/me": Audience.SIGNED_IN,
    "POST /users/me/password": Audience.SIGNED_IN,
    "GET /users/me/export": Audience.SIGNED_IN,
    "GET /users/me/loans": Audience.SIGNED_IN,
    "DELETE /users/me/history": Audience.SIGNED_IN,
    "GET /users/me/preferences": Audience.SIGNED_IN,
    "PUT /users/me/preferences": Audience.SIGNED_IN,
    "GET /admin/audit": Audience.ADMINS,
    "POST /books": Audience.SIGNED_IN,
    "GET /books": Audience.SIGNED_IN,
    "GET /books/facets": Audience.SIGNED_IN,
    "GET /books/{book_id}": Audience.SIGNED_IN,
    "PUT /books/{book_id}": Audience.OWNER_OR_LIBRARIAN,
    "DELETE /books/{book_id}": Audience.OWNER_OR_LIBRARIAN,
    "PUT /books/{book_id}/content": Audience.OWNER_OR_LIBRARIAN,
    # And who has it on loan.
    "GET /books/{book_id}/content": Audience.OWNER_OR_LIBRARIAN,
    "GET /books/{book_id}/search": Audience.SIGNED_IN,
    "GET /books/{book_id}/summary": Audience.SIGNED_IN,
    "POST /books/{book_id}/summary": Audience.OWNER_OR_LIBRARIAN,
    "DELETE /books/{book_id}/summary": Audience.OWNER_OR_LIBRARIAN,
    "POST /generate-summary": Audience.SIGNED_IN,
    "GET /jobs/{job_id}": Audience.OWNER_OR_LIBRARIAN,
    "POST /books/{book_id}/borrow": Audience.SIGNED_IN,
    "POST /books/{book_id}/return": Audience.SIGNED_IN,
    "POST /books/{book_id}/renew": Audience.SIGNED_IN,
    # Of the loan: who has or had the book, whatever their role.
    "POST /books/{book_id}/reviews": Audience.OWNER,
    "GET /books/{book_id}/reviews": Audience.SIGNED_IN,
    "PUT /books/{book_id}/reviews/{review_id}": Audience.OWNER,
    "DELETE /books/{book_id}/reviews/{review_id}": Audience.OWNER_OR_LIBRARIAN,
    "GET /books/{book_id}/analysis": Audience.SIGNED_IN,
    "GET /books/{book_id}/similar": Audience.SIGNED_IN,
    "GET /recommendations": Audience.SIGNED_IN,
    # That of somebody else is not found.
    "POST /recommendations/{recommendation_id}/feedback": Audience.SIGNED_IN,
    "GET /search": Audience.SIGNED_IN,
    "GET /healthz": Audience.EVERYBODY,
    "GET /readyz": Audience.EVERYBODY,
    "GET /metrics": Audience.BY_SETTING,
    "GET /": Audience.EVERYBODY,
    "GET /docs": Audience.EVERYBODY,
    "GET /docs/oauth2-redirect": Audience.EVERYBODY,
    "GET /redoc": Audience.EVERYBODY,
    "GET /openapi.json": Audience.EVERYBODY,
}


class UndeclaredRoute(Exception):
    """A route of which nobody has said who may call it."""


def public_paths(*, metrics: bool) -> frozenset[str]:
    """The paths the gate asks nobody's name at; with or without `/metrics`."""
    open_to_all = {Audience.EVERYBODY} | ({Audience.BY_SETTING} if metrics else set())
    by_path: dict[str, set[Audience]] = {}
    for route, audience in POLICY.items():
        by_path.setdefault(route.partition(" ")[2], set()).add(audience)
    return frozenset(path for path, audiences in by_path.items() if audiences <= open_to_all)


def check_declared(routes: Sequence[BaseRoute]) -> None:
    """Raises UndeclaredRoute unless the table names every route, and what is for everybody
    stands at paths of its own: the gate knows paths only, and no parameters."""
    if missing := sorted(set(names_of(routes)) - POLICY.keys()):
        raise UndeclaredRoute(f"Say who may call it in app/api/policy.py: {', '.join(missing)}.")
    public = public_paths(metrics=False)
    for route, audience in POLICY.items():
        path = route.partition(" ")[2]
        if audience is Audience.EVERYBODY and (path not in public or "{" in path):
            raise UndeclaredRoute(f"{route} cannot be for everybody: others share its path.")


async def admit(request: Request) -> None:
    """What each route depends on: Forbidden for a role it is not meant for."""
    audience = POLICY[_name(request.method, request.scope["route"].path)]
    if audience is Audience.ADMINS and not _asking(request).governs:
        raise Forbidden("Only admins may do that.")
    if audience is Audience.LIBRARIANS and not _asking(request).keeps_the_library:
        raise Forbidden("Only librarians may do that.")


def _asking(request: Request) -> User:
    return cast(User, request.state.user)


def names_of(routes: Sequence[BaseRoute]) -> Iterator[str]:
    """Each route as the table spells it."""
    for route in iter_route_contexts(routes):
        for method in route.methods or ():
            yield _name(method, route.path)


def _name(method: str, path: str | None) -> str:
    """Who may have a thing may ask what it is like."""
    return f"{'GET' if method == 'HEAD' else method} {path}"
