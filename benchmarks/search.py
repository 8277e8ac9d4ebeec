"""How well and how fast search finds passages.

Quality: questions of FairytaleQA, whose answers lie in known sections, over all tales at once;
beside it what others do in Postgres and BM25 in memory, all over the very same lexemes. Speed:
the same questions and odd ones over the text of many books, by the service, without HTTP.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from typing_extensions import override

from app.adapters.postgres.embedded import EmbeddedPostgres
from app.bootstrap.library import Library, open_library
from app.bootstrap.settings import read_settings
from app.domains.accounts.model import User
from app.domains.catalog.model import BookQuery
from app.domains.discovery.model import Place, Scope
from app.domains.discovery.service import SearchService, Snippets
from app.ports.jobs import JobRun
from app.shared.calling import as_called
from benchmarks import _finders, _vectors
from benchmarks._crowded import PASSAGES, fill_with_copies, fill_with_tales, texts_of
from benchmarks._machine import ROOT, facts, percentile, record
from benchmarks._names import asked_by_name
from benchmarks._serving import temporary_home
from benchmarks._tales import Question, Tale, tales

DATA = ROOT.parent / "shared" / "data"
_DEPTHS = (1, 5, 10)
# Of a section, for a passage to count as the place it is at.
_ENOUGH = 0.4
_LAST = 100
_SPEED_QUESTIONS = 100
_ODD = [
    "the of and", "a", "man", "said the old man", "king daughter castle", "to be or not to be",
    "%_%", '"', "😀", "الكتاب", "one two three four five six seven eight nine ten " * 20,
]  # fmt: skip


@dataclass(slots=True)
class Quality:
    """Sums over questions; `share` of the characters of the section in the first so many
    passages, `found` questions with a passage at the place among them."""

    name: str
    asked: int = 0
    nothing: int = 0
    reciprocal: float = 0.0
    share: dict[int, float] = field(default_factory=lambda: dict.fromkeys(_DEPTHS, 0.0))
    found: dict[int, int] = field(default_factory=lambda: dict.fromkeys(_DEPTHS, 0))

    def judge(self, question: Question, spans: Sequence[tuple[int, int] | None]) -> None:
        """The places found, the best first; None for one in another tale."""
        size = question.end - question.start
        parts = [_overlap(span, question) / size for span in spans]
        self.asked += 1
        self.nothing += not spans
        self.reciprocal += next((1 / n for n, part in enumerate(parts, 1) if part >= _ENOUGH), 0)
        for depth in _DEPTHS:
            self.share[depth] += sum(parts[:depth])
            self.found[depth] += any(part >= _ENOUGH for part in parts[:depth])

    def line(self) -> str:
        shares = " | ".join(f"{self.share[depth] / self.asked:.3f}" for depth in _DEPTHS)
        found = " | ".join(f"{self.found[depth] / self.asked:.3f}" for depth in _DEPTHS)
        nothing, rank = f"{self.nothing / self.asked:.1%}", f"{self.reciprocal / self.asked:.3f}"
        return f"| {self.name} | {shares} | {found} | {rank} | {nothing} |"


class _Unwatched(JobRun):
    @property
    @override
    def job_id(self) -> UUID:
        return uuid4()

    @override
    async def report(self, done: int, planned: int) -> None:
        """Nobody looks."""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="bench search", description=__doc__)
    parser.add_argument("--data", type=as_called, default=DATA, help="the folder of real texts")
    parser.add_argument("--books", type=int, default=10_000, help=f"of {PASSAGES} passages each")
    parser.add_argument(
        "--home", type=as_called, help="keep the library built, or use the one kept"
    )
    parts = ["both", "quality", "speed", "meaning"]
    parser.add_argument("--part", choices=parts, default="both")
    parser.add_argument("--embeddings", default="off", help="the provider for quality")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        home = options.home or stack.enter_context(temporary_home())
        report = asyncio.run(_measured(options, home))
    print(report)
    if options.record:
        record("search", arguments, report)
    return 0


async def _measured(options: argparse.Namespace, home: Path) -> str:
    known = tales(options.data / "summaries" / "fairytaleqa_train")
    parts = []
    if options.part in ("both", "quality"):
        async with _opened(home / "tales", options.embeddings) as (library, connection, address):
            parts.append(await _quality(library, connection, known))
            machine = await facts(address)
    if options.part == "meaning":
        async with _opened(home / f"crowd-{options.books}") as (library, connection, address):
            parts.append(await _built(library, connection, options))
            parts.append(await _vectors.measured(library, connection))
            parts.append(await _speed(_vectors.meaning(library), connection, known, options))
            machine = await facts(address)
    if options.part in ("both", "speed"):
        async with _opened(home / f"crowd-{options.books}") as (library, connection, address):
            parts.append(await _speed(library, connection, known, options))
            machine = await facts(address)
    return "\n\n".join([f"On {machine}.", *parts])


@asynccontextmanager
async def _opened(home: Path, embeddings: str = "off") -> AsyncIterator[tuple[Library, Any, str]]:
    """A library with a Postgres of its own, a connection to that, and its address."""
    await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
    async with EmbeddedPostgres.attach_or_start(home) as server:
        settings = read_settings(
            _env_file=None,
            lumina={"home": home},
            database={"url": server.url},
            llm={"provider": "extractive"},
            embeddings={"provider": embeddings},
        )
        async with open_library(settings, migrating=True) as library:
            connection = await asyncpg.connect(server.url, command_timeout=None)
            try:
                yield library, connection, server.url
            finally:
                await connection.close()


async def _quality(library: Library, connection: Any, known: Sequence[Tale]) -> str:
    await connection.execute("DELETE FROM books")
    ids = await fill_with_tales(connection, known)
    async for _ in library.services.indexing.reindex():
        pass
    spans = {
        Place(ids[tale.name], number): (tale.name, passage.start, passage.start + len(passage.text))
        for tale in known
        for number, passage in enumerate(tale.passages)
    }
    finders = {
        "web search, every word (ts_rank 32)": _finders.every_word(connection),
        "any word (ts_rank 1)": _finders.any_word(connection),
        "BM25 in memory (bm25s)": await _finders.bm25(connection),
        **_ours(library),
    }
    # Ours was tuned on every second tale; what counts is the others.
    held = [question for tale in known[1::2] for question in tale.questions]
    tuned = [question for tale in known[::2] for question in tale.questions]
    lines = [_HEAD]
    for name, find in finders.items():
        for half, asked in ((f"{name}", held), (f"{name}, tales tuned on", tuned)):
            lines.append((await _judged(half, find, asked, spans)).line())
    passages = sum(len(tale.passages) for tale in known)
    return (
        f"Quality: {len(held)} questions on tales nothing was tuned on, {len(tuned)} on the"
        f" others, each over all {len(known)} tales ({passages} passages) at once. Share of the"
        " characters of the section in the first 1, 5, 10 passages; questions with the place"
        " among them; mean reciprocal rank; questions without a hit.\n\n" + "\n".join(lines)
    )


def _ours(library: Library) -> dict[str, _finders.Find]:
    """By words alone, and with a model beside them by meaning alone and both ways."""
    begin, model = library.adapters.discovery_work, library.adapters.embeddings
    shelving = library.services.shelving
    words = _finders.ours(SearchService(begin=begin, shelving=shelving, snippets=Snippets()))
    if model is None:
        return {"ours, lexical": words}
    meaning = _finders.meant(begin, model)
    return {
        "ours, lexical": words,
        "meaning alone": meaning,
        "both, by rank 1:1": _finders.by_rank(words, meaning, 1.0),
        "both, by rank 5:1": _finders.by_rank(words, meaning, 0.2),
        "ours, both": _finders.ours(library.services.search),
    }


_HEAD = (
    "| | chars@1 | chars@5 | chars@10 | place@1 | place@5 | place@10 | MRR | nothing |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


async def _judged(
    name: str,
    find: _finders.Find,
    questions: Sequence[Question],
    spans: Mapping[Place, tuple[str, int, int]],
) -> Quality:
    quality = Quality(name)
    for question in questions:
        found = [spans[place] for place in await find(question.text, max(_DEPTHS))]
        there = [(s, e) if tale == question.tale else None for tale, s, e in found]
        quality.judge(question, there)
    return quality


def _overlap(span: tuple[int, int] | None, question: Question) -> int:
    if span is None:
        return 0
    return max(0, min(span[1], question.end) - max(span[0], question.start))


async def _speed(
    library: Library, connection: Any, known: Sequence[Tale], options: argparse.Namespace
) -> str:
    built = await _built(library, connection, options)
    reader = await _reader(library)
    say = random.Random(options.seed)
    asked = [question.text for tale in known for question in tale.questions]
    tried = {
        "questions": say.sample(asked, _SPEED_QUESTIONS),
        "stretches of a text": await _stretches(connection, say),
        "odd ones": _ODD,
    }
    lines = ["| | scope | p50 ms | p95 ms | slowest | nothing |", "|---|---|---|---|---|---|"]
    scopes: Sequence[Scope] = ("passages", "all")
    for scope in scopes:
        for name, questions in tried.items():
            lines.append(await _timed(library, reader, name, questions, scope))
    names = await asked_by_name(library, connection, reader, say)
    return "\n\n".join([built, "\n".join(lines), names])


async def _timed(
    library: Library, reader: User, name: str, questions: Sequence[str], scope: Scope
) -> str:
    times: list[float] = []
    nothing = 0
    for question in questions:
        began = time.perf_counter()
        answer = await library.services.search.search(reader, question, scope, BookQuery(), 20)
        times.append(time.perf_counter() - began)
        nothing += not answer.hits
    p50, p95 = percentile(times, 0.5), percentile(times, 0.95)
    return f"| {name} | {scope} | {p50:.0f} | {p95:.0f} | {max(times) * 1000:.0f} | {nothing} |"


async def _built(library: Library, connection: Any, options: argparse.Namespace) -> str:
    """Fill the library, unless it is full; how long that took, and what it weighs. The index of
    words is made when most is written, as for a restored library; the last books come in as
    books do, one after the other."""
    if await connection.fetchval("SELECT count(*) FROM books") >= options.books:
        return f"Built before. {await _sizes(connection)}"
    for statement in _BEFORE:
        await connection.execute(statement)
    texts = texts_of(options.data / "texts")
    waiting: list[UUID] = []
    clock = Clock()
    async for ids in fill_with_copies(connection, texts, books=options.books, seed=options.seed):
        waiting += ids
        while len(waiting) > _LAST:
            with clock.of("stemming"):
                async with library.adapters.discovery_work() as work:
                    await work.indexed.write(waiting.pop(0), 0, PASSAGES)
    with clock.of("index"):
        await connection.execute(_GIN)
        await connection.execute("VACUUM ANALYZE")
    with clock.of("counting words"):
        async with library.adapters.discovery_work() as work:
            await work.indexed.count_words()
    with clock.of("one by one"):
        for book in waiting:
            await library.services.indexing.index(book, _Unwatched())
    rate = len(waiting) * PASSAGES / clock.seconds["one by one"]
    spent = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in clock.seconds.items())
    return (
        f"Built: {spent}; the last {len(waiting)} books through the job, {rate:.0f} passages a"
        f" second beside {options.books:,} others. {await _sizes(connection)}"
    )


@dataclass(slots=True)
class Clock:
    """Seconds by what they were spent on."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        spent = time.perf_counter() - began
        self.seconds[name] = self.seconds.get(name, 0.0) + spent


