"""A library opened for use, and closed again: what every process does first and last."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from app.adapters.postgres.accounts import SqlAccountsWork
from app.adapters.postgres.embedded import EmbeddedPostgres
from app.adapters.postgres.engine import (
    DatabaseUnavailable,
    open_engine,
    sessions_of,
    translated,
)
from app.adapters.postgres.migrating import migrate
from app.bootstrap.container import Adapters, build_runner, build_services, choose_adapters
from app.bootstrap.settings import Settings
from app.bootstrap.tracing import traces_sent
from app.domains.accounts.service.auditing import THE_LIBRARY
from app.ports.audit import Act
from app.ports.jobs import JobRunner
from app.services import Services


@dataclass(frozen=True, slots=True)
class Library:
    adapters: Adapters
    services: Services
    runner: JobRunner


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[str]:
    """The url of the database: DATABASE_URL, or an embedded Postgres under LUMINA_HOME,
    which is started unless another process of this library runs it already."""
    if settings.database.url is not None:
        yield _encrypted(settings.database.url.get_secret_value(), settings.database.ca)
        return
    async with EmbeddedPostgres.attach_or_start(settings.lumina.home) as server:
        yield server.url


async def bring_up_to_date(url: str) -> None:
    """Migrate the database. Raises DatabaseUnavailable with the reason."""
    try:
        with translated({}):
            await asyncio.to_thread(migrate, url)
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(f"{error.detail}: {_first_line(error.__cause__)}") from error


@asynccontextmanager
async def open_library(settings: Settings, *, migrating: bool) -> AsyncIterator[Library]:
    """Everything a process needs, on a database that is there; `migrating` brings it to the
    newest schema first. Raises BadSettings, and Unavailable when a part is missing."""
    async with (
        traces_sent(settings.server.traces),
        database_of(settings) as url,
        AsyncExitStack() as stack,
    ):
        if migrating:
            await bring_up_to_date(url)
        adapters = await choose_adapters(settings, url, stack)
        if not migrating:
            await adapters.database.check()
        services = build_services(adapters, settings)
        runner = build_runner(settings, url, services, stack)
        await _first_admin(settings, services)
        yield Library(adapters, services, runner)


async def noted(settings: Settings, act: Act, **details: Any) -> None:
    """Write into the audit log that a command was given which needs nothing but the database;
    nothing, where the schema is still from before there was a log."""
    async with database_of(settings) as url, AsyncExitStack() as stack:
        engine = open_engine(url, pool_size=1)
        stack.push_async_callback(engine.dispose)
        with suppress(ProgrammingError):
            async with SqlAccountsWork(sessions_of(engine)) as work:
                await work.audit.note(act, THE_LIBRARY, **details)


def _encrypted(url: str, ca: Path | None) -> str:
    """With a CA bundle the server must prove that it is the host the url names."""
    if ca is None:
        return url
    proof = {"sslmode": "verify-full", "sslrootcert": str(ca)}
    return make_url(url).update_query_dict(proof).render_as_string(hide_password=False)


async def _first_admin(settings: Settings, services: Services) -> None:
    email, password = settings.accounts.admin_email, settings.accounts.admin_password
    if email and password:
        await services.accounts.ensure_first_admin(email, password.get_secret_value())


def _first_line(cause: BaseException | None) -> str:
    return str(getattr(cause, "orig", cause)).partition("\n")[0]
