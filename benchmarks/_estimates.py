"""The estimate of tokens, held against real tokenizers on texts no weight of it was fitted to.

As a script it counts tokens with the tokenizer of a GGUF file: texts as JSON in, numbers out.
"""

import importlib
import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.adapters.llm.tokens import TokenEstimate
from app.ports.llm import Message
from benchmarks._machine import ROOT

_LEARNT_FROM = 20
_TEMPLATE = 6


@dataclass(frozen=True, slots=True)
class Errors:
    """Shares of the true count: the mean, either way, and the worst under-estimates."""

    mean: float
    worst: float
    worst_with_margin: float


def passages(data: Path) -> list[str]:
    """160 passages of 40 short stories, of the sizes summaries are made of."""
    dice, found = random.Random(1), []
    for story in _stories(data):
        for _ in range(4):
            size = dice.choice([4000, 8000, 11_000])
            start = dice.randrange(max(1, len(story) - size))
            found.append(story[start : start + size])
    return found


def _stories(data: Path) -> list[str]:
    path = data / "summaries" / "squality_train.jsonl"
    lines = path.read_text("utf-8").splitlines()[:40] if path.exists() else []
    return [max(_strings(json.loads(line)), key=len) for line in lines]


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def counted(file: Path, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._estimates", str(file)],
        cwd=ROOT,
        input=json.dumps(texts),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return [int(count) for count in json.loads(done.stdout.splitlines()[-1])]


def errors_of(texts: Sequence[str], counts: Sequence[int]) -> Errors:
    """Ten times: 20 calls to learn from, then all others."""
    likely, careful = [], []
    for seed in range(10):
        order = random.Random(seed).sample(range(len(texts)), len(texts))
        estimate = TokenEstimate()
        for place, index in enumerate(order):
            messages, count = [Message("user", texts[index])], counts[index] + _TEMPLATE
            if place < _LEARNT_FROM:
                estimate.usage(messages, counted=count, written=1, said=1)
            else:
                likely.append(estimate.likely(messages) / count - 1)
                careful.append(estimate.of(messages) / count - 1)
    return Errors(
        mean=statistics.mean(map(abs, likely)),
        worst=max(0.0, -min(likely)),
        worst_with_margin=max(0.0, -min(careful)),
    )


def main() -> None:
    # Before the import: its threads would spin.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    xllamacpp: Any = importlib.import_module("xllamacpp")
    wishes = xllamacpp.CommonParams()
    wishes.model.path = sys.argv[1]
    wishes.n_ctx = 512
    wishes.no_extra_bufts = True
    server = xllamacpp.Server(wishes)
    with httpx.Client(base_url=server.listening_address, timeout=60, trust_env=False) as client:
        counts = [
            len(client.post("/tokenize", json={"content": text}).json()["tokens"])
            for text in json.load(sys.stdin)
        ]
    print(json.dumps(counts), flush=True)
    # Its teardown may hang.
    os._exit(0)


if __name__ == "__main__":
    main()
