"""The application: all routes on one bundle of services, behind the gate."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from app import __version__
from app.api import problems
from app.api.gate import Gate, Limits
from app.api.idempotency import Idempotency
from app.api.measures import Measures
from app.api.routers import (
    accounts,
    catalog,
    jobs,
    lending,
    operations,
    recommendations,
    reviews,
    summaries,
)
from app.services import Services

_ROOMS = (accounts, catalog, summaries, lending, reviews, recommendations, jobs, operations)
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
) -> ASGIApp:
    """The ASGI application. `kick` is called after each answer that left a job behind."""
    api = FastAPI(
        title="LuminaLib",
        version=__version__,
        description=_ABOUT,
        generate_unique_id_function=_operation_id,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    api.state.services = services
    api.state.kick = kick
    problems.install(api)
    for room in _ROOMS:
        api.include_router(room.router)
    return Gate(
        Idempotency(Measures(api), services=services),
        authenticate=services.accounts.authenticate,
        limits=limits,
        public_metrics=public_metrics,
    )


def _operation_id(route: APIRoute) -> str:
    return route.name
