"""Become another program that has no root's rights and ends with its parent.

    python -I -S embedded_exec.py PARENT_PID ROOT PROGRAM [ARG ...]

It stands between fork and exec as a program of its own, because a forked copy of a process
with threads may do nothing but exec. Standard library only; POSIX only.
"""

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Iterator

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


def main() -> None:
    parent, root, program = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    os.umask(0o077)
    _leave_root(root)
    # after the change of user: that would clear the death signal again
    _end_with(parent)
    os.execv(program[0], program)  # noqa: S606


def _leave_root(root: str) -> None:
    """PostgreSQL refuses uid 0, and initdb a uid without a name.

    In a user namespace without a uid map the process is named nobody and still owns the files
    of the real user, so nothing has to be given away.
    """
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return
    if sys.platform == "linux" and ctypes.CDLL(None).unshare(_CLONE_NEWUSER) == 0:
        return
    if os.geteuid() == 0:
        _become_nobody(root)


def _has_name(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return False


def _become_nobody(root: str) -> None:
    sys.stderr.write("root cannot have a user namespace here, so the user is nobody\n")
    nobody = pwd.getpwnam("nobody")
    for path in _tree(root):
        if os.lstat(path).st_uid != nobody.pw_uid:
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)


def _tree(root: str) -> Iterator[str]:
    yield root
    for folder, folders, files in os.walk(root):
        yield from (os.path.join(folder, name) for name in folders + files)


def _end_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != parent:
        sys.exit("the process that asked for the database is gone")


if __name__ == "__main__":
    main()
