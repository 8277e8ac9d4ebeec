"""Spoiled files and bombs through the reading child, and through upload and worker.

Each ends in time, as text or as a failure that says why; nobody but its child dies of it.
"""

import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.adapters.extraction.sandbox import SandboxedExtractor
from app.ports.text import Document, EmptyFile, UnknownFormat, UnreadableDocument
from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._children import Cost, children_weighed, readers_of
from benchmarks.campaigns._hostile_samples import REASONS, hostile_file, loaded, strangers
from benchmarks.campaigns._hostile_seeds import Sample
from tests.contracts.extraction_samples import streamed

# Of processor, as on a machine that does nothing else the clock shows no more.
_MOST_SECONDS = 30.0
_MOST_MEBIBYTES = 768.0
_FILES, _UPLOADS = 10_000, 500
_AT_ONCE = 2
_PASSES = "all end truthfully, in 30 s of processor and 768 MiB, and leave no process and no file"


async def run(plan: Plan) -> Sequence[Tally]:
    spoiled = Tally("spoiled files and bombs", plan.count(_FILES), _PASSES)
    await _read_all(plan, spoiled, (hostile_file(plan.seed, n) for n in range(spoiled.planned)))
    found = strangers()
    # They are few: all of them from a tenth of the full length on.
    foreign = Tally("files of strangers", min(len(found), plan.count(10 * len(found))), _PASSES)
    chosen = random.Random(plan.seed).sample(found, foreign.planned)
    await _read_all(plan, foreign, loaded(iter(chosen)))
    # Only now: what is imported here is counted with the memory of each child.
    from benchmarks.campaigns._hostile_uploads import uploaded

    return [spoiled, foreign, await uploaded(plan, plan.count(_UPLOADS))]


@dataclass(slots=True)
class _Findings:
    verdicts: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)


async def _read_all(plan: Plan, tally: Tally, files: Iterator[Sample]) -> None:
    findings, rounds = _Findings(), plan.rounds(tally)
    with tempfile.TemporaryDirectory(prefix="library-") as scratch, children_weighed() as costs:
        extractor = SandboxedExtractor(children=_AT_ONCE, scratch=Path(scratch))

        async def go_on() -> None:
            # Each takes the next file, so that one bomb does not hold up all.
            for _, sample in zip(rounds, files, strict=False):
                await _read(extractor, plan.seed, sample, tally, findings)

        await asyncio.gather(*(go_on() for _ in range(_AT_ONCE)))
        tally.hold(not os.listdir(scratch), "files were left in the temporary folder")
    tally.hold(not readers_of(os.getpid()), "reading processes were left behind")
    for cost in costs:
        dear = cost.seconds > _MOST_SECONDS or cost.mebibytes > _MOST_MEBIBYTES
        tally.hold(not dear, f"a child took too much: {cost}")
    tally.figures |= _figures(findings, costs)


async def _read(
    extractor: SandboxedExtractor, seed: int, sample: Sample, tally: Tally, findings: _Findings
) -> None:
    began = time.monotonic()
    verdict, fault = await _verdict(extractor, sample)
    findings.seconds.append(time.monotonic() - began)
    findings.verdicts[verdict] += 1
    tally.hold(not fault, f"seed {seed}, {sample.made}: {fault}")


async def _verdict(extractor: SandboxedExtractor, sample: Sample) -> tuple[str, str]:
    """How it ended, and what is wrong with that."""
    try:
        media_type = extractor.recognise(sample.data[: 2**16], sample.filename)
        document = await extractor.extract(streamed(sample.data), media_type)
    except (EmptyFile, UnknownFormat):
        return "refused", ""
    except UnreadableDocument as failure:
        said = failure.reason in REASONS and failure.detail
        return failure.reason, "" if said else f"no reason is {failure.reason!r}"
    except Exception as error:
        return "broken", repr(error)
    return "read", unsound(document)


def unsound(document: Document) -> str:
    """What of its promises a document breaks."""
    text, chapters = document.text, document.chapters
    starts = [0, *(chapter.end for chapter in chapters)]
    if not text.strip() or document.words < 1:
        return "a document without text"
    if starts != [*(chapter.start for chapter in chapters), len(text)]:
        return "chapters that do not cover the text"
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
        return "characters that cannot be kept"
    if not all(chapter.title for chapter in chapters):
        return "a chapter without a title"
    return ""


def _figures(findings: _Findings, costs: Sequence[Cost]) -> dict[str, str]:
    if not costs:
        return {}
    memory = sorted(cost.mebibytes for cost in costs)
    return {
        "endings": ", ".join(f"{n:,} {kind}" for kind, n in findings.verdicts.most_common()),
        "seconds (p99, most)": _p99_and_most(findings.seconds),
        "processor seconds (p99, most)": _p99_and_most([cost.seconds for cost in costs]),
        "MiB (p99, most)": _p99_and_most(memory),
    }


def _p99_and_most(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[int(len(ordered) * 0.99)]:.1f}, {ordered[-1]:.1f}"
