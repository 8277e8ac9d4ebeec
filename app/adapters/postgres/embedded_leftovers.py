"""What an owner that was killed may have left in a data directory."""

import os
import signal
import subprocess
import time
from pathlib import Path


def clear_the_way(data: Path) -> None:
    """End a server that outlived its owner and disarm a stale pid file.

    Only for the holder of the directory's lock. Raises TimeoutError when the server does not
    end within a minute.
    """
    file = data / "postmaster.pid"
    if os.name == "nt" or not file.exists():
        return
    pid, _, rest = file.read_text().partition("\n")
    if not pid.strip().isdecimal():
        file.unlink()
    elif _is_server_of(int(pid), data):
        _end(int(pid), data)
    else:
        # PostgreSQL takes any living process with that pid for a server, unless it is its
        # parent; the rest of the file guards the shared memory and stays.
        file.write_text(f"{os.getpid()}\n{rest}")


def _end(pid: int, data: Path) -> None:
    os.kill(pid, signal.SIGINT)
    for _ in range(600):
        if not _is_server_of(pid, data):
            return
        time.sleep(0.1)
    raise TimeoutError(f"an earlier server of {data} (process {pid}) does not end")


def _is_server_of(pid: int, data: Path) -> bool:
    words = _command_line(pid)
    return "postgres" in words and os.fspath(data) in words


def _command_line(pid: int) -> str:
    """Its words, or nothing for a process that is gone or only waits to be reaped."""
    if os.path.exists("/proc/self"):
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).replace("\0", " ")
        except OSError:
            return ""
    return subprocess.run(  # noqa: S603
        ["ps", "-ww", "-o", "command=", "-p", str(pid)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    ).stdout
