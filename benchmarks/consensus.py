"""What becomes of planted opinions: 200 reviews in five languages, and what a consensus costs.

    python3 run.py bench consensus [--provider configured] [--seeds N] [--histories N] [--record]

Precision and recall are of (review, aspect) pairs, polarity is right among the aspects found;
`configured` asks the model of `.env`. The other figures do not depend on a model's wits: they
are taken with models that answer as they are told to, over stores in memory.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID

from app.adapters.llm.extractive import ExtractiveLLM
from app.adapters.llm.tokens import TokenEstimate
from app.bootstrap.providers import model_named
from app.bootstrap.settings import read_settings
from app.domains.reviews.model import Analysis, Aspect, Polarity, Standing
from app.domains.reviews.service.telling import owed
from app.ports.llm import LLMProvider
from benchmarks._machine import record
from benchmarks._planted import Planted, languages, planted
from tests.domains.reviews.injections import INJECTIONS
from tests.domains.reviews.reading_room import ReadingRoom
from tests.domains.reviews.test_injection import analysis_with, is_ordered
from tests.domains.reviews.test_same_state import WORDS, Story, lived

REVIEWS = 200


@dataclass(slots=True)
class Tally:
    """Pairs of a review and an aspect: planted, found, both; and of both, with the planted
    polarity."""

    planted: int = 0
    found: int = 0
    both: int = 0
    right: int = 0

    def add(self, wanted: dict[str, str], got: dict[str, str]) -> None:
        both = set(wanted) & set(got)
        self.planted += len(wanted)
        self.found += len(got)
        self.both += len(both)
        self.right += sum(wanted[aspect] == got[aspect] for aspect in both)

    def line(self, name: str) -> str:
        precision, recall = self.both / max(1, self.found), self.both / max(1, self.planted)
        polarity = self.right / max(1, self.both)
        return f"| {name} | {self.planted} | {precision:.1%} | {recall:.1%} | {polarity:.1%} |"


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    report = asyncio.run(_report(options))
    print(report)
    if options.record:
        said = argv if argv is not None else sys.argv[1:]
        record("consensus", [word for word in said if word != "--record"], report)
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench consensus", description=__doc__)
    parser.add_argument("--provider", choices=("extractive", "configured"), default="extractive")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--record", action="store_true")
    return parser.parse_args(argv)


async def _report(options: argparse.Namespace) -> str:
    async with AsyncExitStack() as stack:
        model: LLMProvider = ExtractiveLLM()
        if options.provider == "configured":
            settings = read_settings()
            model = await model_named(settings, stack)
        opinions = await _opinions(model, options.seeds)
    return "\n".join([*opinions, "", *await _figures(options.histories)])


async def _opinions(model: LLMProvider, seeds: int) -> list[str]:
    tallies = {name: Tally() for name in (*languages(), "all")}
    begin, away, text = time.perf_counter(), 0.0, ""
    for seed in range(seeds):
        reviews = planted(REVIEWS, seed)
        room, book = await _read(model, reviews)
        error, text = await _compared(room, book, reviews, tallies)
        away = max(away, error)
    seconds = (time.perf_counter() - begin) / (seeds * REVIEWS)
    return [
        f"Reader: {model.card.reference}; {seeds} × {REVIEWS} reviews, {seconds * 1000:.1f} ms each"
        " with everything around it.",
        "",
        "| language | planted | precision | recall | polarity right |",
        "|---|---|---|---|---|",
        *(tally.line(name) for name, tally in tallies.items()),
        "",
        f"Share of readers who speak of an aspect, furthest from what was planted: {away:.1%}.",
        "",
        f"> {text}",
    ]


async def _read(model: LLMProvider, reviews: Sequence[Planted]) -> tuple[ReadingRoom, UUID]:
    room = ReadingRoom(model)
    book = await room.add_book()
    for review in reviews:
        await room.review(book, review.text, rating=review.rating)
    await room.refresh(book)
    return room, book


async def _compared(
    room: ReadingRoom, book: UUID, reviews: Sequence[Planted], tallies: dict[str, Tally]
) -> tuple[float, str]:
    shelf = room.shelf.shelf
    for review, wanted in zip(shelf.reviews.values(), reviews, strict=True):
        got: dict[str, str] = {}
        for opinion in shelf.opinions.get(review.id, ()):
            same = got.get(opinion.aspect, opinion.polarity) == opinion.polarity
            got[opinion.aspect] = opinion.polarity.value if same else Polarity.MIXED.value
        for name in (wanted.language, "all"):
            tallies[name].add(wanted.opinions, got)
    analysis = await room.analysis(book)
    return _furthest(analysis, reviews), analysis.consensus or ""


def _furthest(analysis: Analysis, reviews: Sequence[Planted]) -> float:
    told = {view.count.aspect: view.count.readers for view in analysis.aspects}
    return max(
        abs(told.get(aspect, 0) - sum(aspect in review.opinions for review in reviews))
        for aspect in Aspect
    ) / len(reviews)


async def _figures(histories: int) -> list[str]:
    calls, unheard = await _calls()
    rows = [
        ("C1 step by step ≠ at once", f"{await _unequal(histories)} of {histories} histories", "0"),
        ("C2 another order, another state", f"{await _disordered(200)} of 200", "0"),
        ("C3 texts asked for, per review over 200", f"{calls:.3f}", "≤ 0.25, one reading each"),
        ("C4 tokens of the question at 10 and 10,000 reviews", await _sizes(), "≤ 1,000"),
        ("C5, C6 quotes not verbatim of a live review", str(await _foreign(200)), "0"),
        ("C7 owed sides not heard, over 200 reviews", str(unheard), "0"),
        ("C8 orders that changed more than their vote", f"{await _obeyed()} of 50", "0"),
    ]
    return ["| | found | goal |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]


def _history(chance: random.Random) -> list[tuple[object, ...]]:
    deeds: list[tuple[object, ...]] = []
    for _ in range(chance.randint(1, 14)):
        said = [f"{chance.choice('+-~')}{word} indeed." for word in chance.sample(WORDS, 2)]
        text, stars, which = " ".join(said), chance.randint(1, 5), chance.randint(0, 99)
        choices: list[tuple[object, ...]] = [
            ("add", text, stars),
            ("add", text, stars),
            ("edit", text, stars, which),
            ("space", stars, which),
            ("delete", which),
            ("refresh",),
        ]
        deeds.append(chance.choice(choices))
    return deeds


async def _at_once(story: Story) -> Standing:
    return await (await lived([("add", text, stars) for _, _, text, stars in story.live])).ends()


async def _unequal(histories: int) -> int:
    found = 0
    for seed in range(histories):
        story = await lived(_history(random.Random(seed)))
        found += await story.ends() != await _at_once(story)
    return found


async def _disordered(times: int) -> int:
    found = 0
    for seed in range(times):
        chance = random.Random(seed)
        story = await lived(_history(chance))
        first = await story.ends()
        chance.shuffle(story.live)
        found += first != await _at_once(story)
    return found


async def _foreign(times: int) -> int:
    found = 0
    for seed in range(times):
        story = await lived(_history(random.Random(seed)))
        found += not await story.quotes_are_verbatim()
    return found


async def _calls() -> tuple[float, int]:
    """Reviews one after the other, each told of before the next one comes."""
    room, chance, unheard = ReadingRoom(), random.Random(7), 0
    book = await room.add_book()
    for number in range(REVIEWS):
        about = chance.sample(list(Aspect), chance.choice((0, 1, 1, 2, 2, 3)))
        said = [f"{chance.choice('++-')}{aspect} {number}." for aspect in about]
        await room.review(book, " ".join(said) or f"Nothing {number}.")
        await room.refresh(book)
        unheard += await _unheard(room, book)
    if len(room.questions("read_review")) != REVIEWS:
        raise AssertionError("a review was not read exactly once")
    return len(room.questions("tell_consensus")) / REVIEWS, unheard


async def _unheard(room: ReadingRoom, book: UUID) -> int:
    async with room.shelf.begin() as work:
        standing = await work.reviews.standing(book)
        consensus = await work.consensus.find(book)
    heard = consensus.basis.get("heard", {}) if consensus else {}
    return sum(not sides <= set(heard.get(a, ())) for a, sides in owed(standing).items())


async def _sizes() -> str:
    sizes = []
    for readers in (10, 10_000):
        room = ReadingRoom()
        book = await room.add_book()
        room.fill(book, readers)
        await room.refresh(book)
        (question,) = room.questions("tell_consensus")
        sizes.append(TokenEstimate().of(question.messages))
    return " and ".join(map(str, sizes))


async def _obeyed() -> int:
    honest, _ = await analysis_with(None)
    votes = {view.count.aspect: view.count.counts for view in honest.aspects}
    return sum([await _has_obeyed(order, votes) for order in INJECTIONS])


async def _has_obeyed(order: str, votes: dict[str, tuple[int, int, int]]) -> bool:
    analysis, room = await analysis_with(order)
    more = any(
        sum(map(abs, _difference(view.count.counts, votes.get(view.count.aspect, (0, 0, 0))))) > 1
        for view in analysis.aspects
    )
    shown = any(is_ordered(question) for question in room.questions("tell_consensus"))
    return more or shown or "PWNED" in (analysis.consensus or "")


def _difference(one: tuple[int, ...], other: tuple[int, ...]) -> list[int]:
    return [left - right for left, right in zip(one, other, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
