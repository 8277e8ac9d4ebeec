"""Calibre's content server and calibre-web beside the library: same books, same machine.

The books are EPUBs made here: real texts, tales whose questions are answered at known places,
and cuts of the real texts in which every fifteenth word is an invented one. All servers run at
the same time and take turns, so that what else the machine does falls on all of them. Nothing
is installed: a rival that is not there (`apt-get install --no-install-recommends calibre`;
`pip install calibreweb` into an environment of its own) is not run.
"""

import argparse
import asyncio
import csv
import json
import os
import random
import re
import shutil
import socket
import sqlite3
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import uuid4

import asyncpg
import httpx
from typing_extensions import override

from app.shared.calling import as_called
from benchmarks._machine import ROOT, facts, percentile, record
from benchmarks._questions import with_typo
from benchmarks._serving import Connection, Served, connected, library_served, temporary_home
from benchmarks._shelves import ADJECTIVES, CODAS, NOUNS, ONSETS, VOWELS
from benchmarks._tales import tales
from demo.epub import epub
from demo.manuscript import Chapter, Manuscript

DATA = ROOT.parent / "shared" / "data"
LIMIT = 20
CONCURRENCIES = (1, 8)
ROUNDS = 3
_REQUESTS = {1: 17, 8: 20}
_ASKED = 50
_BEST = 5
# Seconds of one turn, and of asking every question once; who is slower answers fewer.
_TURN, _ONCE = 3, 15
# Books whose snippets Calibre's page asks for at a time.
_SHOWN = 2
_CUT, _INVENTED = 6_000, 15
_PATIENCE = 900
_PASSWORD = "A quiet place 2 measure!"

# The first and the last page by title; names of books; what books say: a phrase, all the
# words, any of the words.
Kind = Literal["first", "last", "name", "phrase", "words", "any"]
_NAMED: tuple[Kind, ...] = ("first", "last", "name")


@dataclass(frozen=True, slots=True)
class Volume:
    """`questions` are asked of the stretches of its text that answer them."""

    book: Manuscript
    text: str
    questions: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, the titles of the books that are right, and what a snippet should show."""

    words: str
    titles: frozenset[str]
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The titles and snippets of an answer in its order, and its bytes."""

    size: int
    titles: Sequence[str]
    snippets: Sequence[str] = ()


