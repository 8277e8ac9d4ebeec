"""A way to the database that can be cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy.engine import make_url


class CuttableProxy:
    """Passes bytes between a loopback port of its own and the server of `url`."""

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._port = 0
        self._server: asyncio.Server | None = None
        self._ways: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        own = self._target.set(host="127.0.0.1", port=self._port)
        return own.render_as_string(hide_password=False)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server:
            self._server.close()
        for way in list(self._ways):
            way.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._target.host, self._target.port
        there, back = await asyncio.open_connection(host, port)
        self._ways |= {writer, back}
        await asyncio.gather(_pump(reader, back), _pump(there, writer))
        self._ways -= {writer, back}


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await source.read(65536):
            target.write(part)
            await target.drain()
    target.close()


@asynccontextmanager
async def cuttable(url: str) -> AsyncIterator[CuttableProxy]:
    proxy = CuttableProxy(url)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.cut()
