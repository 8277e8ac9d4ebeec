"""How well the next book is found, on real readers: `bench recommend --books … --ratings …`.

Every model on one split in one run: floors, what others use (`_rivals`), ours. Strangers are
readers held out of the fit, new books those nobody had yet (see `_readers`); `--loans` adds
the loans of a real library in time order. Without `--seed`, the mean of three splits.
nDCG@10 has binary gain and min(10, hidden) as its ideal; Recall@20 is of min(20, hidden).
"""

import argparse
import pickle
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np

from app.adapters.recommender.ease import EaseRecommender
from app.adapters.recommender.hybrid import HybridRecommender
from app.adapters.recommender.tfidf import TfidfRecommender
from app.ports.recommender import Profile, Recommender
from app.shared.calling import as_called
from benchmarks._machine import record
from benchmarks._readers import (
    Case,
    Task,
    held_out,
    new_books,
    read_books,
    read_loans,
    read_stars,
    strangers,
)
from benchmarks._rivals import (
    Ease,
    FieldsKnn,
    ImplicitAls,
    ItemKnn,
    OneFieldMean,
    PopularityRanking,
    RandomRanking,
)

Rival = Callable[[], Recommender]
OURS: Sequence[Rival] = (TfidfRecommender, EaseRecommender, HybridRecommender)
# These see nothing of a book but its readers, so of a new one nothing.
BLIND_TO_CONTENT: Sequence[Rival] = (
    PopularityRanking,
    ItemKnn,
    ImplicitAls,
    Ease,
    EaseRecommender,
)
RIVALS: Sequence[Rival] = (
    RandomRanking,
    PopularityRanking,
    OneFieldMean,
    FieldsKnn,
    ItemKnn,
    ImplicitAls,
    Ease,
    *OURS,
)
SEEDS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Answer:
    case: Case
    top: Sequence[UUID]
    seconds: float

    def ndcg(self, cut: int = 10) -> float:
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
    """One model on one task; `megabytes` is the fitted model as Python would store it."""

    name: str
    answers: Sequence[Answer]
    fit_seconds: float
    megabytes: float
    items: int

    @property
    def ndcg(self) -> float:
        return float(np.mean([answer.ndcg() for answer in self.answers]))

    @property
    def recall(self) -> float:
        return float(np.mean([answer.recall() for answer in self.answers]))

    @property
    def coverage(self) -> float:
        return len({book for answer in self.answers for book in answer.top[:10]}) / self.items

    def milliseconds(self, percentile: float) -> float:
        return float(np.percentile([answer.seconds for answer in self.answers], percentile)) * 1000


def measured(rival: Rival, task: Task) -> Result:
    model = rival()
    started = time.perf_counter()
    model.fit(task.snapshot)
    seconds = time.perf_counter() - started
    answers = [_answered(model, case) for case in task.cases]
    size = len(pickle.dumps(model, protocol=pickle.HIGHEST_PROTOCOL)) / 1e6
    return Result(model.name, answers, seconds, size, len(task.snapshot.items))


def compare(task: Task, rivals: Iterable[Rival] = RIVALS) -> list[Result]:
    """Every rival on the same task and machine."""
    results = []
    for rival in rivals:
        results.append(measured(rival, task))
        last = results[-1]
        print(f"  {last.name}: {last.ndcg:.4f}, fit {last.fit_seconds:.1f} s", flush=True)
    return results


def table(runs: Sequence[Sequence[Result]], new: Sequence[Sequence[Result]] = ()) -> str:
    """Means over the runs, each a list of results in one order; `new` are those on new books."""
    floor = _mean([r.ndcg for run in runs for r in run if r.name == PopularityRanking.name])
    on_new = {name: _mean([r.ndcg for r in same]) for name, same in _by_name(new).items()}
    head = (
        "| model | nDCG@10 | × popularity | Recall@20 | coverage@10 | new books nDCG@10 "
        "| fit s | p50 ms | p95 ms | model MB |"
    )
    rows = [
        f"| {name} | {_mean([r.ndcg for r in same]):.4f} ± {_error(same):.3f} "
        f"| {_mean([r.ndcg for r in same]) / floor:.2f} | {_mean([r.recall for r in same]):.3f} "
        f"| {_mean([r.coverage for r in same]):.3f} "
        f"| {f'{on_new[name]:.3f}' if name in on_new else '–'} "
        f"| {_mean([r.fit_seconds for r in same]):.1f} "
        f"| {_mean([r.milliseconds(50) for r in same]):.1f} "
        f"| {_mean([r.milliseconds(95) for r in same]):.1f} "
        f"| {_mean([r.megabytes for r in same]):.0f} |"
        for name, same in _by_name(runs).items()
    ]
    return "\n".join([head, "|---|---|---|---|---|---|---|---|---|---|", *rows])


