"""Models: answers that fail in ten ways, and models that obey whatever is hidden in texts."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg

from benchmarks._machine import percentile
from benchmarks.campaigns._after_the_storm import wounds
from benchmarks.campaigns._ailing_models import AilingOllama, AilingOpenAI, AilingServer, Trouble
from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._grounds import Grounds, Reader, newcomers, postgres, served
from benchmarks.campaigns._obedience import obeyed
from benchmarks.campaigns._vitals import vitals_of
from tests.database import cloned

_CALLS = 2_000
_OUTSTANDING = 12
_DRAIN = 240.0
# Of an answer without an end.
_MOST_TAKEN = 64 * 2**20
_SETTINGS = {
    "JOBS_EMBEDDED": "true",
    "JOBS_CONCURRENCY": "8",
    "LLM_MODEL": "llama3",
    "LLM_TIMEOUT": "1",
    "LLM_CONCURRENCY": "8",
    "LENDING_LIMIT": "1000",
}
_UNDONE = """SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')
  AND task_name IN ('read_file', 'summarise_book', 'refresh_consensus', 'reread_reviews')"""
# Nobody wants to wait the minutes that a job waits for a model that was away.
_HURRY = """UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'
  AND scheduled_at > now() AND task_name IN ('summarise_book', 'reread_reviews')"""
_SCENES = "lamp storm keeper harbour letter winter ship island key garden bell road".split()


async def run(plan: Plan, server_url: str | None = None) -> Sequence[Tally]:
    with postgres(server_url) as url:
        return [
            await _with_ailing("Ollama", AilingOllama(), "", plan, url),
            await _with_ailing("OpenAI", AilingOpenAI(), "/v1", plan, url),
            *await obeyed(plan, url),
        ]


@dataclass(slots=True)
class _Probes:
    """What readers were answered meanwhile, in seconds, and what was no answer."""

    seconds: list[float] = field(default_factory=list)
    while_hanging: int = 0
    statuses: Counter[int] = field(default_factory=Counter)


async def _with_ailing(
    name: str, model: AilingServer, path: str, plan: Plan, server_url: str
) -> Tally:
    passes = "all books are ready, nobody waited for a model, no 5xx"
    tally = Tally(f"calls of {name} at 30 % faults", plan.count(_CALLS // 2), passes)
    model.seed = plan.seed
    with model, cloned(server_url) as url:
        provider = {"LLM_PROVIDER": name.lower(), "LLM_BASE_URL": model.url + path}
        async with served(url, _SETTINGS | provider, apart=({},)) as grounds:
            owner, reader, prober = await newcomers(await grounds.connections(3))
            async with _probing(prober, model) as probes, _hurrying(url):
                books = await _fill(plan, tally, model, url, (owner, reader))
                asked, model.share = len(model.chats), 0.0
                tally.hold(await _ended(url), "jobs did not come to their end")
            tally.failures += await wounds(url, grounds.home / "files")
            answers = [await owner.ask("GET", f"/books/{each}/summary") for each in books]
            shown = [answer.json() for answer in answers]
            for each in shown:
                told = f"{each['book_id']} is {each['status']}: {each.get('error')}"
                tally.hold(each["status"] == "ready" and each["summary"], told)
            degraded = sum(each["source"]["degraded"] for each in shown)
            _judge(tally, model, asked, probes, grounds)
            tally.figures["books"] = f"{len(books)}, {degraded} by the stand-in"
    tally.failures[:] = [f"seed {plan.seed}: {failure}" for failure in tally.failures]
    return tally


async def _fill(
    plan: Plan, tally: Tally, model: AilingServer, url: str, people: tuple[Reader, Reader]
) -> list[str]:
    """Bring books, and review some, until the model was asked as often as planned."""
    dice, books = random.Random(plan.seed), list[str]()
    while len(model.chats) < tally.planned and plan.has_time:
        if await _count(url, _UNDONE) >= _OUTSTANDING:
            await asyncio.sleep(0.1)
            continue
        books.append(str((await people[0].shelve(_tale(dice, len(books))))["id"]))
        if len(books) % 3 == 0:
            await _review(people[1], books[-1], dice)
    tally.done = min(len(model.chats), tally.planned)
    return books


async def _review(reader: Reader, book: str, dice: random.Random) -> None:
    for path, said in (("borrow", None), ("reviews", {"rating": 4, "text": _tale(dice, 0)[:300]})):
        answer = await reader.ask("POST", f"/books/{book}/{path}", said)
        if answer.status != 201:
            raise RuntimeError(f"{path}: {answer.status} {answer.body[:200]!r}")


@asynccontextmanager
async def _probing(reader: Reader, model: AilingServer) -> AsyncIterator[_Probes]:
    """Somebody who reads, every 50 ms, whatever the model does."""
    probes, clock = _Probes(), asyncio.get_running_loop().time

    async def go_on() -> None:
        while True:
            for path in ("/healthz", "/books?limit=5", "/users/me"):
                began, hung = clock(), model.hanging
                probes.statuses[(await reader.ask("GET", path)).status] += 1
                probes.seconds.append(clock() - began)
                probes.while_hanging += hung > 0 and model.hanging > 0
                await asyncio.sleep(0.05)

    task = asyncio.create_task(go_on())
    try:
        yield probes
    finally:
        await _stopped(task)


@asynccontextmanager
async def _hurrying(url: str) -> AsyncIterator[None]:
    async def go_on() -> None:
        while True:
            await _execute(url, _HURRY)
            await asyncio.sleep(1)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        await _stopped(task)


async def _stopped(task: "asyncio.Task[None]") -> None:
    """Raises what the task failed of."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _ended(url: str) -> bool:
    clock = asyncio.get_running_loop().time
    end = clock() + _DRAIN
    while await _count(url, _UNDONE):
        if clock() > end:
            return False
        await asyncio.sleep(0.2)
    return True


def _judge(
    tally: Tally, model: AilingServer, asked: int, probes: _Probes, grounds: Grounds
) -> None:
    wrong = {status: n for status, n in probes.statuses.items() if status != 200}
    tally.hold(not wrong, f"readers were answered {wrong}")
    if model.seen[Trouble.HANG] > 3:
        tally.hold(probes.while_hanging, "nobody was answered while a call hung")
    taken = model.taken / max(model.seen[Trouble.ENDLESS], 1)
    tally.hold(taken < _MOST_TAKEN, f"of endless answers {taken:,.0f} bytes were taken each")
    told = ", ".join(f"{name} {times}" for name, times in sorted(model.seen.items()))
    tally.figures = {
        "calls": f"{asked:,} and {len(model.chats) - asked:,} once it was well",
        "faults": f"{sum(model.seen.values()) / asked:.0%}: {told}",
        "reads meanwhile": f"{len(probes.seconds):,}, {probes.while_hanging:,} while a call hung",
        "reads (ms, p99, most)": f"{percentile(probes.seconds, 0.99):.0f}, "
        f"{max(probes.seconds) * 1000:.0f}",
        "MiB (most)": f"{vitals_of(grounds.pids[0]).most:.0f}",
    }


def _tale(dice: random.Random, number: int) -> str:
    scenes = [
        f"The {' and the '.join(dice.sample(_SCENES, 3))} were all that {dice.choice(_SCENES)} "
        f"number {dice.randrange(10_000)} had left of it, and {dice.choice(_SCENES)} was good."
        for _ in range(12)
    ]
    return f"Tale {number}. {' '.join(scenes)}"


async def _count(url: str, query: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


async def _execute(url: str, query: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(query)
    finally:
        await connection.close()
