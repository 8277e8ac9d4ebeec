"""LuminaLib in one command; needs nothing but Python 3.11 or newer.

    python3 run.py [serve] [--host H] [--port N]   start the library
    python3 run.py demo [--books DIR]              play its whole story, with samples or yours
    python3 run.py test [pytest arguments]         run the tests
    python3 run.py check                           format, lint, types, walls, tests
    python3 run.py bench [NAME] [arguments]        run a benchmark, or list them
    python3 run.py campaign [NAME] [arguments]     attack the whole library, or list the attacks
    python3 run.py audit [--online]                hold packages and files against the decisions
    python3 run.py install llamacpp                add what runs a GGUF file without a server
    python3 run.py install embeddings              add a small model to search by meaning with
    python3 run.py worker | migrate | admin ...    everything else the library knows

The first start makes `.venv` and installs the locked packages into it.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("LuminaLib needs Python 3.11 or newer; this is Python " + sys.version.split()[0])

import ast
import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sysconfig
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed.json"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = str(BIN / ("python.exe" if os.name == "nt" else "python"))
# runs the environment's own Python even when this script was started by it
BASE_PYTHON: str = getattr(sys, "_base_executable", None) or sys.executable
RUNTIME, DEVELOPMENT = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
# what not everybody needs; they hold no package of the locks above
EXTRAS = {
    "llamacpp": ROOT / "requirements-llamacpp.lock",
    "embeddings": ROOT / "requirements-embeddings.lock",
}
TAG = f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}"

PYTEST = [PYTHON, "-m", "pytest"]
STEPS = {
    "format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "lint": [PYTHON, "-m", "ruff", "check", "."],
    "types": [PYTHON, "-m", "mypy"],
    "walls": [str(BIN / "lint-imports")],
}


def main(arguments: list[str]) -> int:
    name, rest = _command(arguments)
    # a path among the arguments means this folder, and only who reads them knows which are paths
    os.environ["CALLER_FOLDER"] = os.getcwd()
    os.chdir(ROOT)
    if name == "help":
        print(__doc__)
        return 0
    command = _COMMANDS.get(name)
    if command is None:
        prepare(RUNTIME)
        hand_over("-m", *(["demo"] if name == "demo" else ["app", name]), *rest)
    return command(rest)


def _command(arguments: list[str]) -> tuple[str, list[str]]:
    if arguments and arguments[0] in ("-h", "--help", "help"):
        return "help", []
    if not arguments or arguments[0].startswith("-"):
        return "serve", arguments
    return arguments[0], arguments[1:]


# What can be run


def test(arguments: list[str]) -> int:
    prepare(DEVELOPMENT)
    if any(word.endswith("real_model") and " " not in word for word in arguments):
        _fetch_real_model()
    if arguments:
        hand_over("-m", "pytest", *arguments)
    return _all_tests()


def _fetch_real_model() -> None:
    prepare(EXTRAS["llamacpp"])
    if run([PYTHON, "-m", "benchmarks.models", "--fetch", "smollm2-135m"]):
        sys.exit("The tests marked real_model need that model; the others do not.")


def _all_tests() -> int:
    code = run([*PYTEST, "--cov=app", "--cov-report="])
    counted = subprocess.run(
        [PYTHON, "-m", "coverage", "report", "--format=total"], capture_output=True, text=True
    )
    if counted.returncode == 0:
        print(f"coverage: {counted.stdout.strip()} % of the lines of app/")
    return code


def check(arguments: list[str]) -> int:
    """Every step, whatever became of the one before it."""
    prepare(DEVELOPMENT)
    steps: dict[str, Callable[[], int]] = {
        name: functools.partial(_quiet, words) for name, words in STEPS.items()
    }
    steps["tests"] = functools.partial(run, [*PYTEST, *arguments]) if arguments else _all_tests
    return max([_timed(name, step) for name, step in steps.items()])


def _timed(name: str, step: Callable[[], int]) -> int:
    begin = time.monotonic()
    failed = step() != 0
    print(f"{name:8}{'FAILED' if failed else 'ok':8}{time.monotonic() - begin:6.1f} s", flush=True)
    return int(failed)


def _quiet(words: list[str]) -> int:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout, flush=True)
    return done.returncode


def bench(arguments: list[str]) -> int:
    known = _benchmarks()
    if arguments and arguments[0] in known:
        prepare(DEVELOPMENT)
        hand_over("-m", f"benchmarks.{arguments[0]}", *arguments[1:])
    print("Benchmarks: python3 run.py bench NAME")
    for name, purpose in known.items():
        print(f"  {name:20}{purpose}")
    return 2 if arguments else 0


def audit(arguments: list[str]) -> int:
    prepare(DEVELOPMENT)
    hand_over("-m", "deploy.audit", *arguments)


def campaign(arguments: list[str]) -> int:
    prepare(DEVELOPMENT)
    hand_over("-m", "benchmarks.campaigns", *arguments)


def _benchmarks() -> dict[str, str]:
    files = sorted((ROOT / "benchmarks").glob("[a-z]*.py"))
    documents = {file.stem: ast.get_docstring(ast.parse(file.read_text("utf-8"))) for file in files}
    return {name: (document or "").partition("\n")[0] for name, document in documents.items()}


def install(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in EXTRAS:
        print(f"python3 run.py install {' | '.join(EXTRAS)}")
        return 2
    prepare(RUNTIME)
    prepare(EXTRAS[arguments[0]])
    return 0


def hand_over(*words: str) -> NoReturn:
    """Become the environment's Python, so that signals and exit codes are its own."""
    if os.name == "nt":
        sys.exit(run([PYTHON, *words]))
    sys.stdout.flush()
    os.execve(PYTHON, [PYTHON, *words], os.environ)