@dataclass(slots=True)
class Figures:
    found: int = 0
    shown: int = 0
    asked: int = 0
    snippets: int = 0
    sizes: list[float] = field(default_factory=list)
    seconds: dict[int, list[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    kind: Kind
    asked: Sequence[Asked]


class Rival(ABC):
    """A running server, or (not `whole`) another way to ask one. `kinds` is what it answers."""

    name: str
    kinds: tuple[Kind, ...] = _NAMED
    concurrencies: tuple[int, ...] = CONCURRENCIES
    whole = True

    def __init__(self, port: int, pid: int, headers: Mapping[str, str]) -> None:
        self.port = port
        self.pid = pid
        self._headers = headers

    @abstractmethod
    async def ask(self, connection: Connection, kind: Kind, words: str) -> Found: ...

    async def _get(self, connection: Connection, path: str, **query: object) -> tuple[Any, int]:
        """The JSON and its bytes."""
        target = f"{path}?{urlencode(query)}" if query else path
        answer = await connection.ask("GET", target, self._headers)
        assert answer.status == 200, (self.name, target, answer)
        return answer.json(), len(answer.body)


class Library(Rival):
    name = "LuminaLib"
    kinds = (*_NAMED, "phrase", "words")
    _cursor: str | None = None

    @override
    async def ask(self, connection: Connection, kind: Kind, words: str) -> Found:
        if kind in ("first", "last"):
            return await self._page(connection, kind)
        scope = "books" if kind == "name" else "passages"
        body, size = await self._get(connection, "/search", q=words, scope=scope, limit=LIMIT)
        hits = body["items"]
        snippets = [hit["snippet"]["text"] for hit in hits if hit["kind"] == "passage"]
        return Found(size, [hit["book"]["title"] for hit in hits], snippets)

    async def _page(self, connection: Connection, kind: Kind) -> Found:
        query: dict[str, object] = {"limit": LIMIT, "sort": "title"}
        if kind == "last":
            self._cursor = self._cursor or await self._last(connection, query)
            query["cursor"] = self._cursor
        body, size = await self._get(connection, "/books", **query)
        return Found(size, [book["title"] for book in body["items"]])

    async def _last(self, connection: Connection, query: dict[str, object]) -> str:
        cursor = ""
        while True:
            given = {**query, "cursor": cursor} if cursor else query
            body, _ = await self._get(connection, "/books", **given)
            if not body["next_cursor"]:
                return cursor
            cursor = body["next_cursor"]


class Calibre(Rival):
    name = "Calibre"
    kinds = (*_NAMED, "phrase", "words", "any")
    _last = 0
    _snippets = 0

    @override
    async def ask(self, connection: Connection, kind: Kind, words: str) -> Found:
        if kind == "last":
            return await self._last_page(connection)
        if kind in ("first", "name"):
            query = {"num": LIMIT, "sort": "title.asc", "search": words}
            path = "/interface-data/get-books"
            return self._books(*await self._get(connection, path, **query))
        return await self._said(connection, _for_fts5(kind, words))

    async def _last_page(self, connection: Connection) -> Found:
        asked = {"query": "", "sort": "title", "sort_order": "asc", "vl": ""}
        if not self._last:
            body, _ = await self._get(connection, "/interface-data/get-books", num=1)
            self._last = (body["search_result"]["total_num"] - 1) // LIMIT * LIMIT
        sent = json.dumps({**asked, "offset": self._last}).encode()
        path = f"/interface-data/more-books?num={LIMIT}"
        answer = await connection.ask("POST", path, self._headers, sent)
        return self._books(answer.json(), len(answer.body))

    def _books(self, body: Any, size: int) -> Found:
        ids, books = body["search_result"]["book_ids"], body["metadata"]
        return Found(size, [books[str(number)]["title"] for number in ids])

    async def _said(self, connection: Connection, query: str) -> Found:
        """All books, the best first, and snippets of the first of them."""
        body, size = await self._get(connection, "/fts/search", query=query)
        ids = [hit["book_id"] for hit in body["results"]]
        titles, texts = [body["metadata"][str(number)]["title"] for number in ids], []
        if shown := ids[: self._snippets]:
            path = f"/fts/snippets/{','.join(map(str, shown))}"
            parts, more = await self._get(connection, path, query=query)
            texts = [each["text"] for n in shown for each in parts["snippets"][str(n)]]
            size += more
        return Found(size, titles, texts)


class CalibreShowing(Calibre):
    """For phrases only, one at once: snippets of some questions take it more than a minute, on
    which the others' turns would wait."""

    name = f"Calibre, and {_SHOWN} snippets"
    kinds = ("phrase",)
    concurrencies = (1,)
    whole = False
    _snippets = _SHOWN


def _for_fts5(kind: Kind, words: str) -> str:
    """Without punctuation, which FTS5 refuses."""
    single = _words(words).split()
    return (
        f'"{" ".join(single)}"'
        if kind == "phrase"
        else (" OR " if kind == "any" else " ").join(single)
    )


class CalibreWeb(Rival):
    name = "calibre-web"

    @override
    async def ask(self, connection: Connection, kind: Kind, words: str) -> Found:
        query: dict[str, object] = {"limit": LIMIT, "sort": "sort", "order": "asc"}
        if kind == "last":
            query["offset"] = await self._last(connection)
        if kind == "name":
            query["search"] = words
        body, size = await self._get(connection, "/ajax/listbooks", **query)
        return Found(size, [book["title"] for book in body["rows"]])

    _offset: int | None = None

    async def _last(self, connection: Connection) -> int:
        if self._offset is None:
            body, _ = await self._get(connection, "/ajax/listbooks", limit=1)
            self._offset = (body["totalNotFiltered"] - 1) // LIMIT * LIMIT
        return self._offset


# What is on the shelves


def volumes(data: Path, number: int, say: random.Random) -> list[Volume]:
    """The real texts, the tales, and cuts up to so many."""
    real = list(_real(data / "texts"))
    told = [_tale(each, say) for each in tales(data / "summaries" / "fairytaleqa_train")]
    cuts = max(number - len(real) - len(told), 0)
    return [*real, *told, *(_cut(say, say.choice(real).text) for _ in range(cuts))][:number]


def _real(folder: Path) -> Iterator[Volume]:
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            text = (folder / row["file"]).read_text(row["encoding"], "replace").replace("*", " ")
            last, _, first = re.sub(r" *\(.*?\)", "", row["author"]).partition(", ")
            title = re.split("[:;,]", row["title"])[0].strip()
            tags = [tag for tag in row["bookshelf"].split("; ") if tag][:3]
            yield _volume(title, f"{first} {last}".strip(), row["language"], tags, text)


def _tale(tale: Any, say: random.Random) -> Volume:
    volume = _volume(tale.title, _author(say), "en", ["Fairy tales"], tale.text.replace("*", " "))
    asked = [(each.text, tale.text[each.start : each.end]) for each in tale.questions]
    return Volume(volume.book, volume.text, asked)


def _cut(say: random.Random, source: str) -> Volume:
    words = source.split()
    at = say.randrange(max(len(words) - _CUT, 1))
    words, own = words[at : at + _CUT], [_name(say).lower() for _ in range(200)]
    words[::_INVENTED] = [say.choice(own) for _ in words[::_INVENTED]]
    text = "\n\n".join(" ".join(words[n : n + 120]) for n in range(0, len(words), 120))
    title = f"The {say.choice(ADJECTIVES)} {say.choice(NOUNS)} of {_name(say)}".title()
    return _volume(title.replace("Of", "of"), _author(say), "en", [say.choice(NOUNS)], text)


def _volume(title: str, author: str, language: str, tags: Sequence[str], text: str) -> Volume:
    blocks = [" ".join(block.split()) for block in text.split("\n\n") if block.strip()]
    chapters = [
        Chapter(f"Chapter {n // 40 + 1}", tuple(blocks[n : n + 40]))
        for n in range(0, len(blocks), 40)
    ]
    book = Manuscript(title, author, language, 1900, "", (), tuple(tags), tuple(chapters))
    return Volume(book, f" {_words(text)} ")


def _name(say: random.Random) -> str:
    parts = [say.choice(ONSETS) + say.choice(VOWELS) for _ in range(2)]
    return ("".join(parts) + say.choice(CODAS)).title()


def _author(say: random.Random) -> str:
    return f"{_name(say)} {_name(say)}"


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


# What is asked


def cases(shelf: Sequence[Volume], say: random.Random) -> list[Case]:
    some = say.sample(shelf, min(_ASKED, len(shelf)))
    asked = [(volume, each) for volume in shelf for each in volume.questions]
    natural = [
        Asked(words, frozenset([volume.book.title]), shown)
        for volume, (words, shown) in say.sample(asked, min(_ASKED, len(asked)))
    ]
    anything = [Asked("", frozenset(volume.book.title for volume in shelf))] * _ASKED
    titled = [Asked(each.book.title, _same(shelf, "title", each)) for each in some]
    return [
        Case("list, first page", "first", anything),
        Case("list, last page", "last", anything),
        Case("a word of a title", "name", [_of_title(shelf, each) for each in some]),
        Case("a title", "name", titled),
        Case("an author", "name", [Asked(v.book.author, _same(shelf, "author", v)) for v in some]),
        Case("a title, one edit", "name", [_misspelt(each, say) for each in titled]),
        Case("text: a word", "words", [_said(shelf, each, say, 1) for each in some]),
        Case("text: six words in a row", "phrase", [_said(shelf, each, say, 6) for each in some]),
        Case("text: a question", "words", natural),
        Case("text: a question, words joined by OR", "any", natural),
    ]


def _same(shelf: Sequence[Volume], name: str, volume: Volume) -> frozenset[str]:
    wanted = getattr(volume.book, name)
    return frozenset(each.book.title for each in shelf if getattr(each.book, name) == wanted)


def _of_title(shelf: Sequence[Volume], volume: Volume) -> Asked:
    word = max(_words(volume.book.title).split(), key=len)
    titles = (each.book.title for each in shelf)
    return Asked(word, frozenset(title for title in titles if word in _words(title)))


def _misspelt(asked: Asked, say: random.Random) -> Asked:
    return Asked(with_typo(asked.words, say), asked.titles)


def _said(shelf: Sequence[Volume], volume: Volume, say: random.Random, number: int) -> Asked:
    """So many words in a row, the first of them long, and every book that says them."""
    words = volume.text.split()
    long = [n for n, word in enumerate(words[:-number]) if len(word) > 6]
    at = say.choice(long)
    phrase = " ".join(words[at : at + number])
    right = frozenset(each.book.title for each in shelf if f" {phrase} " in each.text)
    return Asked(phrase, right, phrase)


def _shows(snippet: str, wanted: str) -> bool:
    """Whether it holds what was asked for, or is a part of it."""
    seen, wanted = _words(snippet), _words(wanted)
    if len(wanted) < len(seen):
        return wanted in seen
    return any(seen[n : n + 40] in wanted for n in range(0, max(len(seen) - 39, 1), 10))


# The servers


@asynccontextmanager
async def _running(*words: str, **environment: str) -> AsyncIterator[int]:
    """A server that ends with the block; its process."""
    silent = asyncio.subprocess.DEVNULL
    kept = {"PATH": os.environ["PATH"], "QT_QPA_PLATFORM": "offscreen", **environment}
    process = await asyncio.create_subprocess_exec(*words, env=kept, stdout=silent, stderr=silent)
    try:
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _run(*words: str, **environment: str) -> str:
    """What a command says; it must succeed."""
    kept = {"PATH": os.environ["PATH"], "QT_QPA_PLATFORM": "offscreen", **environment}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *words, env=kept, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), _PATIENCE)
    assert process.returncode == 0, (words, said)
    return said.decode()


