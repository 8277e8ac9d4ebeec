"""A small door to the measures of a process that has no other."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import start_http_server
from typing_extensions import override

from app.ports.jobs import JobRunner

log = logging.getLogger(__name__)


class ShowingRunner(JobRunner):
    """The same runner; while it runs, its process shows its measures in Prometheus's format,
    to everybody who reaches the port. A port that is taken hinders no job."""

    def __init__(self, inner: JobRunner, *, host: str, port: int) -> None:
        self._inner = inner
        self._host = host
        self._port = port

    @override
    async def kick(self) -> None:
        await self._inner.kick()

    @override
    async def run(self) -> None:
        async with _shown(self._host, self._port):
            await self._inner.run()


@asynccontextmanager
async def _shown(host: str, port: int) -> AsyncIterator[None]:
    try:
        server, _ = start_http_server(port, addr=host)
    except OSError as error:
        log.warning("No measures are shown at %s port %d: %s", host, port, error.strerror)
        yield
        return
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
