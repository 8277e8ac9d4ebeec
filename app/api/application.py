"""The application: all routes on one bundle of services, behind the gate."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp
from typing_extensions import override

from app import __version__
from app.api import problems
from app.api.gate import Gate, Limits
from app.api.hygiene import AddressTooLong, HeadersTooLarge, MalformedRequest
from app.api.idempotency import Idempotency
from app.api.measures import Measures
from app.api.origins import Origins, behind_proxies
from app.api.policy import admit, check_declared, public_paths
from app.api.routers import (
    accounts,
    admin,
    catalog,
    jobs,
    lending,
    operations,
    recommendations,
    reviews,
    search,
    summaries,
)
from app.domains.accounts.errors import InvalidToken
from app.services import Services
from app.shared.errors import Invalid, LibraryError, NotAuthenticated, TooLarge, Unavailable

_ROOMS = (
    accounts,
    catalog,
    summaries,
    lending,
    reviews,
    recommendations,
    search,
    jobs,
    admin,
    operations,
)
# What the gate may say to any request.
_OF_THE_GATE = (MalformedRequest, AddressTooLong, HeadersTooLarge, Unavailable)
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_NOTHING_SAID = ("", "Validation Error")
_ABOUT = """
A library system that has read its own books. Upload a TXT, Markdown, PDF or EPUB file; it is
read and summarised whole in the background. Borrow, review, and ask what to read next.

Sign up, then press **Authorize**.
"""


def create_api(
    services: Services,
    *,
    limits: Limits,
    kick: Callable[[], Awaitable[None]],
    public_metrics: bool = True,
    trusted_proxies: Sequence[str] = (),
) -> ASGIApp:
    """The ASGI application. `kick` is called after each answer that left a job behind. Raises
    UndeclaredRoute when the table of `policy.py` does not name a route."""
    api = _Library(
        title="LuminaLib",
        version=__version__,
        description=_ABOUT,
        generate_unique_id_function=_operation_id,
        # A redirect would lead to whatever host the request names.
        redirect_slashes=False,
        # Spans are ours: the framework's would carry what readers search for.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        dependencies=[Depends(admit)],
    )
    api.state.services = services
    api.state.public = public_paths(metrics=public_metrics)
    api.state.kick = kick
    problems.install(api)
    for room in _ROOMS:
        api.include_router(room.router)
    check_declared(api.routes)
    gate = Gate(
        Idempotency(Origins(api), services=services),
        authenticate=services.accounts.authenticate,
        limits=limits,
        public=api.state.public,
    )
    return behind_proxies(Measures(gate), trusted_proxies)


class _Library(FastAPI):
    """FastAPI, whose document also tells what the gate and the error handlers do."""

    @override
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    _complete(operation, is_public=path in self.state.public)
        return self.openapi_schema or {}


def _complete(operation: dict[str, Any], *, is_public: bool) -> None:
    answers = operation["responses"]
    _also(answers, *_OF_THE_GATE)
    if not is_public:
        # Swagger's pages send the token only where they are told to.
        operation.setdefault("security", [{"OAuth2PasswordBearer": []}])
        _also(answers, NotAuthenticated, InvalidToken)
    if "422" in answers:
        _also(answers, Invalid)
    if "requestBody" in operation:
        _also(answers, TooLarge)
    for status, answer in answers.items():
        if status >= "400":
            answer["content"] = {"application/problem+json": {"schema": _PROBLEM}}


def _also(answers: dict[str, Any], *errors: type[LibraryError]) -> None:
    for status, answer in problems.problems(*errors).items():
        there = answers.setdefault(str(status), {"description": ""})
        said = [] if there["description"] in _NOTHING_SAID else [there["description"]]
        new = [one for one in answer["description"].split("; ") if one not in "; ".join(said)]
        there["description"] = "; ".join(said + new)


def _operation_id(route: APIRoute) -> str:
    return route.name
