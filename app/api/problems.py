"""Expected failures become problem documents (RFC 9457); unexpected ones an id and nothing
else. This is the only place where an error meets a status."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api.hygiene import AddressTooLong, HeadersTooLarge, MalformedRequest
from app.shared.errors import (
    Conflict,
    Forbidden,
    Invalid,
    LibraryError,
    NotAuthenticated,
    NotFound,
    PreconditionFailed,
    RangeNotSatisfiable,
    TooLarge,
    TooMany,
    Unavailable,
    Unsupported,
)

log = logging.getLogger(__name__)

_STATUS: Mapping[type[LibraryError], int] = {
    MalformedRequest: 400,
    Invalid: 422,
    NotAuthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    PreconditionFailed: 412,
    TooLarge: 413,
    AddressTooLong: 414,
    Unsupported: 415,
    RangeNotSatisfiable: 416,
    TooMany: 429,
    HeadersTooLarge: 431,
    Unavailable: 503,
}
_MOST_ERRORS = 20
_FRAMEWORK_CODES = {
    422: "validation_failed",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
}


class Problem(BaseModel):
    """RFC 9457, with `code` for programs and `request_id` for whoever reads the log."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str


def status_of(error: type[LibraryError]) -> int:
    """The status of the kind the error belongs to; 500 for one that belongs to none."""
    return next((_STATUS[kind] for kind in error.__mro__ if kind in _STATUS), 500)


def problems(*errors: type[LibraryError]) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: each status with the codes it may carry."""
    by_status: dict[int, list[str]] = {}
    for error in errors:
        by_status.setdefault(status_of(error), []).append(f"`{error.code}`: {error.title}")
    return {
        status: {"model": Problem, "description": "; ".join(texts)}
        for status, texts in by_status.items()
    }


def problem_response(
    scope: Mapping[str, Any],
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> Response:
    """The problem document of a failure during the request of this ASGI scope."""
    document = {
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": scope.get("path", "/"),
        "code": code,
        "request_id": scope.get("state", {}).get("request_id", ""),
        **extra,
    }
    body = json.dumps(document, default=str)
    return Response(body, status, headers, media_type="application/problem+json")


def refusal(scope: Mapping[str, Any], error: LibraryError) -> Response:
    """The answer for an expected failure; for one of no known kind, that for a bug."""
    if status_of(type(error)) == 500:
        return crash(scope, error)
    headers: dict[str, str] = {}
    if isinstance(error, (TooMany, Unavailable)):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = _challenge(scope)
    if isinstance(error, RangeNotSatisfiable) and "size" in error.extra:
        headers["Content-Range"] = f"bytes */{error.extra['size']}"
    return problem_response(
        scope,
        status=status_of(type(error)),
        code=error.code,
        title=error.title,
        detail=error.detail,
        headers=headers,
        **error.extra,
    )


def crash(scope: Mapping[str, Any], error: BaseException) -> Response:
    """The answer for a bug: an id to find it by in the log, and nothing else."""
    request_id = scope.get("state", {}).get("request_id", "")
    log.error("request %s failed", request_id, exc_info=error)
    return problem_response(
        scope,
        status=500,
        code="internal_error",
        title="Something went wrong here",
        detail="It is not your fault; the log of the library has it under the request id.",
    )


def install(app: FastAPI) -> None:
    """Render every failure of the application as a problem document."""
    app.add_exception_handler(LibraryError, _expected)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _unexpected)


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, LibraryError)
    return refusal(request.scope, error)


async def _unexpected(request: Request, error: Exception) -> Response:
    return crash(request.scope, error)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Never the rejected value: it may be a password.
    errors = [
        {"loc": [_short(step) for step in e["loc"]], "msg": e["msg"], "type": e["type"]}
        for e in error.errors()[:_MOST_ERRORS]
    ]
    first = "; ".join(
        f"{'.'.join(map(str, e['loc'][1:] or e['loc']))}: {e['msg']}" for e in errors[:3]
    )
    return problem_response(
        request.scope,
        status=422,
        code=Invalid.code,
        title=Invalid.title,
        detail=first or "The body cannot be read.",
        errors=errors,
    )


def _short(step: str | int) -> str | int:
    """A name in the body may be as long as the body."""
    return step if isinstance(step, int) else step[:100]


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # 400 is its word for JSON that cannot be read, which is not valid like any other.
    status = 422 if error.status_code == 400 else error.status_code
    return problem_response(
        request.scope,
        status=status,
        code=_FRAMEWORK_CODES.get(status, "request_failed"),
        title=str(error.detail),
        detail=str(error.detail),
        headers=_allowed_at(request) if status == 405 else error.headers,
    )


def _allowed_at(request: Request) -> Mapping[str, str]:
    """All methods there are at the path: the framework names those of one route of it."""
    # The pages about the API are routes of a plainer kind, which say nothing of themselves.
    path = getattr(request.scope.get("route"), "path", request.scope["path"])
    there = [
        context.methods or set()
        for context in iter_route_contexts(request.app.routes)
        if context.path == path
    ]
    return {"Allow": ", ".join(sorted(set().union(*there)))}


def _challenge(scope: Mapping[str, Any]) -> str:
    sent = any(name == b"authorization" for name, _ in scope["headers"])
    return 'Bearer error="invalid_token"' if sent else "Bearer"
