"""kill -9 in the middle of everything: what was acknowledged stays, and no stored answer of
the model is ever asked for again."""

import asyncio
import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from app.shared.fencing import fenced_blocks, unmarked
from tests.fakes.ollama_server import OllamaServer
from tests.integration.server import LibraryServer, home_of_a_library, postgres_of, wait_until
from tests.library import api_of, opened_library, settings_for_tests
from tests.library import client_of as client_for

SEED = 20
KILLS = 20
CHAPTERS = 120
CONCURRENCY = 2
DELAY = 0.2
READERS = 2
SETTINGS = {
    "LLM_CONTEXT": "4096",
    "LLM_CONCURRENCY": str(CONCURRENCY),
    "LENDING_LIMIT": "1000",
    "JOBS_HEARTBEAT": "0.4",
    "JOBS_STALLED_AFTER": "2",
}
PASSWORD = "a quiet place to read"
SYLLABLES = "ka lo mi ren sta vor bel tu and eri osk pra".split()


def a_book(rng: random.Random, chapters: int) -> str:
    """Markdown with as many chapters, each one question to the model, no two alike."""
    return "\n\n".join(f"# Chapter {n}\n\n{_chapter(rng, n)}" for n in range(1, chapters + 1))


def _chapter(rng: random.Random, number: int) -> str:
    return " ".join(
        f"In {_name(rng)} the {_word(rng)} of {_name(rng)} {_word(rng)}s a {_word(rng)}, "
        f"and in year {number} the {_word(rng)} of {_name(rng)} {_word(rng)}s a {_word(rng)}."
        for _ in range(16)
    )


def _name(rng: random.Random) -> str:
    return _word(rng).title()


def _word(rng: random.Random) -> str:
    return "".join(rng.choices(SYLLABLES, k=3))


@dataclass
class Acknowledged:
    """What readers were told is done: the hash by book; reviews and loans by id."""

    uploads: dict[str, str] = field(default_factory=dict)
    loans: dict[str, dict[str, Any]] = field(default_factory=dict)
    reviews: dict[str, dict[str, Any]] = field(default_factory=dict)


