"""Restores: libraries saved while they are in use, destroyed, and made again from the copy."""

import asyncio
import copy
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import asyncpg
import httpx

from app.adapters.postgres.dumping import state_of
from app.bootstrap.backup import back_up, restore_backup
from app.bootstrap.backup_folder import NoBackup
from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._drilled import (
    checksums,
    columns_of,
    forgotten,
    taken_down,
    unlike,
    wrong_files,
)
from benchmarks.campaigns._grounds import postgres
from benchmarks.campaigns._invariants import broken
from benchmarks.campaigns._patrons import Ledger, Patron
from tests.database import cloned, scratch_folder
from tests.integration.server import LibraryServer, home_of_a_library
from tests.library import settings_for_tests

_DRILLS, _PATRONS, _BOOKS = 5, 3, 8
_DRAIN = 120.0
# What may be brought to the newest schema from: the oldest in which all of this was there.
_OLDER = ("0011", "0010", "0009", "0008", "0007")
_WAITING = """SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'
  OR (status = 'todo' AND coalesce(scheduled_at, now()) <= now() + interval '5 minutes'
      AND task_name <> 'count_words')"""


async def run(plan: Plan, server_url: str | None = None) -> Sequence[Tally]:
    drills = plan.count(_DRILLS)
    saved = Tally("libraries saved in use, lost, restored", drills, "nothing acknowledged is lost")
    still = Tally("libraries saved at rest, lost, restored", drills, "every row and byte is there")
    older = Tally("backups of an older schema restored", drills, "every row is there, brought up")
    harmed = Tally("damaged backups refused", drills * len(_HARMS), "refused, nothing written")
    tallies = [saved, still, older, harmed]
    with postgres(server_url) as server:
        for number in plan.rounds(saved):
            for tally, found in zip(tallies, await _drilled(plan, server, number), strict=True):
                told = f"seed {plan.seed}, drill {number}"
                tally.failures += [f"{told}: {fault}" for fault in found.faults]
                tally.figures |= found.figures
                if tally is not saved:
                    tally.done += found.done
    return tallies


@dataclass(slots=True)
class _Found:
    faults: list[str]
    figures: Mapping[str, str]
    done: int = 1


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a library may be made again: nothing is there."""

    url: str
    home: Path

    async def restored(self, folder: Path) -> None:
        await restore_backup(settings_for_tests(self.url, self.home), folder, _silently)


async def _drilled(plan: Plan, server: str, number: int) -> Sequence[_Found]:
    """One library's life: in use, at rest, older, and what is left of it when it is harmed."""
    dice = random.Random(f"{plan.seed} {number}")
    with home_of_a_library() as home, cloned(server) as url, scratch_folder() as safe:
        files = home / "var" / "files"
        async with _in_use(home, url, dice) as ledger:
            known = copy.deepcopy(ledger)
            began = time.monotonic()
            await _save(url, home / "var", safe / "moving")
            took = time.monotonic() - began
        busy = len(ledger.loans) - len(known.loans)
        await _save(url, home / "var", safe / "still")
        columns = await columns_of(url)
        wanted, wounds = await checksums(url, columns), await wrong_files(url, files)
        older = await _older(server, url, home / "var", safe / "older", number)
        shutil.rmtree(files)
        moving = await _made_again(server, safe / "moving", known)
        moving.figures = {
            "a library": f"{wanted['books'][0]} books, {wanted['loans'][0]} loans, "
            f"{sum(rows for rows, _ in wanted.values()):,} rows",
            "loans given while it was saved": f"{busy} in {took:.1f} s",
        }
        with _empty(server) as place:
            await place.restored(safe / "still")
            faults = unlike("a table", wanted, await checksums(place.url, columns))
            faults += await wrong_files(place.url, place.home / "files") + wounds
        still = _Found(faults, {"tables": str(len(wanted))})
        return moving, still, older, await _harmed(server, safe / "still", safe / "harmed", dice)


