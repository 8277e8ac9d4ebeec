"""How well the next book is found, on real readers: `bench recommend --books … --ratings …`.

Strong generalisation: the readers of a fold are held out of the fit; 80 % of a reader's
liked books (rating 4 or 5, readers with at least 10) are shown, the rest are to be found.
The first tenth of the readers is for tuning (`--dev`) and is in no reported figure.
Files as in goodbooks-10k: books.csv, ratings.csv and, beside the books, book_genres.csv.
"""

import argparse
import csv
import random
import re
import shlex
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from typing_extensions import override

from app.adapters.recommender.tfidf import TfidfRecommender
from app.ports.recommender import (
    Interaction,
    Item,
    Profile,
    Reason,
    Recommendation,
    Recommender,
    Snapshot,
)

RESULTS = Path(__file__).with_name("RESULTS.md")
FOLDS = 10
FEWEST_LIKED = 10
LIKED = 4
Liked = Mapping[int, Sequence[UUID]]


class _Ranking(Recommender):
    """A floor: one order of the items per reader, and no reasons worth the name."""

    @override
    def fit(self, snapshot: Snapshot) -> None:
        self._ids = [item.id for item in snapshot.items]
        self._learn(snapshot)

    @override
    def recommend(
        self, profile: Profile, exclude: Collection[UUID], k: int
    ) -> list[Recommendation]:
        scores = self._scores(profile)
        order = (row for row in np.argsort(-scores, kind="stable") if self._ids[row] not in exclude)
        best = [row for row, _ in zip(order, range(k), strict=False)]
        reason = Reason("popular")
        return [Recommendation(self._ids[row], float(scores[row]), (reason,)) for row in best]

    @override
    def similar(self, item_id: UUID, k: int) -> list[Recommendation]:
        return []

    @abstractmethod
    def _learn(self, snapshot: Snapshot) -> None: ...

    @abstractmethod
    def _scores(self, profile: Profile) -> Any:
        """One number for each item of the snapshot, in its order."""


class RandomRanking(_Ranking):
    name = "random"

    @override
    def _learn(self, snapshot: Snapshot) -> None:
        self._random = np.random.default_rng(0)

    @override
    def _scores(self, profile: Profile) -> Any:
        return self._random.random(len(self._ids))


class PopularityRanking(_Ranking):
    name = "popularity"

    @override
    def _learn(self, snapshot: Snapshot) -> None:
        self._popularity = np.array([item.popularity for item in snapshot.items])

    @override
    def _scores(self, profile: Profile) -> Any:
        return self._popularity


class OneFieldMean(_Ranking):
    """What most public code does: one bag of words per book, the mean of the reader's books."""

    name = "tf-idf, one field, mean profile"

    @override
    def _learn(self, snapshot: Snapshot) -> None:
        bags = [f"{i.title} {i.author} {' '.join(i.genres)}" for i in snapshot.items]
        self._matrix = TfidfVectorizer().fit_transform(bags).tocsr()
        self._row_of = {item_id: row for row, item_id in enumerate(self._ids)}

    @override
    def _scores(self, profile: Profile) -> Any:
        rows = [self._row_of[item_id] for item_id in profile.items]
        return self._matrix @ np.asarray(self._matrix[rows].mean(axis=0)).ravel()


RIVALS: Sequence[Callable[[], Recommender]] = (
    RandomRanking,
    PopularityRanking,
    OneFieldMean,
    TfidfRecommender,
)


@dataclass(frozen=True, slots=True)
class Case:
    """A held-out reader: the liked books shown to the model, and those to be found."""

    shown: Sequence[UUID]
    hidden: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Answer:
    case: Case
    top: Sequence[UUID]
    seconds: float

    def ndcg(self, cut: int = 10) -> float:
        """Binary gain; the ideal has min(cut, hidden) hits."""
        gains = [1 / np.log2(place + 2) for place in range(cut)]
        won = sum(
            gain
            for gain, item_id in zip(gains, self.top, strict=False)
            if item_id in self.case.hidden
        )
        return float(won / sum(gains[: len(self.case.hidden)]))

    def recall(self, cut: int = 20) -> float:
        found = len(self.case.hidden.intersection(self.top[:cut]))
        return found / min(cut, len(self.case.hidden))


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    ndcg: float
    error: float
    recall: float
    coverage: float
    fit_seconds: float
    p50_ms: float
    p95_ms: float


def read_books(books: Path) -> list[Item]:
    """The items, with no popularity yet: that is for the fit's own readers to say."""
    with books.with_name("book_genres.csv").open(encoding="utf-8", newline="") as file:
        genres = {row["book_id"]: tuple(row["genres"].split(",")) for row in csv.DictReader(file)}
    with books.open(encoding="utf-8", newline="") as file:
        return [
            Item(
                id=UUID(int=int(row["book_id"])),
                title=row["title"],
                author=re.sub(r"\s+", " ", row["authors"]),
                genres=genres.get(row["book_id"], ()),
                language=row["language_code"] or None,
            )
            for row in csv.DictReader(file)
        ]


def read_liked(ratings: Path) -> Liked:
    """Each reader's liked books, of the readers with enough of them."""
    liked: dict[int, dict[UUID, None]] = {}
    with ratings.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if int(row["rating"]) >= LIKED:
                book = UUID(int=int(row["book_id"]))
                liked.setdefault(int(row["user_id"]), {})[book] = None
    return {reader: list(books) for reader, books in liked.items() if len(books) >= FEWEST_LIKED}


