"""What a summary of a whole book costs beside the model's time, and what a crash loses.

Invented books go through the real services over stores in memory, with a model that tells
sentences of what it was given and takes as long as it is told to. Calls, tokens and depth are
the tree's own; CPU includes that model's and the stores'.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import random
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from typing_extensions import override

from app.domains.catalog.service.outline import Budget, groups_of
from app.ports.llm import Completion, CompletionRequest
from app.shared.fencing import fenced_blocks
from app.shared.sentences import sentences
from benchmarks._machine import record
from tests.domains.catalog.reading_house import House
from tests.fakes.llm import ScriptedLLM

KILLS = 50
CANCELS = 20
LARGE = 40_000
_SYLLABLES = "ka lo mi ren sta vor bel tu ana eri os pra ki no du lim".split()
_LITTLE = "the a of and in to was with his her for on at from it that he she they had".split()


class TellingLLM(ScriptedLLM):
    """Tells sentences of its material, spread over it, as many as it was asked for;
    `meanwhile` is called once so many were `answered`."""

    def __init__(self, *, context: int = 8192, delay: float = 0.0) -> None:
        super().__init__(told, context=context, delay=delay)
        self.at = -1
        self.meanwhile: Callable[[], object] = lambda: None
        self.tokens_in = 0

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        if len(self.requests) == self.at:
            self.at = -1
            self.meanwhile()
            await asyncio.sleep(0)
        completion = await super().complete(request)
        self.tokens_in += completion.usage.tokens_in
        return completion


def a_house(llm: TellingLLM, *, at_once: int = 2) -> House:
    return House(llm, at_once=at_once, max_upload=1 << 25)


def told(request: CompletionRequest) -> dict[str, object]:
    question = request.messages[-1].content
    blocks = dict(fenced_blocks(question))
    lines = blocks["passage"] if "passage" in blocks else blocks["parts"].replace("\n\n", " ")
    words = int(question.rsplit("at most", 1)[-1].split()[0])
    whole = [line for line in sentences(lines) if len(line.split()) > 5]
    text = " ".join(whole[:: max(1, len(whole) * 20 // max(20, words))][: max(1, words // 20)])
    if request.task != "introduce_book":
        return {"summary": text}
    lists: dict[str, object] = {"themes": [], "characters": [], "content_warnings": []}
    return {"hook": whole[0], "blurb": text, **lists}


def book(words: int, chapters: int, *, seed: int = 1) -> str:
    """Sentences of little words and invented ones, some of them names: as long as English."""
    say = random.Random(seed)
    content = ["".join(say.choices(_SYLLABLES, k=say.choice((2, 2, 3)))) for _ in range(9000)]
    return "\n\n".join(
        f"CHAPTER {n}\n\n{_chapter(say, content, words // chapters)}"
        for n in range(1, chapters + 1)
    )


def _chapter(say: random.Random, content: Sequence[str], words: int) -> str:
    return " ".join(_sentence(say, content) for _ in range(words // 16))


def _sentence(say: random.Random, content: Sequence[str]) -> str:
    pairs = zip(say.choices(_LITTLE, k=8), say.choices(content, k=8), strict=True)
    words = [word for pair in pairs for word in pair]
    words[5] = words[5].title()
    return " ".join(words).capitalize().replace(words[5].lower(), words[5]) + "."


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    found: str
    goal: str

    def line(self) -> str:
        return f"| {self.what} | {self.found} | {self.goal} |"


def main(argv: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="bench tree", description=__doc__)
    parser.add_argument("--only", default="", help="rows whose name begins so, as in S3")
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    options = parser.parse_args(arguments)
    # What is said of memory holds for whatever comes first.
    measures = [overhead, crashes, calls, changes, twice, cancelling, wall, evidence]
    wanted = [m for m in measures if (m.__doc__ or "").startswith(options.only)]
    rows = asyncio.run(_measured(wanted))
    head = "| what | found | goal |\n|---|---|---|"
    machine = f"{os.cpu_count()} cores ({platform.machine()}), {_load()}"
    report = "\n".join([f"{machine}.", "", head, *(row.line() for row in rows)])
    print(report)
    if options.record:
        record("tree", [word for word in arguments if word != "--record"], report)
    return 0


def _load() -> str:
    """Wall times mean little where others want the cores."""
    return f"Python {platform.python_version()}, load {os.getloadavg()[1]:.1f}"


Measure = Callable[[], AsyncIterator[Row]]


async def _measured(measures: Sequence[Measure]) -> list[Row]:
    rows = []
    for measure in measures:
        async for row in measure():
            print(row.line(), flush=True)
            rows.append(row)
    return rows


async def overhead() -> AsyncIterator[Row]:
    """S8"""
    for words, goal in ((600_000, "< 20 s, < 400 MB"), (1_200_000, "ready")):
        text = book(words, 40)
        house = a_house(TellingLLM())
        began = time.process_time()
        book_id = await shelved(house, text)
        seconds = time.process_time() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        status = (await house.summary(book_id)).status
        found = f"{status}; {seconds:.1f} s CPU, {peak:.0f} MB at the most"
        yield Row(f"S8 {words:,} words, our own work", found, goal)


async def crashes() -> AsyncIterator[Row]:
    """S1"""
    text, say = book(8_000, 10), random.Random(7)
    straight, planned = await _straight(text)
    redone = lost = same = 0
    for _ in range(KILLS):
        llm = TellingLLM(context=2048)
        house = a_house(llm)
        book_id = await _killed(house, llm, text, at=say.randrange(1, planned))
        kept, asked = len(house.catalog.shelf.nodes), len(llm.requests)
        await house.summaries.make_anew(house.owner, book_id)
        await house.work()
        redone += len(llm.requests) - asked - (planned - kept)
        lost = max(lost, asked - kept)
        same += await root_of(house, book_id) == straight
    yield Row(f"S1 finished nodes asked again, {KILLS} kills of {planned} nodes", f"{redone}", "0")
    yield Row("S1 most calls lost by a kill, 2 at once", f"{lost}", "≤ 2")
    yield Row("S2 root byte-identical to that of a straight run", f"{same} of {KILLS}", f"{KILLS}")


async def _straight(text: str) -> tuple[str, int]:
    house = a_house(TellingLLM(context=2048))
    book_id = await shelved(house, text)
    return await root_of(house, book_id), len(house.requests)


async def _killed(house: House, llm: TellingLLM, text: str, *, at: int) -> UUID:
    """Ends the work in the middle, wherever that is."""
    book_id = await house.bring(text)
    working = asyncio.create_task(house.work())
    llm.at, llm.meanwhile = at, working.cancel
    await asyncio.wait({working})
    assert working.cancelled()
    return book_id


async def root_of(house: House, book_id: UUID) -> str:
    evidence = house.catalog.shelf.evidence[book_id]
    return json.dumps([await house.shown(book_id), evidence], sort_keys=True)


async def calls() -> AsyncIterator[Row]:
    """S3"""
    for chapters in (1, 20, 40):
        text = book(100_000, chapters)
        llm, _ = await _told(text, 8192)
        depth = _depth(llm)
        shape = f"100k words in {chapters} chapters" if chapters > 1 else "100k words in one"
        yield Row(f"S3 calls, {shape}; depth", f"{len(llm.requests)}; {depth}", "≤ 52; ≤ 3")
        yield Row(f"S4 input tokens to the book's, {shape}", _ratio(llm, text), "≤ 1.30")
    text = book(100_000, 1)
    llm, _ = await _told(text, LARGE)
    yield Row("S3 the same in passages of 5k tokens; depth", f"{len(llm.requests)}", "≤ 31")
    yield Row("S4 the same in passages of 5k tokens", _ratio(llm, text), "≤ 1.20")


def _ratio(llm: TellingLLM, text: str) -> str:
    whole = sum(len(message.content) for r in llm.requests for message in r.messages)
    return f"{whole / len(text):.3f}"


def _depth(llm: TellingLLM) -> int:
    budget = Budget.for_window(llm.card.context)
    count, depth = sum(r.task == "summarise_passage" for r in llm.requests), 2
    while count > budget.book_fan_in:
        count, depth = len(groups_of(range(count), budget.fan_in)), depth + 1
    return depth


async def changes() -> AsyncIterator[Row]:
    """S5"""
    for words in (100_000, 600_000):
        text = book(words, 40)
        llm, house = await _told(text, 8192)
        whole = len(llm.requests)
        changed = text.replace("CHAPTER 17\n\n", "CHAPTER 17\n\nAnd so it went on for a while. ")
        book_id = next(iter(house.catalog.shelf.books))
        file = await house.receive(changed)
        await house.shelving.replace_content(house.owner, book_id, file)
        await house.work()
        asked = len(llm.requests) - whole
        found = f"{asked} of {whole}: {asked / whole:.1%}"
        yield Row(f"S5 one chapter of 40 changed, {words:,} words", found, "leaves and path; ≤ 4 %")


async def twice() -> AsyncIterator[Row]:
    """S6"""
    llm, house = await _told(book(100_000, 40), 8192)
    asked = len(llm.requests)
    await house.summaries.make_anew(house.owner, next(iter(house.catalog.shelf.books)))
    await house.work()
    yield Row("S6 calls for the same book again", f"{len(llm.requests) - asked}", "0")


async def cancelling() -> AsyncIterator[Row]:
    """S9"""
    text, took = book(3_000, 2), []
    for _ in range(CANCELS):
        llm = TellingLLM(delay=3600)
        house = a_house(llm)
        book_id = await house.bring(text)
        asked = asyncio.Event()
        llm.at, llm.meanwhile = 0, asked.set
        working = asyncio.create_task(house.work())
        await asked.wait()
        await asyncio.sleep(random.uniform(0.1, 0.6))
        began = time.perf_counter()
        await house.summaries.cancel(house.owner, book_id)
        await working
        took.append(time.perf_counter() - began)
        assert llm.cancelled == len(llm.requests) > 0
    yield Row(f"S9 cancel to the last call's end, {CANCELS} times", f"{max(took):.2f} s", "< 1 s")


async def wall() -> AsyncIterator[Row]:
    """Wall"""
    text, delay = book(100_000, 40), 6.0
    for at_once in (2, 8):
        llm = TellingLLM()
        house = a_house(llm, at_once=at_once)
        await shelved(house, book(1_000, 1, seed=9))
        llm.delay, before = delay, len(llm.requests)
        began = time.perf_counter()
        await shelved(house, text)
        took = time.perf_counter() - began
        model = (len(llm.requests) - before) * delay / at_once
        found = f"{took / model:.2f} ({took:.1f} s to {model:.1f} s)"
        yield Row(f"Wall time to model time ÷ {at_once}, calls of {delay:.0f} s", found, "≤ 1.1")


async def evidence() -> AsyncIterator[Row]:
    """S13"""
    _, house = await _told(book(100_000, 40), 8192)
    kept = next(iter(house.catalog.shelf.evidence.values()))
    parts = [kept["summary"], kept["hook"], kept["blurb"], *kept["chapters"]]
    told_of = list(itertools.chain.from_iterable(parts))
    borne = sum(bool(sentence["support"]) for sentence in told_of) / len(told_of)
    passed = sum(sentence["supported"] for sentence in told_of) / len(told_of)
    found = f"{borne:.0%}; {passed:.0%} of {len(told_of)}"
    yield Row("S13 sentences with support; that pass the check", found, "100 %; ≥ 95 %")


async def _told(text: str, context: int) -> tuple[TellingLLM, House]:
    llm = TellingLLM(context=context)
    house = a_house(llm)
    book_id = await shelved(house, text)
    assert not (await house.shown(book_id))["degraded"]
    return llm, house


async def shelved(house: House, text: str) -> UUID:
    book_id = await house.shelve(text)
    assert (await house.summary(book_id)).status == "ready"
    return book_id


if __name__ == "__main__":
    raise SystemExit(main())
