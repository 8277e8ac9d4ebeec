"""How good summaries are, held against those people wrote: `bench summaries --stories FILE`.

FILE is `squality_train.jsonl` of SQuALITY 1.3 (https://github.com/nyu-mll/SQuALITY, CC BY
4.0): short stories of the public domain, each with four summaries of its plot. Every other
story is for tuning (`--dev`) and is in no reported figure.

ROUGE (rouge-score 0.1.2) is F1 in percent, the best over the references, with stemming and as
written; a person's summary has three references, being itself the fourth. Key characters and
name precision: `benchmarks/_stories.py`. Fifths: where in the story the support lies.
`--provider configured` adds the model of `.env` through the whole summary tree.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from app.adapters.llm.extractive import ExtractiveLLM
from app.adapters.llm.extractive.coverage import summary_of
from app.bootstrap.providers import model_named
from app.bootstrap.settings import read_settings
from app.ports.llm import LLMProvider
from app.shared.calling import as_called
from app.shared.sentences import sentences
from benchmarks._machine import ROOT, record
from benchmarks._stories import (
    Story,
    Triple,
    coverage,
    fifths,
    halves,
    name_precision,
    read_stories,
    rouge,
)
from benchmarks._weights import fitted
from tests.domains.catalog.reading_house import House

STORIES = ROOT.parent / "shared" / "data" / "summaries" / "squality_train.jsonl"
WORDS = 450
GOAL = f"| goal | 46 / 10 / 18 | | ≥ 80 % | | ≤ {WORDS} | 14–26 each | |"

Summarise = Callable[[Story], str]


@dataclass(frozen=True, slots=True)
class Judged:
    """One summary of one story."""

    stems: Triple
    written: Triple
    coverage: float
    precision: float
    words: int
    fifths: Counter[int]


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    judged: Sequence[Judged]
    seconds: float

    @property
    def rouge(self) -> Triple:
        return _means([one.stems for one in self.judged])

    @property
    def coverage(self) -> float:
        return sum(one.coverage for one in self.judged) / len(self.judged)

    @property
    def words(self) -> float:
        return sum(one.words for one in self.judged) / len(self.judged)

    @property
    def spread(self) -> list[float]:
        """The share of each fifth, 0 to 1."""
        counted = sum((one.fifths for one in self.judged), Counter[int]())
        return [counted[n] / max(1, counted.total()) for n in range(5)]

    def line(self) -> str:
        precision = sum(one.precision for one in self.judged) / len(self.judged)
        written = _means([one.written for one in self.judged])
        return (
            f"| {self.name} | {_slashed(self.rouge)} | {_slashed(written)} "
            f"| {self.coverage:.0f} % | {precision:.1f} % | {self.words:.0f} "
            f"| {' '.join(f'{100 * share:.0f}' for share in self.spread)} "
            f"| {self.seconds / len(self.judged):.2f} |"
        )


def people(stories: Sequence[Story]) -> Result:
    """Each person held against the other three."""
    judged = [
        judge(story, summary, [other for other in story.references if other != summary])
        for story in stories
        for summary in story.references
    ]
    return Result("people", judged, 0.0)


def compare(stories: Sequence[Story], systems: dict[str, Summarise]) -> list[Result]:
    return [people(stories), *(_result(name, stories, systems[name]) for name in systems)]


def judge(story: Story, summary: str, references: Sequence[str] | None = None) -> Judged:
    against = story.references if references is None else references
    return Judged(
        stems=rouge(summary, against, stems=True),
        written=rouge(summary, against, stems=False),
        coverage=coverage(story, summary),
        precision=name_precision(story, summary),
        words=len(summary.split()),
        fifths=fifths(story, summary),
    )


def _result(name: str, stories: Sequence[Story], summarise: Summarise) -> Result:
    started = time.perf_counter()
    summaries = [summarise(story) for story in stories]
    seconds = time.perf_counter() - started
    pairs = zip(stories, summaries, strict=True)
    return Result(name, [judge(story, summary) for story, summary in pairs], seconds)


def _means(rows: Sequence[Triple]) -> Triple:
    one, two, longest = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    return one, two, longest


def _slashed(figures: Triple) -> str:
    return " / ".join(f"{figure:.1f}" for figure in figures)


def lead(story: Story) -> str:
    return " ".join(story.text.split()[:WORDS])


def random_sentences(seed: int) -> Summarise:
    def summarise(story: Story) -> str:
        drawn = list(enumerate(sentences(story.text)))
        random.Random(f"{seed}/{story.text[:200]}").shuffle(drawn)
        return " ".join(text for _, text in sorted(_while_it_fits(drawn)))

    return summarise


def _while_it_fits(drawn: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    room = WORDS
    for place, text in drawn:
        if (size := len(text.split())) <= room:
            room -= size
            yield place, text


def extractive(story: Story) -> str:
    return summary_of(story.text, words=WORDS, characters=100_000)


def through_the_tree(model: LLMProvider, run: asyncio.Runner) -> Summarise:
    """What readers are served: the book shelved, read and summarised, everything but the
    model in memory."""

    async def served(story: Story) -> str:
        house = House(model)
        book_id = await house.shelve(story.text, title="A story")
        shown = (await house.summary(book_id)).presentation or {}
        return str(shown.get("summary", ""))

    return lambda story: run.run(served(story))


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _options(argv)
    if not arguments.stories.is_file():
        print(f"There are no stories at {arguments.stories}.\n\n{__doc__}")
        return 1
    development, rest = halves(read_stories(arguments.stories))
    if arguments.fit:
        print(fitted(development))
        return 0
    stories = (development if arguments.dev else rest)[: arguments.limit]
    report = _report(stories, arguments)
    print(report)
    if arguments.record and not arguments.dev:
        record("summaries", [a for a in argv or sys.argv[1:] if a != "--record"], report)
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="summaries",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stories", type=as_called, default=STORIES)
    parser.add_argument("--provider", choices=("extractive", "configured"), default="extractive")
    parser.add_argument("--limit", type=int, help="at most so many stories")
    parser.add_argument("--seed", type=int, default=0, help="of the random sentences")
    parser.add_argument("--dev", action="store_true", help="the stories for tuning instead")
    parser.add_argument("--fit", action="store_true", help="fit the weights of sentences anew")
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    return parser.parse_args(argv)


def _report(stories: Sequence[Story], arguments: argparse.Namespace) -> str:
    systems: dict[str, Summarise] = {
        "the beginning": lead,
        "random sentences": random_sentences(arguments.seed),
        "extractive, the whole text at once": extractive,
    }
    with asyncio.Runner() as run:
        systems["extractive, as served"] = through_the_tree(ExtractiveLLM(), run)
        if arguments.provider == "configured":
            stack = AsyncExitStack()
            model = run.run(model_named(read_settings(), stack))
            systems[f"{model.card.reference}, as served"] = through_the_tree(model, run)
            results = compare(stories, systems)
            run.run(stack.aclose())
        else:
            results = compare(stories, systems)
    return _table(results)


def _table(results: Sequence[Result]) -> str:
    count = len(results[-1].judged)
    head = (
        f"{count} stories, summaries of at most {WORDS} words.\n\n"
        "| summary | ROUGE-1 / 2 / L | as written | key characters | name precision | words "
        "| fifths, % | s each |\n|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *(result.line() for result in results), GOAL])


if __name__ == "__main__":
    raise SystemExit(main())
