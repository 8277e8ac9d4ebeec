"""A library in one process whose adapters may die; and the deeds a life is sent to do in it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from app.adapters.jobs.outcome import Pace
from app.adapters.jobs.runner import ProcrastinateRunner
from app.api.application import create_api
from app.api.gate import Limits
from app.bootstrap.backup import back_up, restore_backup
from app.bootstrap.container import build_services, choose_adapters, opened
from app.bootstrap.settings import Settings
from app.ports.jobs import JobRunner
from app.services import Services
from app.worker.handlers import farewells_of, handlers_of
from benchmarks.campaigns._dying import Fate, mortal, mortal_handlers, tell
from tests.library import client_of, settings_for_tests

# Long enough for a machine that has a lot to do; nobody waits for its end.
LEASE = 30.0
_PACE = Pace(heartbeat=0.5, stalled_after=LEASE, poll=0.05, first_pause=0.01)
LATER = timedelta(hours=25)
Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mortal:
    """`client` knocks at the whole application; jobs run when the runner is kicked."""

    settings: Settings
    services: Services
    runner: JobRunner
    client: httpx.AsyncClient


@asynccontextmanager
async def opened_mortal(
    url: str, home: Path, fate: Fate, *, ahead: timedelta = timedelta()
) -> AsyncIterator[Mortal]:
    settings = settings_for_tests(url, home, lending={"limit": 1000})
    async with AsyncExitStack() as stack:
        adapters = mortal(await choose_adapters(settings, url, stack), fate, ahead=ahead)
        services = build_services(adapters, settings)
        engine = opened(url, stack, pool_size=4, name="jobs")
        runner = ProcrastinateRunner(
            engine,
            mortal_handlers(handlers_of(services), fate),
            farewells=farewells_of(services),
            pace=_PACE,
        )
        app = create_api(services, limits=Limits(upload=2**21), kick=_later)
        client = await stack.enter_async_context(client_of(app))
        yield Mortal(settings, services, runner, client)


async def _later() -> None:
    """A deed kicks the runner itself, once it has told what it was answered."""


def live(url: str, home: str, place: str, deed: str, told: Told) -> None:
    """What a life does: one deed, and the jobs it leaves, unless it dies on the way."""
    ahead = LATER if deed == "sweep" else timedelta()

    async def do() -> None:
        fate = Fate(place)
        async with opened_mortal(url, Path(home), fate, ahead=ahead) as library:
            tell(f"answered {await DEEDS[deed](library, fate, told)}")
            fate.reach("after the answer")
            await library.runner.kick()

    asyncio.run(do())


async def _request(library: Mortal, fate: Fate, told: Told) -> str:
    answer = await ask(library.client, told)
    return f"{answer.status_code} {json.dumps(answer.json()) if answer.content else ''}"


async def _sweep(library: Mortal, fate: Fate, told: Told) -> str:
    return str(await library.services.ingestion.sweep())


async def _fit(library: Mortal, fate: Fate, told: Told) -> str:
    return str(await library.services.fitting.fit(_silently, anyway=True))


async def _back_up(library: Mortal, fate: Fate, told: Told) -> str:
    await back_up(library.settings, Path(told["folder"]), _counted("backup", fate))
    return "saved"


async def _restore(library: Mortal, fate: Fate, told: Told) -> str:
    target = settings_for_tests(told["url"], Path(told["home"]))
    await restore_backup(target, Path(told["folder"]), _counted("restore", fate))
    return "restored"


async def _silently(done: int, planned: int) -> None:
    pass


def _counted(what: str, fate: Fate) -> Callable[[str], None]:
    said = iter(range(1, 100))
    return lambda line: fate.reach(f"{what} said {next(said)}")


async def ask(client: httpx.AsyncClient, told: Told) -> httpx.Response:
    """The request that was told of, as its reader."""
    body: dict[str, Any] = {}
    if "text" in told:
        body["files"] = {"file": ("book.txt", told["text"].encode())}
    elif "json" in told:
        body["json"] = told["json"]
    return await client.request(told["method"], told["path"], headers=told["headers"], **body)


DEEDS: Mapping[str, Callable[[Mortal, Fate, Told], Awaitable[str]]] = {
    "request": _request,
    "sweep": _sweep,
    "fit": _fit,
    "back up": _back_up,
    "restore": _restore,
}
