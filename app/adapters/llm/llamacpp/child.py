"""The child process a model runs in, seen from its parent."""

import asyncio
import json
import os
import re
import secrets
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

from app.ports.llm import NOTHING, ModelUnavailable

_LONGEST_END = 5.0
_MOMENT = 0.2
_SHOWN = 8000
# Nothing of the library's own settings: no key and no address of a database is its business.
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT", "LD_", "DYLD_", "CUDA", "GGML_")
_REASON = re.compile(r"error loading model: (?:llama_model_loader: )?(.+)|((?<!\w)\w*Error: .+)")


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs in the child: a program that speaks as `server.py` says, the package it
    needs, and the seconds it may take to load a model."""

    program: Path
    package: str
    longest_start: float = 600.0


LLAMA_CPP = Engine(Path(__file__).with_name("server.py"), "xllamacpp")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the child is to run: the path of a model, and a window of `context` tokens."""

    model: str
    context: int
    threads: int


class ModelProcess:
    """A llama.cpp server on the loopback, running until it is stopped, or its parent ends
    in whatever way, or it crashes. `url` and `key` are how to speak to it."""

    def __init__(
        self, process: asyncio.subprocess.Process, errors: IO[bytes], key: str, name: str
    ) -> None:
        self._process = process
        self._errors = errors
        self._name = name
        self.key = key
        self.url = ""
        self.trained = 0

    @classmethod
    async def start(cls, engine: Engine, wishes: Wishes) -> Self:
        """Wait until the model is loaded. Raises ModelUnavailable with llama.cpp's reason."""
        key, errors = secrets.token_urlsafe(24), tempfile.TemporaryFile()  # noqa: SIM115
        child = cls(await _spawned(engine, wishes, errors), errors, key, Path(wishes.model).name)
        try:
            async with asyncio.timeout(engine.longest_start):
                await child._listen(wishes)
        except BaseException as error:
            await child.stop()
            if isinstance(error, TimeoutError):
                detail = f"The model {child._name} takes too long to load."
                raise ModelUnavailable(detail, usage=NOTHING) from error
            raise
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    async def has_ended(self) -> bool:
        """Whether it is gone, with a moment for the news to arrive."""
        try:
            async with asyncio.timeout(_MOMENT):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    def obituary(self) -> str:
        """Why it ended, in a sentence."""
        code = self._process.returncode
        if code is not None and code < 0:
            killed = "; the machine may be short of memory" if code == -signal.SIGKILL else ""
            return f"The process of the model {self._name} was ended by signal {-code}{killed}."
        return f"llama.cpp cannot run {self._name}: {self._last_words()}"

    async def stop(self) -> None:
        """End it; it holds nothing worth a slow farewell. What hangs in the kernel is not
        waited for."""
        try:
            if not self.ended:
                self._process.kill()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LONGEST_END):
                        await self._process.wait()
        finally:
            self._errors.close()

    async def _listen(self, wishes: Wishes) -> None:
        assert self._process.stdin
        assert self._process.stdout
        line = json.dumps({**asdict(wishes), "key": self.key, "parent": os.getpid()})
        self._process.stdin.write(f"{line}\n".encode())
        answer = await self._process.stdout.readline()
        if not answer:
            await self._process.wait()
            raise ModelUnavailable(self.obituary(), usage=NOTHING)
        told: dict[str, Any] = json.loads(answer)
        self.url, self.trained = told["url"], told["trained"]

    def _last_words(self) -> str:
        self._errors.seek(0)
        words = self._errors.read().decode("utf-8", "replace")[-_SHOWN:]
        if found := _REASON.search(words):
            return f"{(found[1] or found[2]).strip()}."
        lines = words.strip().splitlines() or ["it says nothing"]
        return f"{lines[-1].strip()}."


async def _spawned(engine: Engine, wishes: Wishes, errors: IO[bytes]) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(engine.program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=_environment(wishes.threads),
        )
    except OSError as error:
        errors.close()
        detail = f"No process can be started for the model: {error.strerror}."
        raise ModelUnavailable(detail, usage=NOTHING) from error


def _environment(threads: int) -> dict[str, str]:
    passed = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
    # Threads that wait for each other would spin, and a busy machine grinds to a halt on it.
    return {**passed, "OMP_WAIT_POLICY": "PASSIVE"} if threads > 1 else passed