@asynccontextmanager
async def _in_use(home: Path, url: str, dice: random.Random) -> AsyncIterator[Ledger]:
    """A server with some books, and readers who come and go; at the end all jobs are done and
    the server has left."""
    settings = {"DATABASE_URL": url, "LENDING_LIMIT": "1000"}
    server = await asyncio.to_thread(LibraryServer, home, settings=settings)
    ledger, shared = Ledger(), list[str]()
    try:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30) as client:
            patrons = [
                Patron(client, f"patron{n}", random.Random(dice.random()), ledger)
                for n in range(_PATRONS)
            ]
            for patron in patrons:
                await patron.sign_up()
            visits = [asyncio.create_task(patron.keep_busy(shared)) for patron in patrons]
            try:
                await _until(lambda: _is(len(ledger.books) >= _BOOKS))
                yield ledger
            finally:
                for patron in patrons:
                    patron.wants.clear()
                await asyncio.gather(*visits)
            await _until(lambda: _is_idle(url))
        await asyncio.to_thread(server.stop)
    finally:
        server.kill()


async def _is(truth: bool) -> bool:
    return truth


async def _is_idle(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return not await connection.fetchval(_WAITING)
    finally:
        await connection.close()


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_DRAIN):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def _save(url: str, home: Path, folder: Path) -> None:
    await back_up(settings_for_tests(url, home), folder, _silently)


async def _made_again(server: str, folder: Path, known: Ledger) -> _Found:
    with _empty(server) as place:
        await place.restored(folder)
        faults = await forgotten(place.url, known)
        faults += await wrong_files(place.url, place.home / "files") + await broken(place.url)
    return _Found(faults, {})


async def _older(server: str, url: str, home: Path, folder: Path, number: int) -> _Found:
    revision = _OLDER[number % len(_OLDER)]
    with cloned(server, url.rpartition("/")[2]) as past, _empty(server) as place:
        await taken_down(past, revision)
        await _save(past, home, folder)
        wanted, before = await columns_of(past), await state_of(past)
        await place.restored(folder)
        now, after = await columns_of(place.url), await state_of(place.url)
        kept = {
            table: [name for name in names if name in now.get(table, ())]
            for table, names in wanted.items()
            if table not in ("alembic_version",)
        }
        faults = unlike("a table", await checksums(past, kept), await checksums(place.url, kept))
        faults += await wrong_files(place.url, place.home / "files") + await broken(place.url)
    if (before.revision, after.revision >= "0012") != (revision, True):
        faults.append(f"revision {before.revision} became {after.revision}")
    return _Found(faults, {"the last from revision": revision})


@contextmanager
def _empty(server: str) -> Iterator[_Place]:
    with cloned(server, "template0") as url, scratch_folder() as home:
        yield _Place(url, home / "var")


def _flip(path: Path, dice: random.Random) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    path.write_bytes(damaged)


def _cut(path: Path, dice: random.Random) -> None:
    os.truncate(path, dice.randrange(path.stat().st_size))


def _lose(path: Path, dice: random.Random) -> None:
    path.unlink()


_HARMS = [
    *product(["database-*.dump", "files/**/*"], [_flip, _cut, _lose]),
    *product(["manifest.json"], [_cut, _lose]),
]


async def _harmed(server: str, whole: Path, scratch: Path, dice: random.Random) -> _Found:
    """Each harm to a copy of the backup, which then is refused with nothing written."""
    found = _Found([], {}, 0)
    for pattern, harm in _HARMS:
        shutil.copytree(whole, scratch)
        harm(dice.choice(_files(scratch, pattern)), dice)
        told = f"{harm.__name__.strip('_')} {pattern}"
        with _empty(server) as place:
            try:
                await place.restored(scratch)
            except NoBackup:
                if place.home.exists() or await columns_of(place.url):
                    found.faults.append(f"{told}: refused, and something was written")
            else:
                found.faults.append(f"{told}: it was restored")
        found.done += 1
        shutil.rmtree(scratch)
    return found


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def _silently(line: str) -> None:
    pass
