"""Processes of the library that begin with a fork instead of seconds of imports.

One process imports the library and then forks a life for each line of its standard input. It
adopts what its lives leave behind, so that an orphan is a child of it that is none of them.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
import traceback
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

from tests.database import ROOT

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


class Life:
    """A process that was born here; what it wrote is in `said` and `complained`."""

    def __init__(self, folder: Path) -> None:
        name = f"life-{uuid4().hex}"
        self.said_in, self.complained_in = folder / f"{name}.said", folder / f"{name}.complained"
        self.pid = 0
        loop = asyncio.get_running_loop()
        self.born: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[int] = loop.create_future()

    @property
    def is_running(self) -> bool:
        return not self._ended.done()

    @property
    def said(self) -> str:
        return self.said_in.read_text(errors="replace")

    @property
    def complained(self) -> str:
        return self.complained_in.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def kill(self) -> None:
        """SIGKILL, and see it gone."""
        self.send(signal.SIGKILL)
        await self.end()

    async def end(self) -> int:
        """Wait for it: the exit code, or the number of the signal below zero."""
        # Who stops waiting does not take the end away from others.
        return await asyncio.shield(self._ended)

    def ended(self, status: int) -> None:
        self._ended.set_result(status)

    def forget(self) -> None:
        """Remove what it wrote."""
        for path in (self.said_in, self.complained_in):
            path.unlink(missing_ok=True)


class Nursery:
    def __init__(self, process: Process) -> None:
        self._process = process
        self._waiting: asyncio.Queue[Life] = asyncio.Queue()
        self._lives: dict[int, Life] = {}
        self._hearing = asyncio.create_task(self._hear())

    async def bear(
        self, do: str, *arguments: Any, folder: Path, environment: Mapping[str, str]
    ) -> Life:
        """A life that calls `module:function` in the folder and ends with what it returns."""
        life = Life(folder)
        order = {
            "do": do,
            "arguments": arguments,
            "folder": str(folder),
            "environment": dict(environment),
            "said": str(life.said_in),
            "complained": str(life.complained_in),
        }
        assert self._process.stdin
        self._waiting.put_nowait(life)
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await life.born
        return life

    def orphans(self) -> list[str]:
        """The command lines of what lives have left behind."""
        own = self._process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        strangers = [pid for pid in children if int(pid) not in self._lives]
        return [words for pid in strangers if (words := _words(pid))]

    async def close(self) -> None:
        self._process.kill()
        await self._process.wait()
        await self._hearing

    async def _hear(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            word, pid, status = line.split()
            if word == b"born":
                life = self._waiting.get_nowait()
                self._lives[int(pid)] = life
                life.pid = int(pid)
                life.born.set_result(None)
            elif ended := self._lives.pop(int(pid), None):
                ended.ended(int(status))
        while not self._waiting.empty():
            self._waiting.get_nowait().born.set_exception(RuntimeError("No life begins any more"))


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """Where lives begin; none of them is left at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.campaigns._nursery",
        cwd=ROOT,
        # A process that forks may have one thread only.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        stdin=PIPE,
        stdout=PIPE,
    )
    opened = Nursery(process)
    try:
        yield opened
    finally:
        await opened.close()


def _words(pid: str) -> str:
    """The command line, or nothing of what only waits to be collected."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:200]
    return ""


def _keep() -> None:
    import_module("app.__main__")
    import_module("benchmarks.campaigns._dying")
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGCHLD, _collect)
    for line in sys.stdin.buffer:
        # Nobody ends before it was said that they were born.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        pid = os.fork()
        if pid == 0:
            _live(json.loads(line))
        os.write(1, b"born %d 0\n" % pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])


def _collect(*_: object) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            os.write(1, b"ended %d %d\n" % (pid, os.waitstatus_to_exitcode(status)))


def _live(order: dict[str, Any]) -> NoReturn:
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _move_into(order)
        module, _, name = order["do"].partition(":")
        status = getattr(import_module(module), name)(*order["arguments"]) or 0
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _move_into(order: dict[str, Any]) -> None:
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, path in ((1, order["said"]), (2, order["complained"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)


if __name__ == "__main__":
    _keep()
