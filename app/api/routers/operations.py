"""For whoever runs the library: is it alive, is it ready, what is it doing."""

from contextlib import suppress

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import RedirectResponse

from app.api.dependencies import Everything, Jobs
from app.api.measures import show_backlog
from app.api.problems import problem_response, problems
from app.services import Part
from app.shared.errors import LibraryError, Unavailable

router = APIRouter(tags=["operations"])


@router.get("/", include_in_schema=False)
async def front_door() -> RedirectResponse:
    return RedirectResponse("/docs")


@router.get("/healthz")
async def is_alive() -> dict[str, str]:
    """The process answers; nothing else is asked."""
    return {"status": "alive"}


@router.get("/readyz", responses=problems(Unavailable), response_model=None)
async def is_ready(request: Request, services: Everything) -> dict[str, object] | Response:
    """Every part the library needs, each with what it says of itself; 503 names what is
    missing. A model that is away does not make the library unready: summaries wait."""
    found = {part.name: await _asked(part) for part in services.parts}
    missing = [part.name for part in services.parts if part.needed and not found[part.name]["ok"]]
    if missing:
        return problem_response(
            request.scope,
            status=503,
            code=Unavailable.code,
            title=Unavailable.title,
            detail=f"Not ready: {', '.join(missing)}.",
            headers={"Retry-After": "5"},
            parts=found,
        )
    return {"status": "ready", "parts": found}


@router.get("/metrics", response_class=Response)
async def metrics(jobs: Jobs) -> Response:
    """What this process counted, and the queue, in Prometheus's text format."""
    # Without its database a process still tells what it counted itself.
    with suppress(Unavailable):
        show_backlog(await jobs.backlog())
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _asked(part: Part) -> dict[str, object]:
    try:
        return {"ok": True, "detail": await part.check()}
    except LibraryError as error:
        return {"ok": False, "detail": error.detail}
    except Exception as error:
        return {"ok": False, "detail": type(error).__name__}
