"""The library on adapters that die where they are told to: the product knows nothing of it.

A place is "before storage.write", "within storage.write", "after commit of books.add",
"before job read_file", … : every call of a wrapped port names its own.
"""

import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from typing_extensions import override

from app.bootstrap.container import Adapters
from app.ports.clock import Clock
from app.ports.files import ListedObject, ListedStorage
from app.ports.fitting import FittedModel, ModelWorkshop
from app.ports.jobs import Handler, Job, JobRun
from app.ports.llm import Completion, CompletionRequest, LLMProvider, ModelCard
from app.ports.recommender import Interaction, Item
from app.ports.storage import ByteRange, StoredObject
from app.ports.text import Document, TextExtractor


class Fate:
    """Ends the process with -9, and with a line about it, where it was foretold."""

    def __init__(self, place: str = "") -> None:
        self._place = place

    def reach(self, place: str) -> None:
        if place == self._place:
            tell(f"died {place}")
            os.kill(os.getpid(), signal.SIGKILL)


def tell(line: str) -> None:
    """To whoever reads our output, at once."""
    os.write(1, f"{line}\n".encode())


def mortal(adapters: Adapters, fate: Fate, *, ahead: timedelta = timedelta()) -> Adapters:
    """The same adapters, each of which may die; the clock is so much ahead."""
    named = [field.name for field in fields(Adapters) if field.name.endswith("_work")]
    works: dict[str, Any] = {name: _works(getattr(adapters, name), fate) for name in named}
    return replace(
        adapters,
        **works,
        storage=_MortalStorage(adapters.storage, fate),
        extractor=_MortalExtractor(adapters.extractor, fate),
        llm=_MortalLLM(adapters.llm, fate),
        workshop=_MortalWorkshop(adapters.workshop, fate),
        clock=_ClockAhead(adapters.clock, ahead),
    )


def mortal_handlers(handlers: Mapping[str, Handler], fate: Fate) -> dict[str, Handler]:
    return {kind: _handler(kind, handler, fate) for kind, handler in handlers.items()}


def _handler(kind: str, handler: Handler, fate: Fate) -> Handler:
    async def handle(arguments: Mapping[str, Any], run: JobRun) -> Mapping[str, Any] | None:
        fate.reach(f"before job {kind}")
        result = await handler(arguments, run)
        fate.reach(f"after job {kind}")
        return result

    return handle


def _works(begin: Callable[[], Any], fate: Fate) -> Callable[[], Any]:
    return lambda: _MortalWork(begin(), fate)


class _MortalWork:
    """A unit of work whose places are named by what is done in it: `books.add`, and for jobs
    their kind."""

    def __init__(self, work: Any, fate: Fate) -> None:
        self._work = work
        self._fate = fate
        self._deeds: dict[str, None] = {}

    async def __aenter__(self) -> Any:
        return _Noted(await self._work.__aenter__(), self._deeds)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._reach("before")
        await self._work.__aexit__(kind, error, trace)
        self._reach("after")

    def _reach(self, side: str) -> None:
        for deed in self._deeds:
            self._fate.reach(f"{side} commit of {deed}")


class _Noted:
    """Passes everything on, and notes what was called."""

    def __init__(self, noted: Any, deeds: dict[str, None], name: str = "") -> None:
        self._noted = noted
        self._deeds = deeds
        self._name = name

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._noted, name)
        if not self._name:
            return _Noted(found, self._deeds, name)

        def noted(*arguments: Any, **named: Any) -> Any:
            job = arguments[0] if arguments and isinstance(arguments[0], Job) else None
            self._deeds[job.kind if job else f"{self._name}.{name}"] = None
            return found(*arguments, **named)

        return noted


class _MortalStorage(ListedStorage):
    def __init__(self, storage: ListedStorage, fate: Fate) -> None:
        self._storage = storage
        self._fate = fate

    @override
    async def write(self, key: str, stream: AsyncIterator[bytes]) -> StoredObject:
        self._fate.reach("before storage.write")
        stored = await self._storage.write(key, self._halved(stream))
        self._fate.reach("after storage.write")
        return stored

    async def _halved(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in stream:
            middle = len(chunk) // 2
            yield chunk[:middle]
            self._fate.reach("within storage.write")
            yield chunk[middle:]

    @override
    async def read(self, key: str, part: ByteRange | None = None) -> AsyncIterator[bytes]:
        return await self._storage.read(key, part)

    @override
    async def delete(self, key: str) -> None:
        self._fate.reach("before storage.delete")
        await self._storage.delete(key)
        self._fate.reach("after storage.delete")

    @override
    async def exists(self, key: str) -> bool:
        return await self._storage.exists(key)

    @override
    def listing(self) -> AsyncIterator[ListedObject]:
        return self._storage.listing()


class _MortalExtractor(TextExtractor):
    def __init__(self, extractor: TextExtractor, fate: Fate) -> None:
        self._extractor = extractor
        self._fate = fate

    @override
    def recognise(self, head: bytes, filename: str) -> str:
        return self._extractor.recognise(head, filename)

    @override
    async def extract(self, stream: AsyncIterator[bytes], media_type: str) -> Document:
        document = await self._extractor.extract(stream, media_type)
        self._fate.reach("after extract")
        return document


class _MortalLLM(LLMProvider):
    def __init__(self, llm: LLMProvider, fate: Fate) -> None:
        self._llm = llm
        self._fate = fate

    @property
    @override
    def card(self) -> ModelCard:
        return self._llm.card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        answer = await self._llm.complete(request)
        self._fate.reach(f"after llm.complete of {request.task}")
        self._fate.reach("after llm.complete")
        return answer

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        return await self._llm.stream(request)

    @override
    async def check(self) -> None:
        await self._llm.check()


class _MortalWorkshop(ModelWorkshop):
    def __init__(self, workshop: ModelWorkshop, fate: Fate) -> None:
        self._workshop = workshop
        self._fate = fate

    @property
    @override
    def makes(self) -> str:
        return self._workshop.makes

    @override
    @asynccontextmanager
    async def fitted(
        self,
        version: str,
        items: AsyncIterator[Sequence[Item]],
        interactions: AsyncIterator[Sequence[Interaction]],
    ) -> AsyncIterator[FittedModel]:
        self._fate.reach("before fitted")
        async with self._workshop.fitted(version, items, interactions) as model:
            self._fate.reach("after fitted")
            yield model


class _ClockAhead(Clock):
    def __init__(self, clock: Clock, ahead: timedelta) -> None:
        self._clock = clock
        self._ahead = ahead

    @override
    def now(self) -> datetime:
        return self._clock.now() + self._ahead
