"""How often and how long: one counter and one histogram, by route and not by path, so that
their number stays small."""

import logging
import time

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ports.jobs import Backlog

_REQUESTS = Counter("lumina_requests", "Requests answered", ["method", "route", "status"])
# A label keeps every value for ever, and a method can be any word.
_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
_SECONDS = Histogram("lumina_request_seconds", "Seconds until the answer began", ["route"])
_JOBS = Gauge("lumina_jobs", "Jobs in the queue", ["status"])
_OLDEST_JOB = Gauge("lumina_oldest_job_seconds", "How long the oldest due job has waited")

log = logging.getLogger(__name__)


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

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                _REQUESTS.labels(method, route, str(message["status"])).inc()
                seconds = time.perf_counter() - began
                _SECONDS.labels(route).observe(seconds)
                log.info(
                    "request",
                    extra={
                        "method": method,
                        "route": route,
                        "status": message["status"],
                        "seconds": round(seconds, 4),
                    },
                )
            await send(message)

        await self._app(scope, receive, counted)