async def _listening(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                async with connected(port, 1):
                    return
            except OSError:
                await asyncio.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def _library(home: Path) -> AsyncIterator[tuple[Library, str]]:
    async with library_served(home / "library") as served:
        headers = await served.sign_in()
        yield Library(served.port, served.pid, headers), await facts(served.database_url)


@asynccontextmanager
async def _calibre(home: Path) -> AsyncIterator[Calibre]:
    port = _free_port()
    words = ["calibre-server", "--listen-on", "127.0.0.1", "--port", str(port)]
    words += ["--disable-use-bonjour", str(home / "calibre")]
    async with _running(*words, **_calibre_home(home)) as pid:
        await _listening(port)
        yield Calibre(port, pid, {})


@asynccontextmanager
async def _calibre_web(home: Path, python: Path) -> AsyncIterator[CalibreWeb]:
    """Its settings are made by itself, and told where the books are, as its first page does."""
    settings, port = home / "calibre-web.db", _free_port()
    words = [str(python), "-m", "calibreweb", "-p", str(settings)]
    if not settings.exists():
        await _run(*words, "-s", f"admin:{_PASSWORD}", HOME=str(home))
    with sqlite3.connect(settings) as database:
        change = "UPDATE settings SET config_calibre_dir = ?, config_port = ?"
        database.execute(change, (str(home / "calibre"), port))
    async with _running(*words, "-i", "127.0.0.1", HOME=str(home)) as pid:
        await _listening(port)
        yield CalibreWeb(port, pid, await _signed_in(port))


async def _signed_in(port: int) -> dict[str, str]:
    agent = {"User-Agent": "bench"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=agent) as client:
        page = await client.get("/login")
        token = re.search(r'name="csrf_token" value="(.+?)"', page.text)
        assert token, page.text
        form = {"username": "admin", "password": _PASSWORD, "csrf_token": token[1]}
        await client.post("/login", data=form)
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    return {**agent, "Cookie": cookies}


def _calibre_home(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "CALIBRE_CONFIG_DIRECTORY": str(home / "calibre-settings")}


# How the books get in


async def _built(home: Path, shelf: Sequence[Volume]) -> list[str]:
    """Lines of what it took, kept with what was built."""
    kept = home / "built.json"
    if not kept.exists():
        folder = home / "books"
        folder.mkdir(parents=True)
        for number, volume in enumerate(shelf):
            (folder / f"{number}.epub").write_bytes(epub(volume.book))
        lines = [await _into_library(home, folder)]
        if shutil.which("calibre-server"):
            lines.append(await _into_calibre(home, folder))
        kept.write_text(json.dumps(lines), "utf-8")
    return list(json.loads(kept.read_text("utf-8")))


async def _into_calibre(home: Path, folder: Path) -> str:
    place, known = ["--with-library", str(home / "calibre")], _calibre_home(home)
    begun = time.perf_counter()
    await _run("calibredb", "add", *place, "-r", str(folder), **known)
    added = time.perf_counter()
    fast = ["--wait-for-completion", "--indexing-speed", "fast"]
    await _run("calibredb", "fts_index", "enable", *place, *fast, **known)
    size = (home / "calibre" / "full-text-search.db").stat().st_size
    return (
        f"| Calibre (calibre-web reads the same) | {added - begun:.0f} s"
        f" | {time.perf_counter() - begun:.0f} s | | {size / 1e6:.1f} MB |"
    )


async def _into_library(home: Path, folder: Path) -> str:
    (home / "library").mkdir()
    async with library_served(home / "library") as served:
        headers = await served.sign_in()
        begun = time.perf_counter()
        files = [folder / name for name in await asyncio.to_thread(os.listdir, folder)]
        number = len(files)
        async with connected(served.port, 4) as connections:
            await asyncio.gather(*(_upload(each, headers, files) for each in connections))
        added = time.perf_counter()
        found = await _until(served, _UNFOUND, number)
        done = await _until(served, _UNDONE, 0)
        size = await _asked_of(served, _SIZE)
    return (
        f"| LuminaLib | {added - begun:.0f} s | {found - begun:.0f} s"
        f" | {done - begun:.0f} s | {size / 1e6:.1f} MB |"
    )


_UNFOUND = "SELECT count(DISTINCT book_id) FROM indexed_passages"
_UNDONE = (
    "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
    " AND coalesce(scheduled_at, now()) <= now()"
)
_SIZE = "SELECT pg_total_relation_size('passages') + pg_total_relation_size('indexed_passages')"


async def _until(served: Served, question: str, answer: int) -> float:
    async with asyncio.timeout(_PATIENCE):
        while await _asked_of(served, question) != answer:  # noqa: ASYNC110
            await asyncio.sleep(1)
    return time.perf_counter()


async def _asked_of(served: Served, question: str) -> int:
    database = await asyncpg.connect(served.database_url)
    try:
        return int(await database.fetchval(question))
    finally:
        await database.close()


async def _upload(connection: Connection, headers: Mapping[str, str], waiting: list[Path]) -> None:
    boundary = uuid4().hex
    sent = {**headers, "Content-Type": f"multipart/form-data; boundary={boundary}"}
    while waiting:
        path = waiting.pop()
        disposition = f'form-data; name="file"; filename="{path.name}"'
        head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
        body = head + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        answer = await connection.ask("POST", "/books", sent, body)
        assert answer.status == 202, answer


# What is measured


async def _compared(rivals: Sequence[Rival], case: Case) -> dict[str, Figures]:
    able = [rival for rival in rivals if case.kind in rival.kinds]
    figures = {rival.name: await _judged(rival, case) for rival in able}
    for at_once in CONCURRENCIES:
        for number in range(ROUNDS):
            for rival in (each for each in able if at_once in each.concurrencies):
                times = figures[rival.name].seconds.setdefault(at_once, [])
                # The same questions for all.
                times += await _timed(rival, case, at_once, random.Random(number))
    return figures


async def _judged(rival: Rival, case: Case) -> Figures:
    """Every question once, which warms the caches too."""
    figures, end = Figures(), time.perf_counter() + _ONCE
    async with connected(rival.port, 1) as (connection,):
        for asked in case.asked:
            if time.perf_counter() > end:
                break
            found = await rival.ask(connection, case.kind, asked.words)
            figures.asked += 1
            figures.sizes.append(found.size / 1e6)
            figures.found += not asked.titles.isdisjoint([*dict.fromkeys(found.titles)][:_BEST])
            figures.snippets += len(found.snippets)
            figures.shown += any(_shows(each, asked.shown) for each in found.snippets[:_BEST])
    return figures


async def _timed(rival: Rival, case: Case, at_once: int, say: random.Random) -> list[float]:
    waiting = say.sample(case.asked, min(_REQUESTS[at_once], len(case.asked)))
    times: list[float] = []
    end = time.perf_counter() + _TURN

    async def go_on(connection: Connection) -> None:
        while waiting and (began := time.perf_counter()) < end:
            asked = waiting.pop()
            try:
                await rival.ask(connection, case.kind, asked.words)
            except TimeoutError:
                waiting.clear()
            times.append(time.perf_counter() - began)

    async with connected(rival.port, at_once) as connections:
        await asyncio.gather(*map(go_on, connections))
    return times


def _memory(pid: int) -> float:
    """MB of a process and all it started, shared pages counted once; 0 where nobody says."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    family = [pid]
    for member in family:
        family += parents.get(member, [])
    return sum(map(_own_share, family)) / 1024


def _own_share(pid: int) -> int:
    try:
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    except OSError:
        return 0
    return int(found[1]) if found else 0


async def _measured(options: argparse.Namespace, home: Path) -> str:
    say = random.Random(options.seed)
    shelf = volumes(options.data, options.books, say)
    lines = await _built(home, shelf)
    async with AsyncExitStack() as stack:
        library, machine = await stack.enter_async_context(_library(home))
        rivals = [library, *[each async for each in _others(stack, home, options.calibre_web)]]
        await asyncio.sleep(5)
        servers = [rival for rival in rivals if rival.whole]
        idle = [_memory(rival.pid) for rival in servers]
        asked = _part(cases(shelf, say), options.part)
        results = [(case, await _compared(rivals, case)) for case in asked]
        after = [_memory(rival.pid) for rival in servers]
    versions = [await _version(rival, options) for rival in servers]
    memory = [
        f"| {rival.name} | {before:.0f} MB | {behind:.0f} MB |"
        for rival, before, behind in zip(servers, idle, after, strict=True)
    ]
    names = {rival.name for rival in servers}
    missing = [said for name, said in _MISSING.items() if name not in names]
    head = [f"{len(shelf)} books; {', '.join(versions)}; {machine}.", *missing, "", _SAID]
    return "\n".join([*head, *_report(rivals, results), "", *_IMPORTED, *lines, "", *_RAN, *memory])


async def _others(stack: AsyncExitStack, home: Path, python: Path | None) -> AsyncIterator[Rival]:
    """Those that are installed, running until the stack is closed."""
    if not shutil.which("calibre-server"):
        return
    calibre = await stack.enter_async_context(_calibre(home))
    yield calibre
    yield CalibreShowing(calibre.port, calibre.pid, {})
    if python:
        yield await stack.enter_async_context(_calibre_web(home, python))


_MISSING = {
    "Calibre": "Calibre: not run; install it with"
    " `apt-get install --no-install-recommends calibre`.",
    "calibre-web": "calibre-web: not run; `pip install calibreweb` into an environment of its own"
    " and name its Python with --calibre-web. It reads the books that Calibre has.",
}


def _part(every: Sequence[Case], part: str) -> list[Case]:
    if part == "all":
        return list(every)
    return [case for case in every if (case.kind in _NAMED) == (part == "names")]


_IMPORTED = (
    "| | stored | every book searchable by its text | all jobs done, summaries too"
    " | texts and their index |",
    "|---|---|---|---|---|",
)
_SAID = (
    "LuminaLib and calibre-web read a session with every request; Calibre, as it comes, asks for"
    " no sign-in and remembers what was searched for. A hit of LuminaLib has chapter, characters"
    f" and snippet, {LIMIT} at a time, but quotes mean nothing to it; one of Calibre names book"
    f" and format, and its page asks for {_SHOWN} snippets at a time. FTS5 refuses a question"
    " mark: Calibre gets words only, and a phrase in quotes. calibre-web searches no text.\n"
)
_RAN = ("| memory of all processes (PSS) | idle | after |", "|---|---|---|")


def _report(
    rivals: Sequence[Rival], results: Sequence[tuple[Case, Mapping[str, Figures]]]
) -> Iterator[str]:
    yield "p50 / p95 in milliseconds; kB is the median answer; right is a right book among the"
    yield f"first {_BEST} of the answer, shown one of its first {_BEST} snippets that shows it."
    yield ""
    yield "| request | server | 1 at once | 8 at once | kB | right | shown |"
    yield "|---|---|---|---|---|---|---|"
    for case, figures in results:
        for rival in rivals:
            if rival.whole or rival.name in figures:
                yield f"| {case.name} | {rival.name} | {_row(case, figures.get(rival.name))} |"


def _row(case: Case, figures: Figures | None) -> str:
    if figures is None:
        return "cannot | | | |"
    times = " | ".join(_spread(figures.seconds.get(n, ()), n) for n in CONCURRENCIES)
    listed = case.kind in ("first", "last")
    right = "" if listed else f"{figures.found} of {figures.asked}"
    shown = f"{figures.shown} of {figures.asked}" if figures.snippets else ""
    return f"{times} | {percentile(figures.sizes, 0.5):.1f} | {right} | {shown}"


def _spread(seconds: Sequence[float], at_once: int) -> str:
    if not seconds:
        return "not run"
    few = len(seconds) < _REQUESTS[at_once] * ROUNDS
    said = f"{percentile(seconds, 0.5):.0f} / {percentile(seconds, 0.95):.0f}"
    return f"{said} ({len(seconds)} answers)" if few else said


async def _version(rival: Rival, options: argparse.Namespace) -> str:
    if isinstance(rival, Calibre):
        said = await _run("calibre-server", "--version")
        return f"Calibre {re.findall(r'[0-9]+[.][0-9.]+', said)[0]}"
    if isinstance(rival, CalibreWeb):
        ask = "import importlib.metadata as m; print(m.version('calibreweb'))"
        return "calibre-web " + (await _run(str(options.calibre_web), "-c", ask)).strip()
    return rival.name


def main(argv: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="bench rivals", description=__doc__)
    parser.add_argument("--data", type=as_called, default=DATA, help="the folder of real texts")
    parser.add_argument("--books", type=int, default=300)
    parser.add_argument("--calibre-web", type=as_called, help="a Python that has calibre-web")
    parser.add_argument("--home", type=as_called, help="keep what is built, or use what was kept")
    parser.add_argument("--part", choices=["all", "names", "texts"], default="all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        home = options.home or stack.enter_context(temporary_home())
        report = asyncio.run(_measured(options, home))
    print(report)
    if options.record:
        record("rivals", [word for word in arguments if word != "--record"], report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