def ratios(runs: Sequence[Sequence[Result]], new: Sequence[Sequence[Result]] = ()) -> str:
    """Our models over each rival, nDCG@10 of the means."""
    means = {name: _mean([r.ndcg for r in same]) for name, same in _by_name(runs).items()}
    on_new = {name: _mean([r.ndcg for r in same]) for name, same in _by_name(new).items()}
    hybrid, content = HybridRecommender.name, TfidfRecommender.name
    said = [
        f"{hybrid} ÷ {rival} {means[hybrid] / means[rival]:.2f}"
        for rival in (Ease.name, ImplicitAls.name, PopularityRanking.name)
    ]
    said.append(f"{content} ÷ {FieldsKnn.name} {means[content] / means[FieldsKnn.name]:.2f}")
    said += [
        f"new books: {ours} ÷ {FieldsKnn.name} {on_new[ours] / on_new[FieldsKnn.name]:.2f}"
        for ours in (content, hybrid)
        if on_new
    ]
    return "; ".join(said)


def _answered(model: Recommender, case: Case) -> Answer:
    profile = Profile(items=case.shown)
    started = time.perf_counter()
    found = model.recommend(profile, case.closed, 20)
    return Answer(case, [one.item_id for one in found], time.perf_counter() - started)


def _by_name(runs: Sequence[Sequence[Result]]) -> dict[str, list[Result]]:
    names = [result.name for result in runs[0]] if runs else []
    return {name: [r for run in runs for r in run if r.name == name] for name in names}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _error(results: Sequence[Result]) -> float:
    each = [answer.ndcg() for result in results for answer in result.answers]
    return float(np.std(each) / np.sqrt(len(each)))


def _on_ratings(books: Path, ratings: Path, seeds: Sequence[int], *, dev: bool) -> str:
    items, stars = read_books(books), read_stars(ratings)
    runs, new = [], []
    for seed in seeds:
        readers = held_out(stars, seed=seed, dev=dev)
        print(f"seed {seed}: {len(readers)} of {len(stars)} readers held out", flush=True)
        runs.append(compare(strangers(items, stars, readers, seed)))
        seeing = [rival for rival in RIVALS if rival not in BLIND_TO_CONTENT]
        print(f"seed {seed}: new books", flush=True)
        new.append(compare(new_books(items, stars, readers, seed), seeing))
    asked = sum(len(run[0].answers) for run in runs)
    said = f"{asked} of {len(stars)} readers held out in {len(seeds)} split(s), {len(items)} books."
    return f"{said}\n\n{table(runs, new)}\n\n{ratios(runs, new)}."


def _on_loans(loans: Path, *, dev: bool) -> str:
    runs = [compare(task) for task in read_loans(loans, dev=dev)]
    asked = sum(len(run[0].answers) for run in runs)
    said = f"Loans in time order: {asked} readers asked at {len(runs)} moment(s)."
    return f"{said}\n\n{table(runs)}\n\n{ratios(runs)}."


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="recommend", description=__doc__)
    parser.add_argument("--books", type=as_called, help="books.csv, with book_genres.csv beside it")
    parser.add_argument("--ratings", type=as_called)
    parser.add_argument("--loans", type=as_called, help="loans, with catalogue.csv beside them")
    parser.add_argument("--seed", type=int, help="one split; three without it")
    parser.add_argument("--dev", action="store_true", help="the readers kept for tuning instead")
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    arguments = parser.parse_args(argv)
    seeds = SEEDS if arguments.seed is None else (arguments.seed,)
    reports = []
    if arguments.books and arguments.ratings:
        reports.append(_on_ratings(arguments.books, arguments.ratings, seeds, dev=arguments.dev))
    if arguments.loans:
        reports.append(_on_loans(arguments.loans, dev=arguments.dev))
    if not reports:
        parser.error("say --books and --ratings, or --loans, or all three")
    report = "\n\n".join([f"Python {platform.python_version()}.", *reports])
    print(report)
    if arguments.record and not arguments.dev:
        record("recommend", _told(arguments), report)
    return 0


def _told(arguments: argparse.Namespace) -> list[str]:
    # The files by name only: whose machine they lie on is nobody's business.
    told = [(name, getattr(arguments, name)) for name in ("books", "ratings", "loans", "seed")]
    return [
        part
        for name, value in told
        if value is not None
        for part in (f"--{name}", value.name if isinstance(value, Path) else str(value))
    ]


if __name__ == "__main__":
    raise SystemExit(main())
