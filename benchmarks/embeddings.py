"""How well and how fast small embedding models find what words alone do not.

Questions of FairytaleQA, whose answers lie in known sections, over the passages of all tales at
once: by vectors alone, by BM25 alone, and by both, with the weight that is best for every second
tale; what counts is the other tales.
"""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.shared.calling import as_called
from app.shared.words import WORD, stems
from benchmarks._embedders import EMBEDDERS, encoded
from benchmarks._machine import ROOT, record
from benchmarks._tales import Question, Tale, tales

DATA = ROOT.parent / "shared" / "data"
_DEPTH = 5
# Of a section, for a passage to count as the place it is at.
_ENOUGH = 0.4
_WEIGHTS = np.arange(0, 1.01, 0.05)


@dataclass(frozen=True, slots=True)
class Exam:
    """`parts` is questions × passages: which share of what answers the question the passage
    holds. `held` marks the questions nothing was tuned on."""

    passages: Sequence[str]
    questions: Sequence[str]
    parts: Any
    held: Any

    def found(self, scores: Any, among: Any) -> tuple[float, float]:
        """The share of what answers in the five best passages; questions with the place
        among them."""
        best = np.argsort(-scores, axis=1, kind="stable")[:, :_DEPTH]
        parts = np.take_along_axis(self.parts, best, axis=1)[among]
        return float(parts.sum(1).mean()), float((parts >= _ENOUGH).any(1).mean())


def main(argv: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="bench embeddings", description=__doc__)
    parser.add_argument("--data", type=as_called, default=DATA, help="the folder of real texts")
    parser.add_argument("--only", nargs="+", choices=list(EMBEDDERS), default=list(EMBEDDERS))
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    options = parser.parse_args(arguments)
    report = _measured(options.data, options.only)
    print(report)
    if options.record:
        record("embeddings", arguments, report)
    return 0


def _measured(data: Path, names: Sequence[str]) -> str:
    exam = _exam(tales(data / "summaries" / "fairytaleqa_train"))
    words = _evened(_bm25(exam))
    alone, place = exam.found(words, exam.held)
    lines = [_HEAD, f"| BM25 in memory | | {alone:.3f} | {place:.3f} | | | | | |"]
    for name in names:
        lines.append(_line(name, exam, words))
    return (
        f"On {os.cpu_count()} cores ({platform.machine()}), of which each model has one, Python"
        f" {platform.python_version()}. {int(exam.held.sum())} questions on tales nothing"
        " was tuned on, over"
        f" {len(exam.passages)} passages. Share of the characters of the section in the first"
        f" {_DEPTH} passages, questions with the place among them.\n\n" + "\n".join(lines)
    )


_HEAD = (
    "| model | weight | chars@5 | place@5 | chars@5 by vectors alone | passages/CPU-s | ms a query"
    " | MiB | ready in s |\n|---|---|---|---|---|---|---|---|---|"
)


def _line(name: str, exam: Exam, words: Any) -> str:
    embedder = EMBEDDERS[name]
    title = f"{embedder.title} ({embedder.package}, {embedder.licence})"
    if not embedder.installed:
        return f"| {title}: not installed | | | | | | | | |"
    passages, queries, figures = encoded(name, exam.passages, exam.questions)
    vectors = _evened(queries @ passages.T)
    weight = max(_WEIGHTS, key=lambda w: exam.found(_fused(words, vectors, w), ~exam.held))
    chars, place = exam.found(_fused(words, vectors, weight), exam.held)
    alone, _ = exam.found(vectors, exam.held)
    return (
        f"| {title} | {weight:.2f} | {chars:.3f} | {place:.3f} | {alone:.3f}"
        f" | {figures.rate:.1f} | {figures.query_ms:.1f} | {figures.memory:.0f}"
        f" | {figures.seconds:.1f} |"
    )


def _exam(known: Sequence[Tale]) -> Exam:
    passages = [(tale.name, passage) for tale in known for passage in tale.passages]
    questions = [question for tale in known for question in tale.questions]
    held = {tale.name for tale in known[1::2]}
    parts = np.array(
        [
            [
                _part(question, passage.start, len(passage.text)) if tale == question.tale else 0.0
                for tale, passage in passages
            ]
            for question in questions
        ]
    )
    return Exam(
        [passage.text for _, passage in passages],
        [question.text for question in questions],
        parts,
        np.array([question.tale in held for question in questions]),
    )


def _part(question: Question, start: int, size: int) -> float:
    common = min(question.end, start + size) - max(question.start, start)
    return max(0, common) / (question.end - question.start)


def _bm25(exam: Exam) -> Any:
    """Lucene's, k1 1.5, b 0.75, over stems."""
    import bm25s

    retriever = bm25s.BM25()
    retriever.index([_stems(text) for text in exam.passages], show_progress=False)
    return np.stack([retriever.get_scores(_stems(text)) for text in exam.questions])


def _stems(text: str) -> list[str]:
    return [stem for word in WORD.findall(text) for stem in stems(word)]


def _evened(scores: Any) -> Any:
    """0 for the worst passage of a question, 1 for the best."""
    least, most = scores.min(1, keepdims=True), scores.max(1, keepdims=True)
    return (scores - least) / np.maximum(most - least, 1e-9)


def _fused(words: Any, vectors: Any, weight: float) -> Any:
    return (1 - weight) * words + weight * vectors


if __name__ == "__main__":
    sys.exit(main())
