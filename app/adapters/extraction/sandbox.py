"""One child process per document: a hostile file ends its own reader and nothing else."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO

from typing_extensions import override

from app.adapters.extraction import recognition, wire
from app.adapters.extraction.language import guess_language
from app.adapters.extraction.limits import Limits
from app.ports.text import MEDIA_TYPES, Document, TextExtractor, UnknownFormat, UnreadableDocument
from app.shared.errors import Unavailable

_CHILD = Path(__file__).with_name("child.py")
_PIECE = 2**20
# -I: neither the environment nor the working directory says what is imported; -S: nor does
# the site; -B: nothing is written beside the source.
_INTERPRETER = ("-I", "-S", "-B", "-X", "utf8")


# Windows starts nothing without knowing where it lives.
_ENVIRONMENT = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}


class ExtractionUnavailable(Unavailable):
    title = "Files cannot be read at the moment"


class SandboxedExtractor(TextExtractor):
    """Reads each file in a new interpreter without environment, network or files to write,
    under `limits`; at most `children` run at once, the others wait.

    The file is spooled to an unnamed temporary file in `scratch` (the system's, if None),
    which is gone with the process whatever happens. Cancelling `extract` kills the child.
    ExtractionUnavailable means that no child could be started: no fault of the file's.
    """

    def __init__(
        self, *, limits: Limits | None = None, children: int = 2, scratch: Path | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._places = asyncio.Semaphore(children)
        self._scratch = scratch

    @override
    def recognise(self, head: bytes, filename: str) -> str:
        return recognition.recognise(head, filename)

    @override
    async def extract(self, stream: AsyncIterator[bytes], media_type: str) -> Document:
        if media_type not in MEDIA_TYPES.values():
            raise UnknownFormat
        with tempfile.TemporaryFile(dir=self._scratch) as file:
            async for piece in stream:
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(file.seek, 0)
            async with self._places:
                answer = await self._read_in_child(file, media_type)
        return await asyncio.to_thread(_document, answer)

    async def _read_in_child(self, file: IO[bytes], media_type: str) -> bytearray:
        child = await self._started(file, media_type)
        try:
            async with asyncio.timeout(self._limits.wall_seconds):
                return await self._answer(child)
        except TimeoutError as error:
            raise wire.died() from error
        finally:
            await _ended(child)

    async def _started(self, file: IO[bytes], media_type: str) -> Process:
        order = json.dumps(
            {
                "path": [path for path in sys.path if path],
                "media_type": media_type,
                "limits": asdict(self._limits),
                "parent": os.getpid(),
            }
        )
        command = (sys.executable, *_INTERPRETER, str(_CHILD), order)
        try:
            return await create_subprocess_exec(
                *command,
                stdin=file,
                stdout=PIPE,
                stderr=DEVNULL,
                env=_ENVIRONMENT,
                cwd=os.path.sep,
                start_new_session=True,
                limit=_PIECE,
            )
        except OSError as error:
            raise ExtractionUnavailable from error

    async def _answer(self, child: Process) -> bytearray:
        assert child.stdout is not None
        most = wire.HEADER_LIMIT + 4 * self._limits.characters
        answer = bytearray()
        while piece := await child.stdout.read(_PIECE):
            answer += piece
            if len(answer) > most:
                raise UnreadableDocument("too_large", "There is more text than a book can have.")
        if not answer.startswith(wire.ALIVE):
            raise ExtractionUnavailable
        del answer[: len(wire.ALIVE)]
        return answer


def _document(answer: bytearray) -> Document:
    document = wire.decode(answer)
    return replace(document, language=document.language or guess_language(document.text))


async def _ended(child: Process) -> None:
    """Kill the child and whatever it may have started, and collect it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    await asyncio.shield(child.wait())
