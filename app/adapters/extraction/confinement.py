"""What a child gives up before it opens a stranger's file.

Everything here is asked for, and what the system does not have is done without; the parent
holds the clock in any case. Limits on processes do not bind root.
"""

import contextlib
import ctypes
import os
import signal
import sys

from app.adapters.extraction.limits import Limits

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_OPEN_FILES = 64


def confine(limits: Limits, *, parent: int) -> None:
    """Never outlive the parent, reach no network, gain no rights, write no file, start no
    process, and stay within the memory and the processor time given."""
    if sys.platform == "linux":
        _die_with(parent)
        _leave_the_network()
    with contextlib.suppress(ImportError):
        _limit_resources(limits)


def _die_with(parent: int) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _leave_the_network() -> None:
    libc = ctypes.CDLL(None)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWNET)


def _limit_resources(limits: Limits) -> None:
    import resource

    memory = limits.memory_mib * 2**20
    for name, soft, hard in (
        ("RLIMIT_CPU", limits.cpu_seconds, limits.cpu_seconds + 1),
        ("RLIMIT_AS", memory, memory),
        ("RLIMIT_FSIZE", 0, 0),
        ("RLIMIT_CORE", 0, 0),
        ("RLIMIT_NOFILE", _OPEN_FILES, _OPEN_FILES),
        ("RLIMIT_NPROC", 0, 0),
    ):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (soft, hard))
