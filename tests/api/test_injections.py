"""Orders hidden in books: a model that obeys every one of them changes nothing but what is told
of that very book."""

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from app.ports.llm import CompletionRequest
from tests.api.test_summaries import House, staffed
from tests.fakes.llm import ObedientLLM
from tests.injections import INJECTIONS

STORY = (
    "The keeper lit the lamp at dusk and listened to the sea. A ship came home with the tide.",
    "Her captain had lost two men and would not speak of it. The keeper gave him bread.",
    "In the morning they mended the mast, and nobody mentioned the storm again.",
)
_A_BOOK = 5
_MARK = re.compile(r"</?data:[a-z_]+ ([0-9a-f]{12})>")
# What a job on one book may write: its own rows, and what is counted of all books.
_OF_THE_BOOK = {
    "announced_files", "book_count_changes", "book_counts", "books", "chapters", "copies",
    "indexed_passages", "job_reports", "known_words", "passages", "standings", "stored_files",
    "summaries", "summary_evidence", "summary_nodes", "summary_uses", "taken_tokens",
}  # fmt: skip
_QUEUE = re.compile(r"procrastinate_\w+")

Rows = Mapping[str, frozenset[str]]


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with staffed(database_url, tmp_path, ObedientLLM()) as house:
        yield house


async def rows_of(url: str) -> Rows:
    """Every row of every table, as text."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        names = [name for (name,) in await found.fetchall()]
        return {name: await _rows(connection, name) for name in names}


async def _rows(connection: psycopg.AsyncConnection[Any], table: str) -> frozenset[str]:
    query = sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t").format(sql.Identifier(table))
    return frozenset(row for (row,) in await (await connection.execute(query)).fetchall())


def changed(before: Rows, after: Rows) -> set[str]:
    return {name for name in after if before[name] != after[name]}


async def job_kinds(url: str) -> set[str]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute("SELECT DISTINCT task_name FROM procrastinate_jobs")
        return {name for (name,) in await found.fetchall()}


def marks_of(requests: list[CompletionRequest]) -> set[str]:
    prompts = "".join(message.content for r in requests for message in r.messages)
    planted = {mark for order in INJECTIONS for mark in _MARK.findall(order)}
    return set(_MARK.findall(prompts)) - planted


def obedient(house: House) -> ObedientLLM:
    assert isinstance(house.llm, ObedientLLM)
    return house.llm


async def test_a_text_full_of_orders_changes_nothing_at_all(
    house: House, database_url: str
) -> None:
    assert len(set(INJECTIONS)) == 150
    before = await rows_of(database_url)
    for number, order in enumerate(INJECTIONS):
        parts = list(STORY)
        parts.insert(number % 4, order)
        asked = {"content": "\n\n".join(parts).replace("\0", ""), "title": _line(order)}
        made = await house.api.post("/generate-summary", json=asked, headers=house.owner)
        assert made.status_code == 200, order
        assert_says_only_a_summary(made.json(), order)
        assert not any(mark in made.text for mark in marks_of(obedient(house).requests))
    assert len(obedient(house).obeyed) > 15
    assert changed(before, await rows_of(database_url)) <= {"summary_nodes", "taken_tokens"}


async def test_books_full_of_orders_change_nothing_but_their_own_text(
    house: House, database_url: str
) -> None:
    witness = await house.bring("\n\n".join(STORY), title="A quiet book")
    await house.work()
    kinds, shown = await job_kinds(database_url), await house.summary(witness)
    before = await rows_of(database_url)
    books = [await bring(house, start) for start in range(0, len(INJECTIONS), _A_BOOK)]
    await house.work()
    after = await rows_of(database_url)
    written = {name for name in changed(before, after) if not _QUEUE.fullmatch(name)}
    assert written <= _OF_THE_BOOK
    assert await job_kinds(database_url) == kinds
    of_the_witness = witness.rpartition("/")[2]
    for name in ("books", "chapters", "passages", "summaries", "summary_evidence"):
        assert {row for row in before[name] if of_the_witness in row} <= after[name]
        assert not {row for row in after[name] - before[name] if of_the_witness in row}
    assert await house.summary(witness) == shown
    for path in books:
        await assert_told_of_itself(house, path)


async def bring(house: House, start: int) -> str:
    """A book with orders in its title, its author, its beginning, its middle and its end."""
    orders = [order.replace("\0", "") for order in INJECTIONS[start : start + _A_BOOK]]
    orders = orders[start // _A_BOOK % _A_BOOK :] + orders[: start // _A_BOOK % _A_BOOK]
    title, author, first, middle, last = orders
    text = "\n\n".join([first, STORY[0], middle, *STORY[1:], last])
    return await house.bring(text, title=_line(title), author=_line(author))


def _line(order: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in order)
    return f"{' '.join(printable.split())[:150]} ({len(order)})"


async def assert_told_of_itself(house: House, path: str) -> None:
    answer = await house.api.get(f"{path}/summary?evidence=true", headers=house.owner)
    told = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (told["status"], told["book_id"]) == ("ready", path.rpartition("/")[2])
    assert told["summary"].strip()
    assert not any(mark in answer.text for mark in marks_of(obedient(house).requests))
    assert told["rating"]["count"] == 0


def assert_says_only_a_summary(generated: dict[str, Any], order: str) -> None:
    assert set(generated) == {"summary", "source"}, order
    assert generated["source"]["provider"] in ("obedient", "extractive")
    words = generated["summary"].strip(" .\"'")
    # Of a text with more to say one word is no summary, whoever wants it to be.
    assert words not in ("PWNED", "null", ""), order
    assert len(generated["summary"].split()) >= 4, order