def folds(liked: Liked, seed: int) -> list[list[int]]:
    """Ten tenths of the readers, the first of them for tuning."""
    readers = sorted(liked)
    random.Random(seed).shuffle(readers)
    return [readers[start::FOLDS] for start in range(FOLDS)]


def snapshot_without(held_out: Collection[int], items: Sequence[Item], liked: Liked) -> Snapshot:
    """What may be learnt when these readers are unknown."""
    training = {reader: books for reader, books in liked.items() if reader not in held_out}
    readers = Counter(book for books in training.values() for book in books)
    at = datetime(2020, 1, 1, tzinfo=UTC)
    return Snapshot(
        version="bench",
        items=[replace(item, popularity=readers[item.id]) for item in items],
        interactions=[
            Interaction(UUID(int=reader), book, 1.0, at)
            for reader, books in training.items()
            for book in books
        ],
    )


def case_of(books: Sequence[UUID], random_: random.Random) -> Case:
    shuffled = random_.sample(books, len(books))
    hidden = len(books) // 5
    return Case(shuffled[hidden:], frozenset(shuffled[:hidden]))


def answered(model: Recommender, case: Case) -> Answer:
    started = time.perf_counter()
    profile = Profile(items=dict.fromkeys(case.shown, 1.0))
    top = [found.item_id for found in model.recommend(profile, frozenset(case.shown), 20)]
    return Answer(case, top, time.perf_counter() - started)


def compare(
    items: Sequence[Item],
    liked: Liked,
    *,
    seed: int,
    most_readers: int | None = None,
    dev: bool = False,
    rivals: Sequence[Callable[[], Recommender]] = RIVALS,
) -> list[Result]:
    """Every rival over the same folds, cases and machine; at most so many readers in all."""
    parts = folds(liked, seed)
    parts = parts[:1] if dev else parts[1:]
    each = None if most_readers is None else -(-most_readers // len(parts))
    answers: dict[str, list[Answer]] = {}
    fits: dict[str, list[float]] = {}
    for part in parts:
        snapshot = snapshot_without(set(part), items, liked)
        shuffle = random.Random(f"{seed}/{part[0]}")
        cases = [case_of(liked[reader], shuffle) for reader in part[:each]]
        for rival in rivals:
            model = rival()
            started = time.perf_counter()
            model.fit(snapshot)
            fits.setdefault(model.name, []).append(time.perf_counter() - started)
            answers.setdefault(model.name, []).extend(answered(model, case) for case in cases)
    return [_result(name, answers[name], fits[name], len(items)) for name in answers]


def _result(name: str, answers: Sequence[Answer], fits: Sequence[float], items: int) -> Result:
    ndcg = np.array([answer.ndcg() for answer in answers])
    times = np.array([answer.seconds for answer in answers]) * 1000
    return Result(
        name=name,
        ndcg=float(ndcg.mean()),
        error=float(ndcg.std() / np.sqrt(len(ndcg))),
        recall=float(np.mean([answer.recall() for answer in answers])),
        coverage=len({item_id for answer in answers for item_id in answer.top[:10]}) / items,
        fit_seconds=float(np.mean(fits)),
        p50_ms=float(np.percentile(times, 50)),
        p95_ms=float(np.percentile(times, 95)),
    )


def table(results: Sequence[Result]) -> str:
    floor = next(result.ndcg for result in results if result.name == PopularityRanking.name)
    head = "| model | nDCG@10 | × popularity | Recall@20 | coverage@10 | fit s | p50 ms | p95 ms |"
    rows = [
        f"| {r.name} | {r.ndcg:.3f} ± {r.error:.3f} | {r.ndcg / floor:.2f} | {r.recall:.3f} "
        f"| {r.coverage:.3f} | {r.fit_seconds:.2f} | {r.p50_ms:.1f} | {r.p95_ms:.1f} |"
        for r in results
    ]
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *rows])


def _record(arguments: argparse.Namespace, report: str) -> None:
    # The files by name only: whose machine they lie on is nobody's business.
    options = ["--books", arguments.books.name, "--ratings", arguments.ratings.name]
    options += ["--seed", str(arguments.seed)]
    options += ["--readers", str(arguments.readers)] if arguments.readers else []
    command = shlex.join(["python3", "run.py", "bench", "recommend", *options])
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(f"\n## recommend, {datetime.now(UTC):%Y-%m-%d}\n\n`{command}`\n\n{report}\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="recommend", description=__doc__)
    parser.add_argument("--books", type=Path, required=True)
    parser.add_argument("--ratings", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", type=int, help="at most so many held-out readers")
    parser.add_argument("--dev", action="store_true", help="the tuning tenth instead")
    parser.add_argument("--record", action="store_true", help=f"append to {RESULTS.name}")
    arguments = parser.parse_args(argv)
    items, liked = read_books(arguments.books), read_liked(arguments.ratings)
    results = compare(
        items, liked, seed=arguments.seed, most_readers=arguments.readers, dev=arguments.dev
    )
    report = table(results)
    print(report)
    if arguments.record and not arguments.dev:
        _record(arguments, report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