_GIN = (
    "CREATE INDEX IF NOT EXISTS ix_indexed_passages_words ON indexed_passages USING gin (words)"
    " WITH (fastupdate = off)"
)
# Lists look into words of their own, unstemmed; here those are left empty.
_BEFORE = (
    "SET maintenance_work_mem = '512MB'",
    "ALTER TABLE passages ALTER COLUMN words DROP EXPRESSION IF EXISTS",
    "DROP INDEX ix_indexed_passages_words",
)


async def _sizes(connection: Any) -> str:
    row = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM books) AS books, count(*) AS passages,"
        " (SELECT sum(length(text)) FROM passages) AS characters,"
        " pg_total_relation_size('passages') AS texts,"
        " pg_table_size('indexed_passages') AS words,"
        " pg_relation_size('ix_indexed_passages_words') AS index FROM indexed_passages"
    )
    mega = {name: row[name] / 1e6 for name in ("characters", "texts", "words", "index")}
    return (
        f"{row['books']:,} books, {row['passages']:,} passages, {mega['characters']:,.0f} million"
        f" characters: texts {mega['texts']:,.0f} MB, their words {mega['words']:,.0f} MB, the"
        f" index of words {mega['index']:,.0f} MB."
    )


async def _stretches(connection: Any, say: random.Random) -> list[str]:
    """Ten words in a row from anywhere in the texts."""
    rows = await connection.fetch(
        "SELECT text FROM passages WHERE ordinal = $1 ORDER BY book_id LIMIT $2",
        say.randrange(PASSAGES),
        _SPEED_QUESTIONS,
    )
    return [" ".join(row["text"].split()[20:30]) or "nothing" for row in rows]


async def _reader(library: Library) -> User:
    return await library.services.accounts.create_admin(
        f"{uuid4()}@bench.test", "a quiet place to measure"
    )


if __name__ == "__main__":
    raise SystemExit(main())