def run(words: list[str]) -> int:
    """The exit code of a child, which gets to finish after Ctrl-C."""
    with subprocess.Popen(words) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.wait()
            raise


# The environment


def prepare(lock: Path) -> None:
    """Make `.venv` hold what the lock names; instantly when it already does."""
    if _is_ready(lock):
        return
    with _only_one():
        if not _is_ready(lock):
            (_add if lock in EXTRAS.values() else _install)(lock)


def _is_ready(lock: Path) -> bool:
    return _fingerprint(lock) in _installed()


def _installed() -> list[str]:
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return []
    return stamp["locks"] if stamp["tag"] == TAG and os.path.exists(PYTHON) else []


def _fingerprint(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _install(lock: Path) -> None:
    with _progress() as show:
        # an empty list of locks marks an installation that was interrupted
        if not _installed() and (STAMP.exists() or not _has_pip()):
            shutil.rmtree(VENV, ignore_errors=True)
        VENV.mkdir(exist_ok=True)
        _write_stamp([])
        if not _has_pip():
            show("making .venv")
            _make_environment()
        _pip_install(lock, show)
        # the lock of the developers holds the other one
        locks = {lock, RUNTIME}
        _write_stamp([_fingerprint(each) for each in sorted(locks)])


def _add(extra: Path) -> None:
    """Whatever becomes of it, what was installed before is as good as it was."""
    with _progress() as show:
        _pip_install(extra, show)
        _write_stamp([*_installed(), _fingerprint(extra)])


def _write_stamp(locks: list[str]) -> None:
    STAMP.write_text(json.dumps({"tag": TAG, "locks": locks}))


def _has_pip() -> bool:
    probe = "import sys, pip; print(sys.implementation.cache_tag)"
    try:
        told = subprocess.run([PYTHON, "-c", probe], capture_output=True, text=True)
    except OSError:
        return False
    return told.stdout.strip() == sys.implementation.cache_tag


def _make_environment() -> None:
    if importlib.util.find_spec("ensurepip"):
        _must([BASE_PYTHON, "-m", "venv", str(VENV)], "making .venv failed")
        return
    # Debian and Ubuntu leave ensurepip out of their Python, but allow pip to fill a folder
    advice = "This Python can make no environment; install its venv (apt install python3-venv)"
    _must([BASE_PYTHON, "-m", "venv", "--without-pip", str(VENV)], advice)
    target = sysconfig.get_path("purelib", "venv", {"base": str(VENV), "platbase": str(VENV)})
    _must([BASE_PYTHON, "-m", "pip", "install", "--quiet", "--target", target, "pip"], advice)


def _must(words: list[str], otherwise: str) -> None:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"\n{done.stdout}\n{otherwise}")


def _pip_install(lock: Path, show: Callable[[str], None]) -> None:
    total = sum(line[:1].isalnum() for line in lock.read_text("utf-8").splitlines())
    words = [PYTHON, "-m", "pip", "install", "--no-input", "--require-hashes", "-r", str(lock)]
    last_lines: deque[str] = deque(maxlen=15)
    seen = 0
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        close_fds=False,
    ) as child:
        for line in child.stdout or ():
            last_lines.append(line)
            seen += line.startswith(("Collecting ", "Requirement already satisfied"))
            show("unpacking" if line.startswith("Installing ") else f"package {seen} of {total}")
    if child.returncode:
        sys.exit(
            f"\n{''.join(last_lines)}\nInstalling {lock.name} failed; see pip's words above."
            " The same command tries again."
        )


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """One line that is rewritten; where it cannot be, one that is written once."""
    begin = time.monotonic()
    again = "\r\033[K" if sys.stderr.isatty() else ""

    def show(what: str) -> None:
        if again:
            print(f"{again}Preparing .venv: {what} …", end="", file=sys.stderr, flush=True)

    print(
        "Preparing .venv, once; this takes a minute or two …", file=sys.stderr, end="", flush=True
    )
    yield show
    done = f"{again}.venv is" if again else ""
    print(f"{done} ready after {time.monotonic() - begin:.0f} s", file=sys.stderr)


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """One installation at a time; this very file is the lock, as `.venv` comes and goes."""
    with open(__file__, "rb") as file:
        if not _lock(file.fileno(), wait=False):
            print("Waiting for another run.py that is preparing .venv …", file=sys.stderr)
            _lock(file.fileno(), wait=True)
        # pip inherits the lock: when it outlives this process, nobody else begins
        os.set_inheritable(file.fileno(), True)
        yield


def _lock(handle: int, *, wait: bool) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, 1 << 30, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


_COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "test": test,
    "check": check,
    "bench": bench,
    "audit": audit,
    "campaign": campaign,
    "install": install,
}

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print(file=sys.stderr)
        sys.exit(130)
