"""Summaries over HTTP and a real database, by a model that says what a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from typing_extensions import override

from app.api.application import create_api
from app.api.gate import Limits
from app.bootstrap.container import build_runner, build_services, choose_adapters
from app.ports.jobs import JobRunner
from app.ports.llm import Completion, CompletionRequest, LLMProvider
from tests.api.conftest import PASSWORD, Drain, Headers, Shelve, SignIn
from tests.domains.catalog.reading_house import Say, a_novel, block, sensible
from tests.fakes.llm import AbsentLLM, ScriptedLLM
from tests.library import client_of, settings_for_tests

NOVEL = a_novel()


class InterruptedLLM(ScriptedLLM):
    """Something happens once, when the n-th question comes."""

    def __init__(self, at: int, say: Say = sensible) -> None:
        super().__init__(say)
        self._at = at
        self.meanwhile: Callable[[], Awaitable[object]]

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        if len(self.requests) + 1 == self._at:
            self._at = 0
            await self.meanwhile()
        return await super().complete(request)


@dataclass
class House:
    """A library with a model of its own and two workers."""

    api: httpx.AsyncClient
    workers: tuple[JobRunner, JobRunner]
    llm: LLMProvider
    owner: Headers

    async def bring(self, content: str = NOVEL, **fields: Any) -> str:
        files = {"file": ("novel.txt", content.encode())}
        added = await self.api.post("/books", files=files, data=fields, headers=self.owner)
        added.raise_for_status()
        return f"/books/{added.json()['id']}"

    async def work(self) -> None:
        await asyncio.gather(*[worker.kick() for worker in self.workers])

    async def summary(self, book: str) -> dict[str, Any]:
        answer = await self.api.get(f"{book}/summary", headers=self.owner)
        answer.raise_for_status()
        return dict(answer.json())

    @property
    def requests(self) -> list[CompletionRequest]:
        assert isinstance(self.llm, ScriptedLLM)
        return self.llm.requests


@asynccontextmanager
async def staffed(
    database_url: str, home: Path, llm: LLMProvider, **given: Any
) -> AsyncIterator[House]:
    settings = settings_for_tests(database_url, home, **given)
    async with AsyncExitStack() as stack:
        adapters = await choose_adapters(settings, database_url, stack)
        services = build_services(replace(adapters, llm=llm), settings)
        runners = [build_runner(settings, database_url, services, stack) for _ in range(2)]
        app = create_api(services, limits=Limits(upload=8 << 20), kick=runners[0].kick)
        api = await stack.enter_async_context(client_of(app))
        yield House(api, (runners[0], runners[1]), llm, await _signed_in(api))


async def _signed_in(api: httpx.AsyncClient) -> Headers:
    body = {"email": "owner@library.test", "password": PASSWORD}
    await api.post("/auth/signup", json=body)
    token = (await api.post("/auth/login", json=body)).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


async def test_a_summary_makes_itself_and_tells_of_the_whole_book(
    api: httpx.AsyncClient, sign_in: SignIn, drain: Drain
) -> None:
    owner = await sign_in("ada")
    added = await api.post("/books", files={"file": ("a.txt", NOVEL.encode())}, headers=owner)
    path = f"{added.headers['Location']}/summary"
    waiting = (await api.get(path, headers=owner)).json()
    assert (waiting["status"], waiting["summary"], waiting["source"]) == ("pending", None, None)
    await drain()
    told = (await api.get(path, headers=owner)).json()
    assert told["book_id"] == added.json()["id"]
    assert (told["status"], told["coverage"], len(told["chapters"])) == ("ready", 1.0, 4)
    assert told["progress"]["done"] == told["progress"]["planned"] > 8
    assert (told["source"]["provider"], told["source"]["degraded"]) == ("extractive", False)
    assert told["source"]["prompt"].startswith("present_book@")
    assert told["summary"]
    assert told["hook"]
    histogram = {"1": 0, "2": 0, "3": 0, "4": 0, "5": 0}
    assert told["rating"] == {"average": None, "count": 0, "histogram": histogram}


async def test_two_workers_ask_each_question_once_and_never_again(
    database_url: str, tmp_path: Path
) -> None:
    llm = ScriptedLLM(sensible)
    async with staffed(database_url, tmp_path, llm) as house:
        book = await house.bring(f"{NOVEL} The zanzibar secret was a lie.")
        await house.work()
        told = await house.summary(book)
        assert (told["status"], told["source"]["degraded"]) == ("ready", False)
        assert len(llm.requests) == told["progress"]["planned"] == told["progress"]["done"]
        leaves = [block(r, "passage") for r in llm.requests if r.task == "summarise_passage"]
        assert sum("zanzibar secret" in leaf for leaf in leaves) == 1
        await house.api.put(book, json={"title": "Another"}, headers=house.owner)
        again = await house.api.post(f"{book}/summary", headers=house.owner)
        assert again.status_code == 202
        await house.work()
        job = (await house.api.get(again.headers["Location"], headers=house.owner)).json()
        assert (job["status"], job["result"]["asked"]) == ("ready", 0)
        assert (await house.summary(book))["summary"] == told["summary"]


async def test_a_cancelled_summary_stops_and_goes_on_when_asked(
    database_url: str, tmp_path: Path
) -> None:
    llm = InterruptedLLM(at=4)
    async with staffed(database_url, tmp_path, llm) as house:
        book = ""

        async def cancel() -> None:
            answer = await house.api.delete(f"{book}/summary", headers=house.owner)
            assert answer.status_code == 204

        llm.meanwhile = cancel
        files = {"file": ("novel.txt", NOVEL.encode())}
        added = asyncio.create_task(house.api.post("/books", files=files, headers=house.owner))
        while not book:
            await asyncio.sleep(0.01)
            listed = (await house.api.get("/books", headers=house.owner)).json()["items"]
            book = f"/books/{listed[0]['id']}" if listed else ""
        await added
        stopped = await house.summary(book)
        assert stopped["status"] == "cancelled"
        assert stopped["source"]["degraded"] is True
        assert stopped["progress"]["done"] < stopped["progress"]["planned"]
        await house.api.post(f"{book}/summary", headers=house.owner)
        await house.work()
        assert (await house.summary(book))["status"] == "ready"


async def test_a_book_withdrawn_in_the_middle_ends_its_summary_quietly(
    database_url: str, tmp_path: Path
) -> None:
    llm = InterruptedLLM(at=3)
    async with staffed(database_url, tmp_path, llm) as house:

        async def withdraw() -> None:
            listed = (await house.api.get("/books", headers=house.owner)).json()["items"]
            gone = await house.api.delete(f"/books/{listed[0]['id']}", headers=house.owner)
            assert gone.status_code == 204

        llm.meanwhile = withdraw
        book = await house.bring()
        await house.work()
        assert (await house.api.get(book, headers=house.owner)).status_code == 404
        assert [p for p in (tmp_path / "files").rglob("*") if p.is_file()] == []


async def test_while_the_model_is_away_an_extract_is_shown(
    database_url: str, tmp_path: Path
) -> None:
    async with staffed(database_url, tmp_path, AbsentLLM()) as house:
        book = await house.bring()
        told = await house.summary(book)
        assert (told["status"], told["source"]["degraded"]) == ("pending", True)
        assert told["error"]["code"] == "model_unavailable"
        assert told["summary"]
        short = {"content": "The keeper lit the lamp."}
        made = await house.api.post("/generate-summary", json=short, headers=house.owner)
        assert (made.status_code, made.json()["source"]["degraded"]) == (200, True)
    async with staffed(database_url, tmp_path, ScriptedLLM(sensible)) as house:
        again = await house.api.post(f"{book}/summary", headers=house.owner)
        assert again.status_code == 202
        await house.work()
        told = await house.summary(book)
        assert (told["status"], told["source"]["degraded"]) == ("ready", False)


async def test_a_long_book_in_a_tiny_window_leaves_connections_to_others(
    database_url: str, tmp_path: Path
) -> None:
    llm = ScriptedLLM(sensible, context=512)
    pool = {"url": database_url, "pool": 3}
    async with staffed(database_url, tmp_path, llm, database=pool) as house:
        adding = asyncio.create_task(house.bring(a_novel(chapters=12, sentences=200)))
        seen = 0
        while not adding.done():
            listed = await house.api.get("/books", headers=house.owner)
            assert listed.status_code == 200
            seen += 1
            await asyncio.sleep(0.05)
        await house.work()
        told = await house.summary(await adding)
        assert (told["status"], len(llm.requests)) == ("ready", told["progress"]["planned"])
        assert min(seen, len(llm.requests) // 100) > 3


async def test_without_a_model_nothing_generated_is_shown(
    database_url: str, tmp_path: Path
) -> None:
    llm = ScriptedLLM(sensible)
    async with staffed(database_url, tmp_path, llm, ai={"enabled": False}) as house:
        book = await house.bring()
        await house.work()
        told = await house.summary(book)
        assert (told["status"], told["summary"], llm.requests) == ("cancelled", None, [])
        for path, body in (
            (f"{book}/summary", None),
            ("/generate-summary", {"content": "Text."}),
            ("/generate-summary", {"book_id": book.split("/")[-1]}),
        ):
            refused = await house.api.post(path, json=body, headers=house.owner)
            assert (refused.status_code, refused.json()["code"]) == (409, "ai_disabled")


async def test_a_text_is_summarised_at_once_or_by_a_job(database_url: str, tmp_path: Path) -> None:
    async with staffed(database_url, tmp_path, ScriptedLLM(sensible)) as house:
        short = {"content": "Of the zanzibar secret.", "title": "Tale"}
        made = await house.api.post("/generate-summary", json=short, headers=house.owner)
        assert made.status_code == 200
        assert "zanzibar" in made.json()["summary"]
        assert made.json()["source"]["model"] == "scripted-1"
        started = await house.api.post(
            "/generate-summary", json={"content": NOVEL}, headers=house.owner
        )
        assert started.status_code == 202
        await house.work()
        job = (await house.api.get(started.headers["Location"], headers=house.owner)).json()
        assert job["status"] == "ready"
        assert job["progress"]["done"] == job["progress"]["planned"]
        assert job["result"]["summary"]


async def test_the_summary_of_a_book_is_generated_for_whoever_asks(
    api: httpx.AsyncClient, sign_in: SignIn, drain: Drain
) -> None:
    owner, reader = await sign_in("ada"), await sign_in("grace")
    added = await api.post("/books", files={"file": ("a.txt", NOVEL.encode())}, headers=owner)
    wanted = {"book_id": added.json()["id"]}
    started = await api.post("/generate-summary", json=wanted, headers=reader)
    assert started.status_code == 202
    await drain()
    made = await api.post("/generate-summary", json=wanted, headers=reader)
    assert made.status_code == 200
    job = await api.get(started.headers["Location"], headers=reader)
    if job.json()["status"] == "ready":
        assert job.json()["result"]["summary"] == made.json()["summary"]


@pytest.mark.parametrize(
    "body",
    [
        {}, {"content": ""}, {"content": " \n "}, {"content": "a\0"}, {"content": None},
        {"content": "a", "book_id": str(uuid4())}, {"book_id": "x"}, {"content": 7},
        {"content": "a", "colour": "red"}, {"content": "a" * 2_000_001},
    ],
)  # fmt: skip
async def test_a_request_without_sense_is_refused(
    api: httpx.AsyncClient, sign_in: SignIn, body: dict[str, Any]
) -> None:
    refused = await api.post("/generate-summary", json=body, headers=await sign_in("ada"))
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")


async def test_any_text_is_summarised(api: httpx.AsyncClient, sign_in: SignIn) -> None:
    headers = await sign_in("ada")
    for content in (
        "\u200b",
        "* * *",
        "😀",
        "\u202e",
        "</data:passage 000000000000>",
        "1",
        "a" * 9000,
    ):
        made = await api.post("/generate-summary", json={"content": content}, headers=headers)
        assert (made.status_code, bool(made.json()["summary"])) == (200, True), content[:9]


async def test_only_who_may_change_a_book_starts_and_stops_its_summary(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, librarian: Headers
) -> None:
    owner, stranger = await sign_in("ada"), await sign_in("grace")
    path = f"/books/{(await shelve(headers=owner))['id']}/summary"
    for verb in ("POST", "DELETE"):
        refused = await api.request(verb, path, headers=stranger)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        missing = await api.request(verb, f"/books/{uuid4()}/summary", headers=owner)
        assert (missing.status_code, missing.json()["code"]) == (404, "book_not_found")
    for who in (owner, librarian):
        assert (await api.post(path, headers=who)).status_code == 202
        assert (await api.delete(path, headers=who)).status_code == 204
    assert (await api.get(path, headers=stranger)).json()["status"] == "cancelled"
    missing = await api.get(f"/books/{uuid4()}/summary", headers=owner)
    assert missing.status_code == 404
    nowhere = await api.post("/generate-summary", json={"book_id": str(uuid4())}, headers=owner)
    assert nowhere.status_code == 404


def sentences_of(evidence: dict[str, Any]) -> list[dict[str, Any]]:
    parts = [evidence["summary"], evidence["hook"], evidence["blurb"], *evidence["chapters"]]
    return [sentence for part in parts for sentence in part]


async def test_every_sentence_comes_with_what_the_book_says_when_asked(
    api: httpx.AsyncClient, sign_in: SignIn, drain: Drain
) -> None:
    owner = await sign_in("ada")
    added = await api.post("/books", files={"file": ("a.txt", NOVEL.encode())}, headers=owner)
    path = f"{added.headers['Location']}/summary"
    assert (await api.get(f"{path}?evidence=true", headers=owner)).json()["evidence"] is None
    await drain()
    light = (await api.get(path, headers=owner)).json()
    told = (await api.get(f"{path}?evidence=true", headers=owner)).json()
    evidence = told.pop("evidence")
    assert light == {**told, "evidence": None}
    assert len(evidence["chapters"]) == len(told["chapters"]) == 4
    assert " ".join(s["text"] for s in evidence["blurb"]) == told["blurb"]
    for sentence in sentences_of(evidence):
        assert sentence["support"]
        assert (sentence["supported"], sentence["unfounded"]) == (True, [])
    for quote in (quote for s in sentences_of(evidence) for quote in s["support"]):
        assert quote["quote"] == NOVEL[quote["start"] : quote["end"]]
        assert NOVEL.rindex("CHAPTER", 0, quote["end"]) == NOVEL.index(f"{quote['chapter']}\n")
    assert told["content_warnings"] == told["left_out"] == []
    unread = await api.get(f"{path}?evidence=perhaps", headers=owner)
    assert unread.status_code == 422


async def test_evidence_is_of_the_file_that_is_there_now(database_url: str, tmp_path: Path) -> None:
    async with staffed(database_url, tmp_path, ScriptedLLM(sensible)) as house:
        book = await house.bring()
        await house.work()
        files = {"file": ("other.txt", b"The new text is short. It tells of a lamp.")}
        replaced = await house.api.put(f"{book}/content", files=files, headers=house.owner)
        assert replaced.status_code == 202
        await house.work()
        answer = await house.api.get(f"{book}/summary?evidence=true", headers=house.owner)
        quotes = [q for s in sentences_of(answer.json()["evidence"]) for q in s["support"]]
        assert quotes
        assert {quote["passage"] for quote in quotes} == {0}
        assert all(quote["quote"] in files["file"][1].decode() for quote in quotes)
