"""What stands between the library and its model: footprint, budget, estimates, retries, streams.

    python3 run.py bench providers [--gguf FILE …] [--data DIR] [--questions N] [--record]

Servers are loopback doubles, so that no model's time is in any figure. `--gguf` names files
whose tokenizers the estimate of tokens is held against (with xllamacpp installed).
"""

import argparse
import asyncio
import importlib.metadata as metadata
import os
import platform
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from app.adapters.llm.budgeting import Budget, Caps
from app.adapters.llm.ollama import OllamaLLM
from app.adapters.llm.openai import OpenAILLM
from app.adapters.llm.pieces import close
from app.adapters.llm.retrying import RetryingLLM
from app.adapters.llm.stack import dependable
from app.ports.llm import CompletionRequest, ContextOverflow, LLMProvider, Message, ModelUnavailable
from app.shared.calling import as_called
from benchmarks._estimates import counted, errors_of, passages
from benchmarks._machine import ROOT, percentile, record
from tests.adapters_llm.spending import Spending
from tests.fakes.budget import InMemoryLedger
from tests.fakes.clock import FrozenClock, Hours
from tests.fakes.model_server import Fault
from tests.fakes.ollama_server import OllamaServer
from tests.fakes.openai_server import OpenAIServer

DATA = ROOT.parent / "shared" / "data"
SENTENCE = "Every evening old Martha Hale climbed the stairs and lit the lamp for the ships. "
ASK = CompletionRequest(
    [Message("user", SENTENCE)], task="ask", prompt="ask@1", max_output_tokens=100
)
CORE = ("httpx", "ollama")
MODULES = "app.adapters.llm.stack, app.adapters.llm.ollama, app.adapters.llm.openai"
_NO_NETWORK = "import socket; socket.socket.connect = None; socket.getaddrinfo = None; "


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    found: str
    goal: str


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    rows = [
        *footprint(),
        *asyncio.run(budget(options.questions)),
        *_estimates(options.gguf, options.data),
        *asyncio.run(retries()),
        *asyncio.run(streams()),
        *asyncio.run(cuts(options.questions // 10)),
    ]
    report = "\n".join(
        [
            f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}\n",
            "| what | found | goal |\n|---|---|---|",
            *(f"| {row.what} | {row.found} | {row.goal} |" for row in rows),
        ]
    )
    print(report)
    if options.record:
        record("providers", [a for a in argv or sys.argv[1:] if a != "--record"], report)
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench providers", description=__doc__)
    parser.add_argument(
        "--gguf", type=as_called, nargs="*", default=[], help="files with tokenizers"
    )
    parser.add_argument("--data", type=as_called, default=DATA, help="the folder of real books")
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--record", action="store_true", help="append the table to RESULTS.md")
    return parser.parse_args(argv)


def footprint() -> Iterator[Row]:
    """Packages that speaking to models takes, and the time to import them without a network."""
    packages = _closure(CORE)
    size = sum(_installed(name) for name in packages) / 2**20
    yield Row("P2 packages for models", str(len(packages)), "≤ 11")
    yield Row("P2 installed", f"{size:.1f} MB", "≤ 12 MB")
    bare = min(_cpu_seconds("pass") for _ in range(3))
    ours = min(_cpu_seconds(f"{_NO_NETWORK}import {MODULES}") for _ in range(3))
    yield Row("P2 import, network taken away", f"{ours - bare:.2f} s", "≤ 0.4 s")


def _closure(names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name not in found:
            found.add(name)
            waiting += [re.split(r"[\s;<>=!~\[(]", r)[0] for r in _required(name)]
    return found


def _required(name: str) -> list[str]:
    requirements = metadata.requires(name) or []
    return [r for r in requirements if "extra ==" not in r and "python_version <" not in r]


def _installed(name: str) -> int:
    files = metadata.files(name) or []
    paths = [Path(str(file.locate())) for file in files if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.exists())


def _cpu_seconds(code: str) -> float:
    measured = f"{code}\nimport time; print(time.process_time())"
    done = subprocess.run(
        [sys.executable, "-c", measured], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


async def budget(questions: int) -> list[Row]:
    """Questions with every fate, eight at a time, on budgets that run out."""
    over, refused, spent, given = 0, 0, 0, 0
    for seed in range(10):
        caps = Caps(day=30_000, user_day=12_000, job=9_000)
        spending = Spending(seed, caps)
        await spending.run(questions=questions // 10, at_once=8)
        over, refused = over + spending.over, refused + spending.refused
        spent += spending.truly_spent
        given += caps.day
    return [
        Row(f"P3 tokens over a cap, {questions:,} questions", str(over), "0"),
        Row("P3 refused before they were asked", f"{refused:,}", "–"),
        Row("P3 of the budgets used; cancelled is booked as the most", f"{spent / given:.0%}", "–"),
    ]


def _estimates(files: Sequence[Path], data: Path) -> Iterator[Row]:
    """After 20 calls, against the real tokenizers."""
    texts = passages(data)
    if not files or not texts:
        yield Row("P4 estimate of tokens", "no tokenizer (--gguf) or no texts here", "≤ 4 %")
        return
    for file in files:
        errors = errors_of(texts, counted(file, texts))
        under = f"{errors.worst_with_margin:.1%} (without it {errors.worst:.1%})"
        yield Row(f"P4 mean error, {file.stem}", f"{errors.mean:.1%}", "≤ 4 %")
        yield Row("P4 worst under-estimate, margin included", under, "≤ 10 %")


async def retries() -> list[Row]:
    """A server that answers 429 for ever, and one that is broken."""
    wrong, early, asked = 0, 0, 0
    with OllamaServer() as server:
        model = OllamaLLM(base_url=server.url, model="llama3", context=4096)
        for fault in (Fault.TOO_MANY, Fault.BUSY, Fault.CUT):
            for attempts in range(1, 6):
                server.always, hours = fault, Hours()
                retrying = RetryingLLM(model, attempts=attempts, sleep=hours.sleep, clock=hours)
                before = len(server.chats)
                await _failing(retrying.complete(ASK))
                wrong += len(server.chats) - before != attempts
                early += fault == Fault.TOO_MANY and any(slept < 7 for slept in hours.slept)
                asked += attempts
        await model.aclose()
    return [
        Row(f"P5 calls with another number of attempts than set, of {asked}", str(wrong), "0"),
        Row("P5 tries before Retry-After was over", str(early), "0"),
    ]


async def _failing(asking: Awaitable[object]) -> None:
    try:
        await asking
    except ModelUnavailable:
        return
    raise AssertionError("the server answered")


async def streams() -> list[Row]:
    """Time to the first piece through every wrapper, and of bare httpx at the same server in
    turn; and how long after its cancellation a question is gone from the server."""
    bare, ours = [], []
    with _server_apart() as url:
        async with httpx.AsyncClient(trust_env=False) as client, _dependable(url) as model:
            for _ in range(400):
                began = _now()
                async with _bare_stream(client, url):
                    bare.append(_since(began))
                began = _now()
                pieces = await model.stream(ASK)
                ours.append(_since(began))
                await close(pieces)
    with OpenAIServer() as server:
        async with _dependable(server.url) as model:
            cancelled = await _cancelled(server, model.complete)
    return [
        *(
            Row(
                f"P6 {kind} to a stream's first piece, median / p99: bare httpx, and added by us",
                f"{_both([b[place] for b in bare])}, {_added(bare, ours, place)} ms",
                "< 5 ms p99 added",
            )
            for place, kind in enumerate(("wall time", "our CPU time"))
        ),
        Row(
            "S9 cancelled, to the closed connection at the server, p99 of 50",
            f"{percentile(cancelled, 0.99):.0f} ms",
            "< 1 s",
        ),
    ]


@asynccontextmanager
async def _dependable(url: str) -> AsyncIterator[LLMProvider]:
    adapter = OpenAILLM(base_url=f"{url}/v1", model="llama3", context=4096)
    purse = Budget(InMemoryLedger(), Caps(day=10**9), FrozenClock())
    yield dependable(adapter, concurrency=2, budget=purse)
    await adapter.aclose()


@contextmanager
def _server_apart() -> Iterator[str]:
    """A server in a process of its own, so that it takes nothing of ours."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.fakes.openai_server", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/v1/models")
            yield url
        finally:
            process.kill()


def _wait_for(url: str) -> None:
    for _ in range(200):
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server did not start")


def _now() -> tuple[float, float]:
    """Wall and CPU seconds: other processes take from the first only."""
    return time.perf_counter(), time.process_time()


def _since(began: tuple[float, float]) -> tuple[float, float]:
    wall, cpu = _now()
    return wall - began[0], cpu - began[1]


def _both(seconds: Sequence[float]) -> str:
    return f"{percentile(seconds, 0.5):.1f} / {percentile(seconds, 0.99):.1f}"


def _added(
    bare: Sequence[tuple[float, float]], ours: Sequence[tuple[float, float]], place: int
) -> str:
    added = [
        percentile([o[place] for o in ours], share) - percentile([b[place] for b in bare], share)
        for share in (0.5, 0.99)
    ]
    return f"{added[0]:.1f} / {added[1]:.1f}"


@asynccontextmanager
async def _bare_stream(client: httpx.AsyncClient, url: str) -> AsyncIterator[None]:
    """Its first piece has come."""
    body = {
        "model": "llama3",
        "messages": [{"role": "user", "content": SENTENCE}],
        "max_tokens": 100,
        "stream": True,
    }
    async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("data:"):
                break
        yield


async def _cancelled(
    server: OpenAIServer, ask: Callable[[CompletionRequest], Awaitable[object]]
) -> list[float]:
    server.delay, seconds = 60.0, []
    for _ in range(50):
        chats, gone = len(server.chats), len(server.hung_up)
        asking = asyncio.ensure_future(ask(ASK))
        await _until(lambda: len(server.chats), chats)
        began = time.perf_counter()
        asking.cancel()
        await _until(lambda: len(server.hung_up), gone)
        seconds.append(time.perf_counter() - began)
    return seconds


async def _until(count: Callable[[], int], more_than: int) -> None:
    while count() <= more_than:  # noqa: ASYNC110 - a server on another thread sets no event
        await asyncio.sleep(0.001)


async def cuts(prompts: int) -> list[Row]:
    """Prompts of any size, in one message or several, to servers that cut: old Ollama drops
    and fills, new Ollama obeys; tokens from 0.8 to 6 characters, which no estimate foresees."""
    dice, answered, refused, silent = random.Random(1), 0, 0, 0
    with OllamaServer(generation="old") as old, OllamaServer(generation="new") as new:
        models = [
            (server, OllamaLLM(base_url=server.url, model="llama3", context=1024))
            for server in (old, new)
        ]
        for number in range(prompts):
            server, model = models[number % 2]
            server.characters_per_token = dice.uniform(0.8, 6.0)
            before = server.cuts
            try:
                await model.complete(replace(ASK, messages=_talk(dice)))
            except ContextOverflow:
                refused += 1
            else:
                answered += 1
                silent += server.cuts - before
        for _, model in models:
            await model.aclose()
    what = f"S7 prompts cut without a failure, of {prompts:,} ({refused:,} refused)"
    return [Row(what, str(silent), "0"), Row("S7 answered", f"{answered:,}", "–")]


def _talk(dice: random.Random) -> list[Message]:
    said = [SENTENCE * dice.randrange(12) + "?" for _ in range(dice.randrange(1, 5))]
    earlier = [Message(dice.choice(["system", "user", "assistant"]), text) for text in said[1:]]
    return [*earlier, Message("user", said[0])]


if __name__ == "__main__":
    raise SystemExit(main())
