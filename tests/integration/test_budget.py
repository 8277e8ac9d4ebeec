"""Budgets in the whole library: who pays is known to jobs and requests, and what has no money
left ends in a state a reader understands."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.fakes.openai_server import OpenAIServer
from tests.library import api_of, client_of, opened_library, settings_for_tests

TEXT = "Every evening old Martha Hale climbed the stairs and lit the lamp for the ships. " * 30
PERSON = {"email": "reader@library.test", "password": "a quiet place", "display_name": "Reader"}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


class House:
    """A library with a model and a budget, and a reader in it."""

    def __init__(self, client: httpx.AsyncClient, kick: Any, headers: dict[str, str]) -> None:
        self.client = client
        self.kick = kick
        self.headers = headers

    async def add_book(self) -> str:
        answer = await self.client.post(
            "/books",
            files={"file": ("lamp.txt", TEXT.encode())},
            data={"title": "The Lamp"},
            headers=self.headers,
        )
        await self.kick()
        return str(answer.raise_for_status().json()["id"])

    async def got(self, path: str) -> Any:
        return (await self.client.get(path, headers=self.headers)).raise_for_status().json()

    async def user_id(self) -> str:
        return str((await self.got("/users/me"))["id"])


@asynccontextmanager
async def opened(url: str, home: Path, server: OpenAIServer, **caps: int) -> AsyncIterator[House]:
    llm = {"provider": "openai", "base_url": f"{server.url}/v1", "model": "llama3", **caps}
    async with (
        opened_library(settings_for_tests(url, home, llm=llm)) as library,
        client_of(api_of(library)) as client,
    ):
        (await client.post("/auth/signup", json=PERSON)).raise_for_status()
        known = {name: PERSON[name] for name in ("email", "password")}
        token = (await client.post("/auth/login", json=known)).json()["access_token"]
        yield House(client, library.runner.kick, {"Authorization": f"Bearer {token}"})


def accounts(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT account, tokens FROM taken_tokens").fetchall()
    return dict(rows)


async def test_a_summary_is_charged_to_the_day_its_owner_and_its_job(
    database_url: str, tmp_path: Path, server: OpenAIServer
) -> None:
    caps = {"budget_day": 10**6, "budget_user_day": 10**6, "budget_job": 10**6}
    async with opened(database_url, tmp_path, server, **caps) as house:
        book = await house.add_book()
        assert (await house.got(f"/books/{book}/summary"))["status"] == "ready"
        user = await house.user_id()
    taken = accounts(database_url)
    assert {account.partition("/")[0] for account in taken} == {"day", "user", "job"}
    assert any(account.startswith(f"user/{user}/") for account in taken)
    assert len(set(taken.values())) == 1
    assert min(taken.values()) > 500


async def test_with_the_days_budget_spent_the_summary_waits_and_an_extract_is_shown(
    database_url: str, tmp_path: Path, server: OpenAIServer
) -> None:
    async with opened(database_url, tmp_path, server, budget_day=10) as house:
        book = await house.add_book()
        summary = await house.got(f"/books/{book}/summary")
    assert summary["status"] == "pending"
    assert summary["error"]["code"] == "budget_spent"
    assert "midnight UTC" in summary["error"]["detail"]
    assert "Martha Hale" in summary["summary"]
    assert server.chats == []
    assert sum(accounts(database_url).values()) == 0


async def test_with_its_own_budget_spent_a_job_ends(
    database_url: str, tmp_path: Path, server: OpenAIServer
) -> None:
    async with opened(database_url, tmp_path, server, budget_job=10) as house:
        book = await house.add_book()
        summary = await house.got(f"/books/{book}/summary")
    assert summary["status"] in ("ready", "failed")
    assert summary["source"]["degraded"]
    assert "Martha Hale" in summary["summary"]
    assert server.chats == []


async def test_a_request_is_charged_to_whoever_sends_it(
    database_url: str, tmp_path: Path, server: OpenAIServer
) -> None:
    async with opened(database_url, tmp_path, server, budget_user_day=10**6) as house:
        asked = await house.client.post(
            "/generate-summary", json={"content": TEXT, "title": "The Lamp"}, headers=house.headers
        )
        user = await house.user_id()
    assert asked.is_success, asked.text
    assert [account.rpartition("/")[0] for account in accounts(database_url)] == [f"user/{user}"]
