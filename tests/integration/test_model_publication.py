"""Models fitted in a process of their own, published, and loaded by every other."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import pytest
from sqlalchemy import text
from typing_extensions import override

from app.adapters.fitting import wire
from app.adapters.fitting.workshop import ChildWorkshop
from app.adapters.postgres.engine import open_engine
from app.bootstrap.library import Library
from app.domains.accounts.model import User
from app.domains.lending.model import Marker
from app.domains.recommendations.service import (
    CurrentModel,
    FreshModel,
    PopularBooks,
    PublishedModel,
    RecommendationsService,
    Recommended,
    Serving,
    SnapshotReader,
)
from app.domains.recommendations.service.current_model import Small
from app.ports.fitting import FitFailed
from app.ports.recommender import Interaction, Item, Snapshot
from app.shared.ids import new_id
from tests.database import ROOT
from tests.domains.recommendations.conftest import untold
from tests.fakes.recommender import OverlapRecommender
from tests.library import api_of, client_of, opened_library, settings_for_tests

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
BOOKS = [Item(UUID(int=n), f"Book {n}", "Somebody", ("Sea",), language="en") for n in range(1, 4)]
DEEDS = [
    Interaction(UUID(int=7), UUID(int=1), -0.5, NOW),
    Interaction(new_id(), new_id(), 1.0, NOW),
]


class CountingRecommender(OverlapRecommender):
    """Says in its file what it was fitted on."""

    @override
    def save(self, target: BinaryIO) -> None:
        target.write(self.seen.encode())

    @override
    def fit(self, snapshot: Snapshot) -> None:
        super().fit(snapshot)
        self.seen = f"{snapshot.version} {list(snapshot.items)} {snapshot.interactions[:]}"


class HopelessRecommender(OverlapRecommender):
    @override
    def fit(self, snapshot: Snapshot) -> None:
        raise ZeroDivisionError("a singular matrix")


class DyingRecommender(OverlapRecommender):
    @override
    def fit(self, snapshot: Snapshot) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class EndlessRecommender(OverlapRecommender):
    @override
    def fit(self, snapshot: Snapshot) -> None:
        while True:
            pass


async def pages(*given: Sequence[Any]) -> AsyncIterator[Sequence[Any]]:
    for page in given:
        yield page


async def bytes_of(workshop: ChildWorkshop) -> bytes:
    made = workshop.fitted("v1", pages(BOOKS[:2], BOOKS[2:]), pages(DEEDS, []))
    async with made as model:
        assert model.books == len(BOOKS)
        return b"".join([piece async for piece in model.read()])


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_child_fits_exactly_what_it_is_sent(tmp_path: Path) -> None:
    workshop = ChildWorkshop(CountingRecommender, scratch=tmp_path)
    assert (await bytes_of(workshop)).decode() == f"v1 {BOOKS} {DEEDS}"
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("recommender", "why"),
    [(HopelessRecommender, "a singular matrix"), (DyingRecommender, "-9")],
)
async def test_a_fit_that_fails_or_dies_says_so(
    recommender: type[OverlapRecommender], why: str, tmp_path: Path
) -> None:
    with pytest.raises(FitFailed, match=why):
        await bytes_of(ChildWorkshop(recommender, scratch=tmp_path))
    assert left_in(tmp_path) == []


async def test_what_killed_fits_left_behind_is_removed_by_a_later_one(tmp_path: Path) -> None:
    old, young, others = (tmp_path / name for name in ("lumina-fit-a", "lumina-fit-b", "else"))
    for folder in (old, young, others):
        folder.mkdir()
        (folder / "model").write_bytes(b"half a model")
        if folder != young:
            os.utime(folder, (0, 0))
    await bytes_of(ChildWorkshop(CountingRecommender, scratch=tmp_path))
    assert set(left_in(tmp_path)) == {young, others}


async def test_a_fit_removes_what_a_killed_one_left_a_day_ago(tmp_path: Path) -> None:
    abandoned, running = tmp_path / "lumina-fit-old", tmp_path / "lumina-fit-running"
    for folder in (abandoned, running):
        folder.mkdir()
        (folder / "model").write_bytes(b"half of a model")
    os.utime(abandoned, (0, 0))
    await bytes_of(ChildWorkshop(CountingRecommender, scratch=tmp_path))
    assert left_in(tmp_path) == [running]


async def test_a_fit_that_takes_too_long_is_ended() -> None:
    with pytest.raises(FitFailed, match="more than 1 s"):
        await bytes_of(ChildWorkshop(EndlessRecommender, wall_seconds=1))


def test_what_cannot_be_imported_is_refused_at_once() -> None:
    class Local(OverlapRecommender):
        pass

    for maker in (Local, lambda: OverlapRecommender()):
        with pytest.raises(ValueError, match="cannot import"):
            ChildWorkshop(maker)


def test_a_library_that_is_cut_short_is_noticed() -> None:
    whole = wire.frame(wire.ITEMS, wire.pack_items(BOOKS)) + wire.frame(wire.END)
    assert len(list(wire.frames(io.BytesIO(whole)))) == 1
    for cut in (0, 3, 20, len(whole) - 1):
        with pytest.raises(EOFError):
            list(wire.frames(io.BytesIO(whole[:cut])))


@pytest.mark.parametrize("whole", [True, False])
def test_a_fit_ends_with_whoever_wanted_it(whole: bool, tmp_path: Path) -> None:
    order = {
        "path": [path for path in sys.path if path],
        "recommender": f"{__name__}:EndlessRecommender",
        "version": "v1",
        "target": str(tmp_path / "model"),
    }
    words = [sys.executable, "-I", "-B", str(Path(wire.__file__).with_name("child.py"))]
    with subprocess.Popen([*words, json.dumps(order)], stdin=subprocess.PIPE) as child:
        assert child.stdin
        child.stdin.write(wire.frame(wire.END) if whole else b"I")
        child.stdin.close()
        assert child.wait(30) == 3


def test_a_fit_is_forced_from_the_command_line(database_url: str, tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database_url,
        "LUMINA_HOME": str(tmp_path),
        "LLM_PROVIDER": "extractive",
    }
    words = [sys.executable, "-m", "app", "admin", "fit"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"Model [\w-]+: 0 books, [\d,]+ bytes, [\d.]+ s\.\n", done.stdout)
    assert len(list((tmp_path / "files").glob("models+/*/*"))) == 1


@dataclass
class Process:
    """A library opened once more, which it is too large to be fitted in."""

    library: Library
    home: Path

    def __post_init__(self) -> None:
        adapters, services = self.library.adapters, self.library.services
        begin, clock = adapters.recommendations_work, adapters.clock
        snapshots = SnapshotReader(begin, learns=True)
        recommender = adapters.new_recommender
        self.fitting = services.fitting
        self.advice = RecommendationsService(
            begin=begin,
            shelving=services.shelving,
            model=CurrentModel(
                begin=begin,
                fresh=FreshModel(
                    begin=begin, snapshots=snapshots, new_recommender=recommender, clock=clock
                ),
                published=PublishedModel(
                    begin=begin, storage=adapters.storage, new_recommender=recommender, poll=0
                ),
                popular=PopularBooks(begin, clock),
                fitting=services.fitting,
                small=Small(books=0, loans=0),
                look=0,
            ),
            clock=clock,
            marker=Marker(b"key"),
            serving=Serving(),
        )

    def files(self) -> list[Path]:
        """The stored models, the oldest first."""
        return sorted((self.home / "files").glob("models+/*/*"), key=lambda file: file.name)


Pair = tuple[Process, Process]


@pytest.fixture
async def processes(database_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    settings = settings_for_tests(database_url, tmp_path)
    async with opened_library(settings) as one, opened_library(settings) as other:
        yield Process(one, tmp_path), Process(other, tmp_path)


async def a_reader(library: Library) -> User:
    await library.services.accounts.sign_up("ada@library.test", "a quiet place to read")
    async with library.adapters.accounts_work() as work:
        user = await work.users.by_email("ada@library.test")
    assert user
    return user


async def shelve(library: Library, title: str) -> None:
    """A book, as its uploading would have left it."""
    headers = await _headers(library)
    async with client_of(api_of(library)) as api:
        answer = await api.post(
            "/books",
            files={"file": (f"{title}.txt", f"{title} is a book of its own.".encode())},
            data={"title": title, "genre": "Sea"},
            headers=headers,
        )
        answer.raise_for_status()


async def _headers(library: Library) -> dict[str, str]:
    tokens = await library.services.accounts.sign_in("ada@library.test", "a quiet place to read")
    return {"Authorization": f"Bearer {tokens.access_token}"}


async def until(process: Process, reader: User, version: object = None) -> Recommended:
    """The first answer of a model that is not of that version."""
    async with asyncio.timeout(30):
        while True:
            answer = await process.advice.recommend(reader, 10)
            if answer.model != "popular" and answer.model_version != version:
                return answer
            await asyncio.sleep(0.05)


async def test_a_published_model_reaches_every_process(processes: Pair) -> None:
    one, other = processes
    reader = await a_reader(one.library)
    await shelve(one.library, "Tides")
    waiting = await one.advice.recommend(reader, 10)
    assert waiting.model == "popular"
    assert [item.reasons[0].kind for item in waiting.items] == ["popular"]
    made = await one.fitting.fit(untold)
    for process in processes:
        assert (await until(process, reader)).model_version == made["version"]
    await shelve(one.library, "Harbours")
    again = await other.fitting.fit(untold, anyway=True)
    for process in processes:
        answer = await until(process, reader, made["version"])
        assert (answer.model_version, len(answer.items)) == (again["version"], 2)


async def test_the_job_of_a_missing_model_is_written_and_run(processes: Pair) -> None:
    one, _ = processes
    reader = await a_reader(one.library)
    await shelve(one.library, "Tides")
    assert (await one.advice.recommend(reader, 10)).model == "popular"
    async with asyncio.timeout(60):
        while not one.files():
            await one.library.runner.kick()
            await asyncio.sleep(0.05)
    assert (await until(one, reader)).items


async def test_a_damaged_file_leaves_the_last_good_model_and_is_replaced(
    processes: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = processes
    reader = await a_reader(one.library)
    await shelve(one.library, "Tides")
    first = await one.fitting.fit(untold)
    assert (await until(one, reader)).model_version == first["version"]
    await shelve(one.library, "Harbours")
    second = await one.fitting.fit(untold, anyway=True)
    newest = one.files()[-1]
    newest.write_bytes(newest.read_bytes()[:-9])
    # The other, which has none yet, finds the one before; one goes on with what it has.
    for process in (other, one):
        answer = await process.advice.recommend(reader, 10)
        assert answer.model_version == first["version"]
    assert "is withdrawn" in caplog.text
    third = await one.fitting.fit(untold, anyway=True)
    assert (third["version"], third["fitted"]) == (second["version"], True)
    assert (await until(other, reader, first["version"])).model_version == third["version"]


async def test_models_are_no_orphans(processes: Pair, database_url: str) -> None:
    one, _ = processes
    reader = await a_reader(one.library)
    await shelve(one.library, "Tides")
    await one.fitting.fit(untold)
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE models SET announced_at = now() - interval '9 days'"))
    await engine.dispose()
    await one.library.services.ingestion.sweep()
    assert await one.fitting.sweep() == 0
    assert len(one.files()) == 1
    assert (await until(one, reader)).items
