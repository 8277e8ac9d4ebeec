"""One child process per fit: its minutes of arithmetic hold up no request, its memory is given
back when it ends, and when it is killed nobody else is."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from typing_extensions import override

from app.adapters.fitting import wire
from app.ports.fitting import FitFailed, FittedModel, ModelWorkshop
from app.ports.recommender import Interaction, Item, Recommender

_FITS = Counter("lumina_recommender_fits", "Models fitted in a process of their own", ["outcome"])
_SECONDS = Histogram(
    "lumina_recommender_fit_seconds",
    "Seconds until a model was fitted",
    buckets=(1, 3, 10, 30, 60, 120, 300, 600, 1800),
)
_MEMORY = Gauge("lumina_recommender_fit_bytes", "Memory the last fit had at most")

_CHILD = Path(__file__).with_name("child.py")
_INTERPRETER = ("-I", "-B", "-X", "utf8")
# One thread: threads that spin for each other cost more than they save beside a busy server.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} | {
    name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ
}
_PIECE = 2**20
_LAST_WORDS = 4000
_FOLDER = "lumina-fit-"
# Times what a fit may take: its file is still read after it.
_OUTLIVED = 2


class ChildWorkshop(ModelWorkshop):
    """Fits what `new_recommender` makes, which has to be a class that can be imported. A fit
    may take `wall_seconds`; `scratch` (the system's, if None) holds the model meanwhile."""

    def __init__(
        self,
        new_recommender: Callable[[], Recommender],
        *,
        wall_seconds: float = 1800,
        scratch: Path | None = None,
    ) -> None:
        self._recommender = _imported_as(new_recommender)
        self._makes = new_recommender().name
        self._wall_seconds = wall_seconds
        self._scratch = scratch

    @property
    @override
    def makes(self) -> str:
        return self._makes

    @override
    @asynccontextmanager
    async def fitted(
        self,
        version: str,
        items: AsyncIterator[Sequence[Item]],
        interactions: AsyncIterator[Sequence[Interaction]],
    ) -> AsyncIterator[FittedModel]:
        await asyncio.to_thread(self._tidy)
        with tempfile.TemporaryDirectory(prefix=_FOLDER, dir=self._scratch) as folder:
            target = Path(folder) / "model"
            with _counted():
                said = await self._made(version, target, items, interactions)
            _MEMORY.set(said["memory"])
            yield FittedFile(target, said["books"])

    def _tidy(self) -> None:
        """Remove what fits of ours left behind that were killed, longer ago than one may take."""
        before = time.time() - _OUTLIVED * self._wall_seconds
        for folder in Path(self._scratch or tempfile.gettempdir()).glob(f"{_FOLDER}*"):
            with contextlib.suppress(OSError):
                found = folder.lstat()
                if found.st_mtime < before and found.st_uid == _own_id():
                    shutil.rmtree(folder, ignore_errors=True)

    async def _made(
        self,
        version: str,
        target: Path,
        items: AsyncIterator[Sequence[Item]],
        interactions: AsyncIterator[Sequence[Interaction]],
    ) -> dict[str, int]:
        child = await self._started(version, target)
        words = asyncio.create_task(_read(child.stderr))
        try:
            async with asyncio.timeout(self._wall_seconds):
                await _told(child, items, interactions)
                answer = await _read(child.stdout)
                status = await child.wait()
        except TimeoutError as error:
            raise FitFailed(f"It took more than {self._wall_seconds:.0f} s.") from error
        finally:
            await _ended(child)
            last_words = await words
        if status:
            raise FitFailed(f"The process ended with {status}. {_last_line(last_words)}")
        return dict(json.loads(answer))

    async def _started(self, version: str, target: Path) -> Process:
        order = json.dumps(
            {
                "path": [path for path in sys.path if path],
                "recommender": self._recommender,
                "version": version,
                "target": str(target),
            }
        )
        return await create_subprocess_exec(
            *(sys.executable, *_INTERPRETER, str(_CHILD), order),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=_ENVIRONMENT,
            cwd=target.parent,
            start_new_session=True,
        )


class FittedFile(FittedModel):
    def __init__(self, path: Path, books: int) -> None:
        self._path = path
        self._books = books

    @property
    @override
    def books(self) -> int:
        return self._books

    @override
    async def read(self) -> AsyncIterator[bytes]:
        with await asyncio.to_thread(self._path.open, "rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece


def _imported_as(new_recommender: Callable[[], Recommender]) -> str:
    if not isinstance(new_recommender, type) or "<" in new_recommender.__qualname__:
        raise ValueError(f"A child process cannot import {new_recommender!r}.")
    return f"{new_recommender.__module__}:{new_recommender.__qualname__}"


def _own_id() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


async def _told(
    child: Process,
    items: AsyncIterator[Sequence[Item]],
    interactions: AsyncIterator[Sequence[Interaction]],
) -> None:
    """Send the library; a child that is gone is noticed by how it ended."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        async for page in items:
            packed = await asyncio.to_thread(wire.pack_items, page)
            await _send(child, wire.frame(wire.ITEMS, packed))
        async for deeds in interactions:
            packed = await asyncio.to_thread(wire.pack_interactions, deeds)
            await _send(child, wire.frame(wire.INTERACTIONS, packed))
        await _send(child, wire.frame(wire.END))


async def _send(child: Process, data: bytes) -> None:
    assert child.stdin
    child.stdin.write(data)
    await child.stdin.drain()


async def _read(stream: asyncio.StreamReader | None) -> bytes:
    """All of it, the last of it kept."""
    assert stream
    kept = b""
    while piece := await stream.read(_PIECE):
        kept = (kept + piece)[-_LAST_WORDS:]
    return kept


async def _ended(child: Process) -> None:
    """Kill the child and whatever it may have started, and collect it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    await asyncio.shield(child.wait())


@contextlib.contextmanager
def _counted() -> Any:
    began = time.monotonic()
    try:
        yield
    except BaseException:
        _FITS.labels("failed").inc()
        raise
    _FITS.labels("done").inc()
    _SECONDS.observe(time.monotonic() - began)


def _last_line(words: bytes) -> str:
    lines = words.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "It said nothing."