class Reader:
    """Uploads, borrows, reviews and gives back, one after the other, until nobody answers."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self._email = f"{name}@library.test"
        self._rng = rng
        self.headers: dict[str, str] = {}
        self.told = Acknowledged()
        # Loans whose return was asked for and never answered: done or not, both are right.
        self._in_doubt: set[str] = set()

    async def sign_in(self, client: httpx.AsyncClient) -> None:
        who = {"email": self._email, "password": PASSWORD}
        (await client.post("/auth/signup", json=who)).raise_for_status()
        tokens = (await client.post("/auth/login", json=who)).raise_for_status().json()
        self.headers = {"Authorization": f"Bearer {tokens['access_token']}"}

    async def keep_busy(self, client: httpx.AsyncClient) -> None:
        try:
            while True:
                await self._one_book(client)
        except httpx.TransportError:
            return

    async def upload(self, client: httpx.AsyncClient, text: str) -> str:
        added = await self._post(client, "/books", files={"file": ("book.md", text.encode())})
        self.told.uploads[added["id"]] = hashlib.sha256(text.encode()).hexdigest()
        return str(added["id"])

    async def _one_book(self, client: httpx.AsyncClient) -> None:
        book_id = await self.upload(client, f"# {uuid4()}\n\n{_chapter(self._rng, 0)}")
        await self._breathe()
        loan = await self._post(client, f"/books/{book_id}/borrow")
        self.told.loans[loan["id"]] = loan
        await self._breathe()
        said = {"rating": self._rng.randint(1, 5), "text": "The plot is clever. I liked it."}
        review = await self._post(client, f"/books/{book_id}/reviews", json=said)
        self.told.reviews[review["id"]] = review
        await self._breathe()
        self._in_doubt.add(loan["id"])
        back = await self._post(client, f"/books/{book_id}/return")
        self.told.loans[back["id"]] = back
        self._in_doubt.remove(loan["id"])

    async def _post(self, client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
        answer = await client.post(path, headers=self.headers, **body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def _breathe(self) -> None:
        await asyncio.sleep(self._rng.uniform(0.1, 0.6))

    async def find_all(self, client: httpx.AsyncClient) -> None:
        """Everything they were told of is there, as it was told."""
        for book_id, sha256 in self.told.uploads.items():
            file = await client.get(f"/books/{book_id}/content", headers=self.headers)
            assert hashlib.sha256(file.content).hexdigest() == sha256
        loans = await self._pages(client, "/users/me/loans")
        for loan_id, loan in self.told.loans.items():
            returned = {"returned_at": loans[loan_id]["returned_at"]}
            assert loans[loan_id] == loan | (returned if loan_id in self._in_doubt else {})
        for review in self.told.reviews.values():
            found = await self._pages(client, f"/books/{review['book_id']}/reviews")
            assert found[review["id"]] == review

    async def _pages(self, client: httpx.AsyncClient, path: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        cursor: dict[str, str] = {}
        while True:
            answer = await client.get(path, params={"limit": "100", **cursor}, headers=self.headers)
            page = answer.raise_for_status().json()
            found |= {item["id"]: item for item in page["items"]}
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}


@dataclass
class Answers:
    """What the model answered, by the log of its server: `lives` are the answers to
    questions for summaries, one list for each life of the library."""

    log: Path
    lives: list[list[str]] = field(default_factory=list)
    ends: list[datetime] = field(default_factory=list)

    def note(self) -> None:
        # The marks round the data are another in each life, the questions are the same.
        lines = [unmarked(json.loads(line)["prompt"]) for line in self.log.read_text().splitlines()]
        prompts = [prompt for prompt in lines if _is_for_a_summary(prompt)]
        self.lives.append(prompts[sum(map(len, self.lives)) :])
        self.ends.append(datetime.now(UTC))

    def asked_again(self) -> list[int]:
        """How many answers of each life were asked for again in a later one."""
        seen: dict[str, int] = {}
        lost: dict[int, int] = defaultdict(int)
        for life, prompts in enumerate(self.lives):
            for prompt in prompts:
                if prompt in seen:
                    lost[seen[prompt]] += 1
                seen[prompt] = life
        return [lost[life] for life in range(len(self.lives))]

    def unstored(self, stored_at: list[datetime]) -> list[int]:
        """How many answers of each ended life had not reached the database."""
        begins = [datetime.min.replace(tzinfo=UTC), *self.ends]
        return [
            len(prompts) - sum(begin < moment <= end for moment in stored_at)
            for prompts, begin, end in zip(self.lives, begins, self.ends, strict=False)
        ]


def stored_answers(home: Path) -> list[datetime]:
    """When each answer the database holds was stored."""
    url = json.loads((home / "var/postgres/postgres.json").read_text())["url"]
    with psycopg.connect(url) as connection:
        return [at for (at,) in connection.execute("SELECT created_at FROM summary_nodes")]


def _is_for_a_summary(prompt: str) -> bool:
    return any(label in ("passage", "parts") for label, _ in fenced_blocks(prompt))


@pytest.fixture
def home() -> Iterator[Path]:
    with home_of_a_library() as home:
        yield home


def client_of(server: LibraryServer) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30)


async def a_life(server: LibraryServer, readers: list[Reader], seconds: float) -> None:
    async with client_of(server) as client:
        busy = [asyncio.create_task(reader.keep_busy(client)) for reader in readers]
        await asyncio.sleep(seconds)
        server.kill()
        await asyncio.gather(*busy)


async def test_twenty_kills_lose_nothing_and_ask_nothing_twice(home: Path) -> None:
    began, rng = monotonic(), random.Random(SEED)
    readers = [Reader(f"reader{n}", random.Random(rng.random())) for n in range(READERS)]
    answers = Answers(home / "answers.jsonl")
    answers.log.touch()
    with OllamaServer(log=answers.log, delay=DELAY) as model:
        settings = {**SETTINGS, "LLM_PROVIDER": "ollama", "LLM_BASE_URL": model.url}
        server = LibraryServer(home, settings=settings)
        try:
            book_id = await _begun(server, readers, a_book(rng, CHAPTERS))
            for _ in range(KILLS):
                await a_life(server, readers, rng.uniform(0.1, 2.2))
                wait_until(lambda: not postgres_of(home))
                answers.note()
                server = LibraryServer(home, settings=settings)
            summary = await _ended(server, readers, book_id)
            unstored = answers.unstored(stored_answers(home))
        finally:
            server.kill()
    answers.note()
    again = answers.asked_again()
    asked = Counter(prompt for life in answers.lives for prompt in life)
    print(
        f"\nseed {SEED}: {KILLS} kills, {asked.total()} answers to {len(asked)} questions, "
        f"{sum(again)} answered twice, by kill {again[:KILLS]}; "
        f"lost before they were stored {unstored}; "
        f"kept {_told(readers)}; {monotonic() - began:.0f} s"
    )
    assert (summary["status"], summary["coverage"]) == ("ready", 1.0)
    assert (summary["source"]["provider"], summary["source"]["degraded"]) == ("ollama", False)
    assert len(summary["chapters"]) == CHAPTERS
    # The last life had work left, so every kill fell into the middle of the summary.
    assert answers.lives[-1]
    assert all(len(set(life)) == len(life) for life in answers.lives)
    # Asked again is what had not been stored, and nothing else; no more than was in flight.
    assert again[:KILLS] == unstored
    assert max(again[:KILLS]) <= CONCURRENCY


async def _begun(server: LibraryServer, readers: list[Reader], text: str) -> str:
    """The id of the book once its summary is being made."""
    async with client_of(server) as client:
        for reader in readers:
            await reader.sign_in(client)
        book_id = await readers[0].upload(client, text)
        await _until_summary(client, readers[0], book_id, "running")
    return book_id


async def _ended(server: LibraryServer, readers: list[Reader], book_id: str) -> dict[str, Any]:
    """The summary of the book at last; and everything else is found again."""
    async with client_of(server) as client:
        for reader in readers:
            await reader.find_all(client)
        return await _until_summary(client, readers[0], book_id, "ready")


async def _until_summary(
    client: httpx.AsyncClient, reader: Reader, book_id: str, status: str
) -> dict[str, Any]:
    while True:
        answer = await client.get(f"/books/{book_id}/summary", headers=reader.headers)
        summary = dict(answer.raise_for_status().json())
        assert summary["status"] not in ("failed", "cancelled"), summary["error"]
        if summary["status"] == status:
            return summary
        await asyncio.sleep(0.1)


def _told(readers: list[Reader]) -> str:
    told = [reader.told for reader in readers]
    return (
        f"{sum(len(one.uploads) for one in told)} uploads, "
        f"{sum(len(one.loans) for one in told)} loans, "
        f"{sum(len(one.reviews) for one in told)} reviews"
    )


async def test_a_book_whose_reading_is_given_up_says_so(database_url: str, tmp_path: Path) -> None:
    """Five kills in a row during one reading, as the report of the job counts them."""
    settings = settings_for_tests(database_url, tmp_path)
    async with opened_library(settings) as library, client_for(api_of(library)) as client:
        reader = Reader("ann", random.Random(SEED))
        await reader.sign_in(client)
        book_id = await reader.upload(client, "A short tale.")
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE job_reports SET strikes = 5")
        await library.runner.kick()
        book = (await client.get(f"/books/{book_id}", headers=reader.headers)).json()
    assert book["ingestion"]["status"] == "failed"
