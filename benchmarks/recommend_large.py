"""What the default recommender takes at 100,000 books and 1,000,000 events: time, memory, file.

`bench recommend_large --books … --ratings …`: a library made of altered copies of real books
(a word more in the title, other co-authors, genres dropped and exchanged), read by altered
copies of real readers. Fit and serving are measured in processes of their own.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from app.adapters.recommender.hybrid import HybridRecommender
from app.ports.recommender import Interaction, Item, Profile, Snapshot
from app.shared.calling import as_called
from benchmarks._machine import percentile, record
from benchmarks._readers import Stars, read_books, read_stars

_EACH = 50
_ASKED = 300
_WARMED_UP = 20
_AT = datetime(2026, 1, 1, tzinfo=UTC)

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Sizes:
    books: int
    events: int


@dataclass(frozen=True, slots=True)
class Fit:
    seconds: float
    peak: float
    megabytes: float


@dataclass(frozen=True, slots=True)
class Serving:
    """Megabytes the loaded model adds to a process that has its libraries, milliseconds of
    an answer of 10 and of processor time for it."""

    load_seconds: float
    megabytes: float
    p50: float
    p95: float
    cpu: float


def library(items: Sequence[Item], stars: Stars, sizes: Sizes) -> Snapshot:
    random_ = random.Random(0)
    books = [_altered(items[n % len(items)], n, items, random_) for n in range(sizes.books)]
    copies: dict[UUID, list[UUID]] = {}
    for number, book in enumerate(books):
        copies.setdefault(items[number % len(items)].id, []).append(book.id)
    done = _read(list(stars.values()), copies, sizes.events // _EACH, random_)
    had: dict[UUID, int] = {}
    for one in done:
        had[one.item_id] = had.get(one.item_id, 0) + 1
    return Snapshot("large", [replace(b, popularity=had.get(b.id, 0)) for b in books], done)


def _altered(item: Item, number: int, items: Sequence[Item], random_: random.Random) -> Item:
    other = random_.choice(items)
    author = item.author if random_.random() < 0.3 else f"{item.author} {number % 997}"
    genres = [genre for genre in item.genres if random_.random() < 0.7] + list(other.genres[:2])
    return replace(
        item,
        id=UUID(int=number + 1),
        title=f"{item.title} {other.title.split()[0]}",
        author=author,
        genres=tuple(dict.fromkeys(genres)),
    )


def _read(
    readers: Sequence[Mapping[UUID, int]],
    copies: dict[UUID, list[UUID]],
    count: int,
    random_: random.Random,
) -> list[Interaction]:
    done: list[Interaction] = []
    for number in range(count):
        given = random_.choice(readers)
        chosen = {_copy(copies[book], random_): stars for book, stars in _some(given, random_)}
        for book, stars in chosen.items():
            at = _AT + timedelta(minutes=len(done))
            done.append(Interaction(UUID(int=number + 1), book, (stars - 3) / 2, at))
    return done


def _some(given: Mapping[UUID, int], random_: random.Random) -> list[tuple[UUID, int]]:
    return random_.choices(list(given.items()), k=_EACH)


def _copy(copies: Sequence[UUID], random_: random.Random) -> UUID:
    """The first copies are read more, as some editions are."""
    weights = list(accumulate(1 / (place + 1) for place in range(len(copies))))
    return random_.choices(copies, cum_weights=weights)[0]


def fitted(books: Path, ratings: Path, sizes: Sizes, file: Path) -> Fit:
    snapshot = library(read_books(books), read_stars(ratings), sizes)
    model = HybridRecommender()
    started = time.perf_counter()
    model.fit(snapshot)
    seconds = time.perf_counter() - started
    with file.open("wb") as target:
        model.save(target)
    file.with_suffix(".profiles").write_text(json.dumps(_profiles(snapshot)))
    return Fit(seconds, _memory("VmHWM"), file.stat().st_size / 1e6)


def _profiles(snapshot: Snapshot) -> list[dict[str, float]]:
    """The histories of some of the readers."""
    histories: dict[UUID, dict[str, float]] = {}
    for one in snapshot.interactions[: _ASKED * _EACH]:
        histories.setdefault(one.reader_id, {})[str(one.item_id)] = one.weight
    return list(histories.values())


def served(file: Path) -> Serving:
    said = json.loads(file.with_suffix(".profiles").read_text())
    asked = [Profile(items={UUID(book): w for book, w in each.items()}) for each in said]
    before, started = _memory("VmRSS"), time.perf_counter()
    model = HybridRecommender()
    with file.open("rb") as source:
        model.load(source)
    load = time.perf_counter() - started
    for profile in asked[:_WARMED_UP]:
        model.recommend(profile, profile.items.keys(), 10)
    times, cpu = [], time.process_time()
    for profile in asked:
        started = time.perf_counter()
        model.recommend(profile, profile.items.keys(), 10, diversity=0.1)
        times.append(time.perf_counter() - started)
    cpu = (time.process_time() - cpu) / len(asked) * 1000
    grown = _memory("VmRSS") - before
    return Serving(load, grown, percentile(times, 0.5), percentile(times, 0.95), cpu)


def _memory(line: str) -> float:
    """Megabytes of this process, by its line in /proc; 0 where there is none."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    lines = status.read_text().splitlines()
    return next(int(found.split()[1]) / 1000 for found in lines if found.startswith(line))


def _apart(work: Callable[..., Found], *arguments: object) -> Found:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="recommend_large", description=__doc__)
    parser.add_argument("--books", type=as_called, required=True)
    parser.add_argument("--ratings", type=as_called, required=True)
    parser.add_argument("--size", type=int, default=100_000, help="books of the library")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    arguments = parser.parse_args(argv)
    sizes = Sizes(arguments.size, arguments.events)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model"
        fit = _apart(fitted, arguments.books, arguments.ratings, sizes, file)
        print(f"fit {fit.seconds:.1f} s, peak {fit.peak:.0f} MB, file {fit.megabytes:.0f} MB")
        serving = _apart(served, file)
    report = _report(sizes, fit, serving)
    print(report)
    if arguments.record:
        options = [f"--{name}={getattr(arguments, name).name}" for name in ("books", "ratings")]
        options += [f"--size={sizes.books}", f"--events={sizes.events}"]
        record("recommend_large", options, report)
    return 0


def _report(sizes: Sizes, fit: Fit, serving: Serving) -> str:
    return (
        f"{sizes.books} books, {sizes.events} events; {os.cpu_count()} cores, "
        f"load {os.getloadavg()[1]:.1f}.\n\n"
        "| fit s | peak MB of the fit | file MB | load s | MB per process | p50 ms | p95 ms "
        "| processor ms |\n|---|---|---|---|---|---|---|---|\n"
        f"| {fit.seconds:.0f} | {fit.peak:.0f} | {fit.megabytes:.0f} | {serving.load_seconds:.1f} "
        f"| {serving.megabytes:.0f} | {serving.p50:.1f} | {serving.p95:.1f} | {serving.cpu:.1f} |"
    )


if __name__ == "__main__":
    raise SystemExit(main())
