"""How often and how long: one counter and one histogram, by route and not by path, so that
their number stays small; and a span a request, for whoever collects traces.

Around everything else, so that what is answered before any route is chosen counts too: its
route is `refused` (by the gate), `replayed` (an answer given again), or `none`."""

import logging
import time

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ports.jobs import Backlog
from app.shared.trace import current_trace

_REQUESTS = Counter("lumina_requests", "Requests answered", ["method", "route", "status"])
# A label keeps every value for ever, and a method can be any word.
_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
_SECONDS = Histogram("lumina_request_seconds", "Seconds until the answer began", ["route"])
_JOBS = Gauge("lumina_jobs", "Jobs in the queue", ["status"])
_OLDEST_JOB = Gauge("lumina_oldest_job_seconds", "How long the oldest due job has waited")

log = logging.getLogger(__name__)
tracer = trace.get_tracer(__name__)


def show_backlog(backlog: Backlog) -> None:
    """Put the state of the queue where /metrics finds it."""
    for status, count in backlog.by_status.items():
        _JOBS.labels(status).set(count)
    _OLDEST_JOB.set(backlog.oldest_seconds)


class Measures:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        method = scope["method"] if scope["method"] in _METHODS else "other"
        # What an exception says may be the reader's own words: it stays out of the span.
        with tracer.start_as_current_span(
            method, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:

            async def counted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    route = _route_of(scope)
                    seconds = time.perf_counter() - began
                    _count(method, route, message["status"], seconds)
                    _describe(span, scope, f"{method} {route}", message["status"])
                await send(message)

            await self._app(scope, receive, counted)


def count_refusal(status: int) -> None:
    """One that is not even a request, which only the connection has seen."""
    _REQUESTS.labels("other", "refused", str(status)).inc()


def _route_of(scope: Scope) -> str:
    if "route" in scope:
        return str(scope["route"].path)
    return str(scope["state"].get("stopped", "none"))


def _count(method: str, route: str, status: int, seconds: float) -> None:
    _REQUESTS.labels(method, route, str(status)).inc()
    _SECONDS.labels(route).observe(seconds)
    said = {"method": method, "route": route, "status": status, "seconds": round(seconds, 4)}
    log.info("request", extra=said)


def _describe(span: Span, scope: Scope, name: str, status: int) -> None:
    if not span.is_recording():
        return
    about = {key: str(value) for key, value in scope.get("path_params", {}).items()}
    ids = {**{key: about[key] for key in about if key.endswith("_id")}, **current_trace()}
    span.update_name(name)
    span.set_attributes({f"lumina.{key}": value for key, value in ids.items()})
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
