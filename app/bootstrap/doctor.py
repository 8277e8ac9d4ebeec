"""What works, what does not, and what to do about it."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from typing_extensions import override

from app.bootstrap.container import Adapters, choose_adapters
from app.bootstrap.library import database_of
from app.bootstrap.settings import Settings
from app.ports.llm import CompletionRequest, LLMProvider, Message
from app.ports.storage import StorageProvider
from app.shared.errors import LibraryError
from app.shared.ids import new_id

_PROBE = b"a page to put on a shelf and to take from it again"


@dataclass(frozen=True, slots=True)
class Finding:
    part: str
    ok: bool
    detail: str
    advice: str = ""
    needed: bool = True

    @override
    def __str__(self) -> str:
        mark = "ok  " if self.ok else ("FAIL" if self.needed else "warn")
        advice = "" if self.ok or not self.advice else f"\n           → {self.advice}"
        return f"{mark}  {self.part}: {self.detail}{advice}"


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    """One finding a part, as they come; nothing is migrated or changed."""
    yield Finding("settings", True, f"{settings.server.environment}, nothing unknown")
    try:
        async with database_of(settings) as url, AsyncExitStack() as stack:
            adapters = await choose_adapters(settings, url, stack)
            yield await _database(adapters)
            yield await _storage(adapters.storage)
            yield await _model(adapters.llm)
    except LibraryError as error:
        yield Finding("library", False, error.detail, "Look at DATABASE_URL and LUMINA_HOME.")


async def _database(adapters: Adapters) -> Finding:
    try:
        return Finding("database", True, await adapters.database.check())
    except LibraryError as error:
        return Finding("database", False, error.detail, "Start it, then: python3 run.py migrate")


async def _storage(storage: StorageProvider) -> Finding:
    name, key = type(storage).__name__, f"doctor/{new_id()}"
    try:
        written = await storage.write(key, _probe())
        read = b"".join([chunk async for chunk in await storage.read(key)])
        await storage.delete(key)
    except LibraryError as error:
        return Finding("storage", False, f"{name}: {error.detail}", "Look at STORAGE_* in .env.")
    same = read == _PROBE and written.sha256 == hashlib.sha256(_PROBE).hexdigest()
    return Finding("storage", same, f"{name}, written, read and removed", "It changes bytes.")


async def _model(llm: LLMProvider) -> Finding:
    card = llm.card
    what = f"{card.reference}, window of {card.context:,} tokens"
    request = CompletionRequest(
        messages=[
            Message("user", "Answer with one word: which sea is between Sweden and Estonia?")
        ],
        task="doctor",
        prompt="doctor@1",
        max_output_tokens=16,
        deadline=60,
    )
    try:
        await llm.check()
        answer = await llm.complete(request)
    except LibraryError as error:
        advice = "Summaries wait for it, extracts are shown meanwhile. Look at LLM_* in .env."
        return Finding("model", False, f"{what}: {error.detail}", advice, needed=False)
    return Finding("model", True, f"{what}, {answer.usage.tokens_in} tokens in for a question")


async def _probe() -> AsyncIterator[bytes]:
    yield _PROBE
