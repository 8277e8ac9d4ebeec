"""Opens the doors: one function a process."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from uuid import UUID

import uvicorn
from typing_extensions import override

from app.api.application import create_api
from app.api.connections import ImpatientProtocol
from app.api.gate import MEBIBYTE, Limits
from app.bootstrap import prompts
from app.bootstrap.backup import back_up, restore_backup
from app.bootstrap.doctor import findings
from app.bootstrap.library import (
    Library,
    bring_up_to_date,
    database_of,
    noted,
    open_library,
)
from app.bootstrap.logs import set_up_logs
from app.bootstrap.settings import Server as ServerSettings
from app.bootstrap.settings import Settings, read_settings
from app.domains.accounts.model import Role, User
from app.domains.accounts.model.audit import AuditQuery
from app.domains.accounts.service.auditing import THE_LIBRARY
from app.ports.audit import Act, Subject
from app.shared.errors import Unavailable
from app.shared.pages import MAX_LIMIT, PageRequest
from app.worker.watching import watch_queue

_BACKLOG = 2000


def configured(*, host: str | None = None, port: int | None = None) -> Settings:
    """The settings, with what was said on the command line; raises BadSettings."""
    settings = read_settings()
    said = {"host": host, "port": port}
    server = settings.server.model_copy(update={k: v for k, v in said.items() if v is not None})
    return settings.model_copy(update={"server": server})


async def serve(settings: Settings) -> None:
    """The HTTP door, with the worker in the same process unless JOBS_EMBEDDED=false."""
    set_up_logs(settings.server.log, settings.server.log_level)
    migrating = settings.server.environment == "development"
    # The address first: a taken port should not take the start of a database to notice.
    with bound(settings.server) as address:
        async with (
            open_library(settings, migrating=migrating) as library,
            _working(library, settings),
        ):
            await library.services.ingestion.schedule_sweep()
            server = _Server(_uvicorn(library, settings))
            with _on_signal(server.stop):
                announcing = asyncio.create_task(_announce(server, library, settings))
                await server.serve([address])
                announcing.cancel()


async def work(settings: Settings) -> None:
    """The door for time: run jobs until told to stop."""
    set_up_logs(settings.server.log, settings.server.log_level)
    async with open_library(settings, migrating=False) as library:
        running = asyncio.create_task(library.runner.run())
        watching = asyncio.create_task(watch_queue(library.services.jobs))
        with _on_signal(running.cancel), suppress(asyncio.CancelledError):
            await running
        watching.cancel()


async def migrate_database(settings: Settings) -> None:
    async with database_of(settings) as url:
        await bring_up_to_date(url)


async def examine(settings: Settings) -> bool:
    """Say of every part whether it works and what to do; whether all that is needed does."""
    healthy = True
    async for finding in findings(settings):
        healthy = healthy and (finding.ok or not finding.needed)
        sys.stdout.write(f"{finding}\n")
    return healthy


async def save(settings: Settings, folder: Path) -> None:
    """Copy the library into the folder; it may be in use."""
    await back_up(settings, folder, _say)
    await noted(settings, Act.LIBRARY_SAVED, folder=str(folder))


async def bring_back(settings: Settings, folder: Path) -> None:
    """Make the empty library what the folder holds."""
    await restore_backup(settings, folder, _say)
    await noted(settings, Act.LIBRARY_RESTORED, folder=str(folder))


async def create_admin(settings: Settings, email: str, password: str) -> User:
    async with open_library(settings, migrating=True) as library:
        return await library.services.accounts.create_admin(email, password)


async def grant(settings: Settings, email: str, role: Role) -> User:
    async with open_library(settings, migrating=True) as library:
        return await library.services.accounts.grant(email, role)


async def fit(settings: Settings, tell: Callable[[int, int], Awaitable[None]]) -> str:
    """Fit the recommender to the library now and publish it; what came of it."""
    async with open_library(settings, migrating=True) as library:
        made = await library.services.fitting.fit(tell, anyway=True)
    return "Model {version}: {books:,} books, {bytes:,} bytes, {seconds} s.".format_map(made)


def lint_prompts() -> str:
    """Raises PromptUnusable with a sentence for each fault of a prompt file."""
    if found := list(prompts.faults()):
        raise prompts.PromptUnusable("\n".join(found))
    return f"{len(prompts.prompt_files())} prompts are sound."


def render_prompt(name: str, values: Sequence[str], *, sample: bool) -> str:
    """The prompt with values given as `name=text`. Raises NoSuchPrompt, PromptUnusable."""
    pairs = [value.partition("=") for value in values]
    return prompts.rendered(name, {key: text for key, _, text in pairs}, sample=sample)


def compare_prompt(name: str, against: str) -> str:
    return prompts.difference(name, against)


async def count_answers(settings: Settings, name: str) -> str:
    """How many stored answers this prompt gave, and how many an older or a newer one."""
    stored, reference = await prompts.stored_answers(settings, name), prompts.reference_of(name)
    lines = [f"{count:8} by {each}" for each, count in sorted(stored.items())]
    others = sum(count for each, count in stored.items() if each != reference)
    return "\n".join([*lines, f"{others} stored answers are not by {reference}."])


async def reindex(settings: Settings, book_id: UUID | None) -> AsyncIterator[tuple[UUID, int]]:
    """Make the text of one book, or of all, searchable anew; each book with its passages as
    it is done. Raises BookNotFound."""
    async with open_library(settings, migrating=True) as library:
        await library.services.audit.record(
            Act.SEARCH_REINDEXED, Subject("book", str(book_id)) if book_id else THE_LIBRARY
        )
        async for done in library.services.indexing.reindex(book_id):
            yield done


async def scrub(
    settings: Settings,
    tell: Callable[[int, int], Awaitable[None]],
    *,
    orphans: bool,
    strangers: bool,
) -> tuple[Sequence[str], bool]:
    """Check all stored files, and remove what is asked to be; a line for each that is damaged,
    gone, or of no use, and one for all; and whether none is damaged."""
    async with open_library(settings, migrating=True) as library:
        scrubbing = library.services.scrubbing
        found = await scrubbing.scrub(tell)
        removed = await scrubbing.remove(found.orphans) if orphans else 0
        removed += await scrubbing.remove(found.strangers) if strangers else 0
        await library.services.audit.record(
            Act.FILES_SCRUBBED, checked=found.checked, damaged=len(found.damaged), removed=removed
        )
    lines = [
        f"{each.damage}: {each.key} {each.title or ''} {each.book_id or ''}".rstrip()
        for each in found.damaged
    ]
    lines += [f"orphan: {key}" for key in found.orphans]
    lines += [f"stranger: {key}" for key in found.strangers]
    lines += [
        f"{found.checked:,} files: {len(found.damaged):,} damaged or gone,"
        f" {len(found.orphans):,} orphans, {len(found.strangers):,} strangers,"
        f" {removed:,} removed."
    ]
    return lines, not found.damaged


async def recount(settings: Settings) -> Sequence[UUID]:
    """Count all reviews anew; the books whose sums were wrong."""
    async with open_library(settings, migrating=True) as library:
        wrong = await library.services.reviews.recount()
        await library.services.audit.record(Act.REVIEWS_RECOUNTED, wrong=len(wrong))
    return wrong


async def audit_events(settings: Settings, query: AuditQuery, last: int) -> AsyncIterator[str]:
    """The last events the query asks for, the newest first, a line of JSON each."""
    page = PageRequest(min(max(last, 1), MAX_LIMIT))
    async with open_library(settings, migrating=True) as library:
        while last > 0:
            found = await library.services.audit.events(None, query, page)
            for event in found.items[:last]:
                yield json.dumps(asdict(event), default=str)
            last -= len(found.items)
            if found.next_cursor is None:
                return
            page = PageRequest(page.limit, found.next_cursor)


class AddressUnusable(Unavailable):
    title = "The library cannot listen there"


def bound(server: ServerSettings) -> socket.socket:
    """A socket at the address of the settings, which nobody can talk to yet."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    # The protocol by name: asyncio switches Nagle's delay off only where it says TCP, and with
    # it each answer waits 40 ms for the acknowledgement of its head.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((server.host, server.port))
    except OSError as error:
        listening.close()
        why = f"{server.host} port {server.port}: {error.strerror}"
        raise AddressUnusable(why) from error
    return listening


