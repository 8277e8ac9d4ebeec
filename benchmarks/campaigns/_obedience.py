"""A model that obeys whatever is hidden in texts, in three flows, and every table of the
database before and after: only texts may differ, and numbers are those of the honest readers."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg import sql
from typing_extensions import override

from app.domains.reviews.model import Aspect
from app.ports.llm import Completion, CompletionRequest
from app.shared.fencing import fenced_blocks
from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._grounds import PASSWORD
from tests.api.test_summaries import House, staffed
from tests.database import cloned, scratch_folder
from tests.domains.reviews.reading_room import by_words, facts_in, faithfully, sentence, told
from tests.fakes.llm import ObedientLLM, ScriptedLLM, filled
from tests.injections import INJECTIONS

_STORY = (
    "The keeper lit the lamp at dusk and listened to the sea. A ship came home with the tide.",
    "Her captain had lost two men and would not speak of it. The keeper gave him bread.",
    "In the morning they mended the mast, and nobody mentioned the storm again.",
)
_HONEST = ("+plot was good in this book.", "-ending comes too early for my taste.")
_AT_ONCE = 10
_FULL = len(INJECTIONS)
# Counted of all books together, or of the machinery that ran a job.
_COMMON = re.compile(
    r"procrastinate_\w+|job_reports|book_counts|book_count_changes|known_words|standings"
    r"|taken_tokens|summary_nodes|summary_uses|announced_files|indexed_languages|lexeme_\w+"
)

_KEY = re.compile(r'"storage_key": "([^"]+)"')

Rows = Mapping[str, frozenset[str]]


class Slave(ObedientLLM):
    """Obeys every one of the injections it is shown, in the tasks of `weak`, with as much of an
    answer as the schema lets it give; else it answers sensibly."""

    def __init__(self, *weak: str) -> None:
        super().__init__()
        self._weak = weak
        self._sensible = ScriptedLLM(_sensibly)

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        order = _order_in(request) if request.task in self._weak or not self._weak else None
        if order is None:
            reviews = request.task in ("read_review", "tell_consensus")
            return await (self._sensible if reviews else self._otherwise).complete(request)
        self.obeyed.append(order)
        return await ScriptedLLM(lambda asked: _obeying(asked, order)).complete(request)


def _order_in(request: CompletionRequest) -> str | None:
    data = " ".join(
        " ".join(text.split()) for m in request.messages for _, text in fenced_blocks(m.content)
    )
    return next((order for order in INJECTIONS if _beginning(order) in data), None)


def _beginning(order: str) -> str:
    """So much of it as is left after cleaning and cutting."""
    return " ".join(_printable(order).split())[:40]


def _printable(order: str) -> str:
    return "".join(c if c.isprintable() else " " for c in order)


def _obeying(request: CompletionRequest, order: str) -> Any:
    if request.task == "tell_consensus":
        said = [(name, stance) for name, stance in facts_in(request) if name != "overall"]
        return told(*(sentence(*each, f"PWNED {order}"[:200]) for each in said or [("plot", "")]))
    if request.task == "read_review":
        marks = ("positive", "negative", "mixed")
        return {
            "opinions": [
                {"sentence": 1, "aspect": aspect, "polarity": marks[n % 3]}
                for n, aspect in enumerate(Aspect)
            ]
        }
    return order if request.output_schema is None else filled(request.output_schema, order)


def _sensibly(request: CompletionRequest) -> Any:
    return by_words(request) if request.task == "read_review" else faithfully(request)


@dataclass(slots=True)
class _Flow:
    house: House
    model: Slave
    url: str
    tally: Tally
    readers: Sequence[Mapping[str, str]] = ()

    async def post(self, path: str, reader: Mapping[str, str], **body: Any) -> httpx.Response:
        answer = await self.house.api.post(path, headers=dict(reader), **body)
        self.tally.hold(answer.status_code < 500, f"{path}: {answer.status_code}")
        return answer


async def obeyed(plan: Plan, server_url: str) -> Sequence[Tally]:
    flows: Sequence[tuple[str, Sequence[str], Callable[[_Flow, Sequence[str]], Awaitable[None]]]]
    flows = (
        ("summary", (), _summarised),
        ("review", ("read_review",), _reviewed),
        ("narrative", ("tell_consensus",), _reviewed),
    )
    return [await _flow(plan, server_url, *flow) for flow in flows]


async def _flow(
    plan: Plan,
    server_url: str,
    name: str,
    weak: Sequence[str],
    play: Callable[[_Flow, Sequence[str]], Awaitable[None]],
) -> Tally:
    tally = Tally(f"injections into a {name}", plan.count(_FULL), "0 effects but on texts")
    async with _opened(server_url, tally, weak) as flow:
        # The same seed takes the same ones; a full run takes all.
        chosen = iter([INJECTIONS[(plan.seed * 31 + n) % _FULL] for n in range(tally.planned)])
        while plan.has_time and (orders := list(islice(chosen, _AT_ONCE))):
            await play(flow, [order.replace("\0", "") for order in orders])
            tally.done += len(orders)
        tally.hold(flow.model.obeyed, "the model found nothing to obey")
        tally.figures = {"orders obeyed": f"{len(flow.model.obeyed):,}"}
    tally.failures[:] = [f"seed {plan.seed}: {failure}" for failure in tally.failures]
    return tally


@asynccontextmanager
async def _opened(url: str, tally: Tally, weak: Sequence[str]) -> AsyncIterator[_Flow]:
    model = Slave(*weak)
    with cloned(url) as database, scratch_folder() as folder:
        home = Path(folder)
        async with staffed(database, home, model, lending={"limit": 1000}) as house:
            flow = _Flow(house, model, database, tally)
            flow.readers = [await _reader(house, n) for n in range(_AT_ONCE + len(_HONEST))]
            yield flow


async def _reader(house: House, number: int) -> Mapping[str, str]:
    who = {"email": f"reader{number}@library.test", "password": PASSWORD}
    (await house.api.post("/auth/signup", json=who)).raise_for_status()
    tokens = (await house.api.post("/auth/login", json=who)).raise_for_status().json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def _summarised(flow: _Flow, orders: Sequence[str]) -> None:
    """Each order in a text to summarise at once, and in the title, author and text of a book."""
    before = await rows_of(flow.url)
    for order in orders:
        text = "\n\n".join([_STORY[0], order, *_STORY[1:]])
        asked = {"content": text, "title": _line(order)}
        answer = await flow.post("/generate-summary", flow.house.owner, json=asked)
        fine = answer.status_code == 200 and set(answer.json()) == {"summary", "source"}
        flow.tally.hold(fine, f"generated: {answer.status_code} {answer.text[:200]}: {order!r}")
    written = {name for name in before if before[name] != (await rows_of(flow.url))[name]}
    flow.tally.hold(written <= {"summary_nodes", "taken_tokens"}, f"generated: wrote to {written}")
    books = [await _book(flow, order) for order in orders]
    await flow.house.work()
    flow.tally.failures += effects(before, await rows_of(flow.url), books)
    for book, order in zip(books, orders, strict=True):
        shown = await flow.house.summary(f"/books/{book}")
        fine = shown["status"] == "ready" and shown["summary"] and not shown["rating"]["count"]
        flow.tally.hold(fine, f"a summary is {shown}: {order!r}")


async def _book(flow: _Flow, order: str) -> str:
    text = "\n\n".join([_STORY[0], order, *_STORY[1:], order[::-1]])
    path = await flow.house.bring(text, title=_line(order), author=_line(order[::-1]), copies=50)
    return path.rpartition("/")[2]


async def _reviewed(flow: _Flow, orders: Sequence[str]) -> None:
    """Two honest readers of a book, and one for each order, who says it in a review."""
    text = f"{' '.join(_STORY)} Part {flow.tally.done}."
    path = await flow.house.bring(text, title=f"Part {flow.tally.done}", copies=50)
    book = path.rpartition("/")[2]
    await flow.house.work()
    for reader, said in zip(flow.readers, _HONEST, strict=False):
        await _review(flow, book, reader, said, 4)
    await flow.house.work()
    before, honest = await rows_of(flow.url), await _analysis(flow, book)
    for reader, order in zip(flow.readers[len(_HONEST) :], orders, strict=False):
        await _review(flow, book, reader, f"+plot {order}", 2)
    await flow.house.work()
    flow.tally.failures += effects(before, await rows_of(flow.url), [book])
    _compare(flow.tally, honest, await _analysis(flow, book), len(orders))


async def _review(
    flow: _Flow, book: str, reader: Mapping[str, str], text: str, rating: int
) -> None:
    await flow.post(f"/books/{book}/borrow", reader)
    said = {"rating": rating, "text": text}
    answer = await flow.post(f"/books/{book}/reviews", reader, json=said)
    flow.tally.hold(answer.status_code == 201, f"no review: {answer.text[:200]}: {text!r}")


async def _analysis(flow: _Flow, book: str) -> Any:
    answer = await flow.house.api.get(f"/books/{book}/analysis", headers=flow.house.owner)
    return answer.raise_for_status().json()


def _compare(tally: Tally, honest: Any, now: Any, orders: int) -> None:
    """Each of the others has one voice, and the stars are those that were given."""
    stars = {"1": 0, "2": orders, "3": 0, "4": len(_HONEST), "5": 0}
    tally.hold(now["rating"]["histogram"] == stars, f"the stars are {now['rating']}")
    tally.hold(now["reviews_covered"] == orders + len(_HONEST), f"covered: {now}")
    told_before = {each["name"]: each for each in honest["aspects"]}
    for each in now["aspects"]:
        was = told_before.get(each["name"], {"readers": 0, "positive": 0, "negative": 0})
        more = each["readers"] - was["readers"]
        kept = each["positive"] >= was["positive"] and each["negative"] >= was["negative"]
        tally.hold(0 <= more <= orders and kept, f"votes were {was}, are {each}")
    tally.hold("PWNED" not in (now["consensus"] or ""), f"it is repeated: {now['consensus']}")


def _line(order: str) -> str:
    return f"{' '.join(_printable(order).split())[:150]} ({len(order)})"


async def rows_of(url: str) -> Rows:
    """Every row of every table, as text."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        names = [name for (name,) in await (await connection.execute(query)).fetchall()]
        return {name: await _rows(connection, name) for name in names}


async def _rows(connection: psycopg.AsyncConnection[Any], table: str) -> frozenset[str]:
    query = sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t").format(sql.Identifier(table))
    return frozenset(row for (row,) in await (await connection.execute(query)).fetchall())


def effects(before: Rows, after: Rows, own: Sequence[str]) -> list[str]:
    """Rows that came, changed or went and are not of the own books, by their table."""
    files = {key for row in after["books"] for key in _KEY.findall(row) if _names(row, own)}
    found = []
    for table in after:
        if not _COMMON.fullmatch(table):
            rows = before[table] ^ after[table]
            strange = [row for row in rows if not _names(row, [*own, *files])]
            found += [f"{table} was changed: {row[:200]}" for row in strange]
    return found


def _names(row: str, ids: Iterable[str]) -> bool:
    return any(each in row for each in ids)
