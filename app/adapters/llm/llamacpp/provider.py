"""Any GGUF file, without a server to install: llama.cpp as a child process."""

import asyncio
import math
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from typing_extensions import override

from app.adapters.llm.llamacpp.child import LLAMA_CPP, Engine, ModelProcess, Wishes
from app.adapters.llm.llamacpp.model_file import require_model, require_package
from app.adapters.llm.openai import OpenAILLM
from app.adapters.llm.pieces import Meter, close, opened, usage_of
from app.adapters.llm.waits import in_line
from app.ports.llm import (
    NOTHING,
    Completion,
    CompletionRequest,
    LLMProvider,
    ModelCard,
    ModelUnavailable,
)

_PROVIDER = "llamacpp"
_LONGEST_PAUSE = 60.0
_LONG_LIFE = 60.0


@dataclass(frozen=True, slots=True)
class _Running:
    process: ModelProcess
    model: OpenAILLM
    since: float

    async def stop(self) -> None:
        try:
            await self.model.aclose()
        finally:
            await self.process.stop()


class LlamaCppLLM(LLMProvider):
    """`model` is the path of a GGUF file, `context` the tokens of its window, `threads` 0 for
    half of the processors. One answer at a time; the others wait in line.

    The child is started by the first question, which waits in line for it, and by the next
    one after it died: at once the first time, then with pauses that double up to a minute,
    until it has lived for a minute. It needs the package xllamacpp.

    An answer nobody waits for any more takes the child with it: llama.cpp would go on reading
    a long prompt for whoever has hung up, and a start costs less than that.
    """

    def __init__(
        self,
        *,
        model: str,
        context: int,
        threads: int = 0,
        timeout: float = 600.0,
        engine: Engine = LLAMA_CPP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = Path(model).absolute() if model else None
        self._card = ModelCard(_PROVIDER, self._path.stem if self._path else "none", context)
        self._wishes = Wishes(str(self._path), context, threads or _half_of_the_processors())
        self._timeout = timeout
        self._engine = engine
        self._clock = clock
        self._running: _Running | None = None
        self._turn = asyncio.Lock()
        self._failures = 0
        self._not_before = -math.inf
        self._trouble: str | None = None

    @property
    @override
    def card(self) -> ModelCard:
        return self._card

    @property
    def pid(self) -> int | None:
        """The process id of the child, while there is one."""
        running = self._running
        return running.process.pid if running and not running.process.ended else None

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        async with self._speaking() as model:
            answer = await model.complete(request)
        return replace(answer, model=self._card.reference)

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        meter = Meter()
        return await opened(self._pieces(request, meter), meter)

    @override
    async def check(self) -> None:
        """The running child's, else whether it would start, without starting it, and what
        became of the last one."""
        if self._running and not self._running.process.ended:
            return await self._running.model.check()
        await self._require_startable()
        if self._trouble:
            raise ModelUnavailable(self._trouble, usage=NOTHING)
        return None

    async def aclose(self) -> None:
        running, self._running = self._running, None
        if running:
            await running.stop()

    async def _pieces(self, request: CompletionRequest, meter: Meter) -> AsyncGenerator[str, None]:
        async with self._speaking() as model:
            pieces = await model.stream(request)
            try:
                async for piece in pieces:
                    yield piece
                meter.usage = usage_of(pieces)
            finally:
                await close(pieces)

    @asynccontextmanager
    async def _speaking(self) -> AsyncIterator[OpenAILLM]:
        """The model's turn to answer, in a child that runs."""
        with in_line(self._clock):
            await self._turn.acquire()
        try:
            with in_line(self._clock):
                running = await self._started()
            async with self._whole_answers(running):
                yield running.model
        finally:
            self._turn.release()

    @asynccontextmanager
    async def _whole_answers(self, running: _Running) -> AsyncIterator[None]:
        try:
            async with _obituaries(running.process):
                yield
        except (ModelUnavailable, asyncio.CancelledError):
            if not running.process.ended:
                await self.aclose()
            raise

    async def _started(self) -> _Running:
        if self._running and self._running.process.ended:
            await self._bury(self._running)
        if self._running is None:
            self._running = await self._start()
        return self._running

    async def _bury(self, dead: _Running) -> None:
        """Take note of a child that died."""
        self._running = None
        if self._clock() - dead.since > _LONG_LIFE:
            self._failures = 0
        self._failed(dead.process.obituary())
        await dead.stop()

    async def _start(self) -> _Running:
        await self._require_startable()
        self._refuse_too_early()
        try:
            process = await ModelProcess.start(self._engine, self._wishes)
            if 0 < process.trained < self._card.context:
                await process.stop()
                raise ModelUnavailable(
                    f"The model {self._card.model} has a window of {process.trained} tokens: "
                    f"set LLM_CONTEXT={process.trained}.",
                    usage=NOTHING,
                )
        except ModelUnavailable as failure:
            self._failed(failure.detail)
            raise
        self._trouble = None
        return _Running(process, self._connected(process), self._clock())

    def _connected(self, process: ModelProcess) -> OpenAILLM:
        return OpenAILLM(
            base_url=f"{process.url}/v1",
            model=self._card.model,
            context=self._card.context,
            api_key=process.key,
            timeout=self._timeout,
        )

    async def _require_startable(self) -> None:
        require_package(self._engine.package)
        await asyncio.to_thread(require_model, self._path)

    def _failed(self, detail: str) -> None:
        self._trouble = detail
        self._failures += 1
        pause = 2.0 ** (self._failures - 2) if self._failures > 1 else 0.0
        self._not_before = self._clock() + min(pause, _LONGEST_PAUSE)

    def _refuse_too_early(self) -> None:
        rest = self._not_before - self._clock()
        if rest > 0:
            raise ModelUnavailable(
                f"{self._trouble} It is started again in a moment.",
                retry_after=math.ceil(rest),
                usage=NOTHING,
            )


@asynccontextmanager
async def _obituaries(process: ModelProcess) -> AsyncIterator[None]:
    """Where the child has died, why, in place of a connection that broke off."""
    try:
        yield
    except ModelUnavailable as failure:
        if not await process.has_ended():
            raise
        raise ModelUnavailable(process.obituary(), usage=failure.usage) from failure


def _half_of_the_processors() -> int:
    """The others are for the library, and the second thread of a core adds nothing."""
    return max(1, (os.cpu_count() or 2) // 2)