class _Server(uvicorn.Server):
    """Leaves signals to us, so that a stop also closes what stands behind the server."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.servers:
            self.listening.set()

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        # Asked twice, it does not wait for the last answers any more.
        self.force_exit = self.should_exit
        self.should_exit = True

    @property
    def address(self) -> str:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        # Everywhere is no place one could go to.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _uvicorn(library: Library, settings: Settings) -> uvicorn.Config:
    api = create_api(
        library.services,
        limits=Limits(upload=settings.catalog.max_upload_mb * MEBIBYTE),
        kick=library.runner.kick if settings.jobs.embedded else _elsewhere,
        public_metrics=settings.server.metrics == "public",
        trusted_proxies=_trusted(settings.server),
    )
    return uvicorn.Config(
        api,
        host=settings.server.host,
        port=settings.server.port,
        http=ImpatientProtocol,
        h11_max_incomplete_event_size=16 * 1024,
        limit_concurrency=_BACKLOG,
        timeout_keep_alive=settings.server.keep_alive,
        timeout_graceful_shutdown=10,
        server_header=False,
        access_log=False,
        # Whose word about the client counts is ours to say.
        proxy_headers=False,
        log_level="warning",
    )


def _trusted(server: ServerSettings) -> list[str]:
    return [each.strip() for each in (server.trusted_proxies or "").split(",") if each.strip()]


async def _elsewhere() -> None:
    """The jobs are run by other processes, which the database has told already."""


@asynccontextmanager
async def _working(library: Library, settings: Settings) -> AsyncIterator[None]:
    if not settings.jobs.embedded:
        yield
        return
    running = asyncio.create_task(library.runner.run())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@contextmanager
def _on_signal(stop: object) -> Iterator[None]:
    """Call `stop` on SIGINT and SIGTERM."""
    assert callable(stop)
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
        else:
            loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals if sys.platform != "win32" else ():
            loop.remove_signal_handler(number)


async def _announce(server: _Server, library: Library, settings: Settings) -> None:
    await server.listening.wait()
    lines = [
        f"LuminaLib listens on {server.address} - try it at {server.address}/docs",
        f"It keeps books and readers in {_where(settings)}",
        f"Summaries are made by {_who(library, settings)}",
        _better(library, settings),
        "Ctrl-C stops it; nothing acknowledged is lost, and unfinished work goes on next time.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _where(settings: Settings) -> str:
    home = settings.lumina.home.resolve()
    database = "its own Postgres there" if settings.database.url is None else "DATABASE_URL"
    files = "" if settings.storage.provider == "local" else f", files in {settings.storage.bucket}"
    return f"{home} ({database}{files})"


def _who(library: Library, settings: Settings) -> str:
    if not settings.ai.enabled:
        return "nobody: AI_ENABLED=false"
    card = library.adapters.llm.card
    return f"{card.provider} ({card.model}, window of {card.context:,} tokens)"


def _better(library: Library, settings: Settings) -> str:
    if library.adapters.llm.card.provider != "extractive":
        return "Another model: set LLM_PROVIDER and LLM_MODEL in .env (see .env.example)"
    if settings.llm.provider == "auto":
        return "A better one: start Ollama, `ollama pull llama3`, and start the library again"
    return "A better one: LLM_PROVIDER=ollama or openai in .env (see .env.example)"
