"""PRIVACY_HISTORY=off, on the real database: nothing says who read what once it is back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import psycopg

from app.bootstrap.library import Library
from app.domains.catalog.jobs import SweepOrphans
from app.domains.recommendations.model import FeedbackAction
from tests.api.conftest import PASSWORD, Headers
from tests.library import api_of, client_of, opened_library, settings_for_tests

OFF = {"history": "off"}
SAID = {"rating": 5, "text": "The best of all books."}


async def signed_up(api: httpx.AsyncClient, name: str = "ada") -> Headers:
    body = {"email": f"{name}@library.test", "password": PASSWORD}
    (await api.post("/auth/signup", json=body)).raise_for_status()
    token = (await api.post("/auth/login", json=body)).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


async def added(library: Library, api: httpx.AsyncClient, owner: Headers, title: str) -> str:
    file = {"file": (f"{title}.txt", f"This is the text of {title}.".encode())}
    answer = await api.post("/books", files=file, data={"title": title}, headers=owner)
    await library.runner.kick()
    return str(answer.json()["id"])


async def read(api: httpx.AsyncClient, reader: Headers, book: str) -> None:
    (await api.post(f"/books/{book}/borrow", headers=reader)).raise_for_status()
    answer = await api.post(f"/books/{book}/return", headers=reader)
    assert answer.status_code == 200
    assert answer.json()["user_id"] == (await api.get("/users/me", headers=reader)).json()["id"]


def rows(url: str, query: str) -> Sequence[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


async def test_after_the_return_nothing_says_who_read_the_book(
    database_url: str, tmp_path: Path
) -> None:
    settings = settings_for_tests(database_url, tmp_path, privacy=OFF)
    async with opened_library(settings) as library, client_of(api_of(library)) as api:
        owner, reader = await signed_up(api, "owner"), await signed_up(api)
        book = await added(library, api, owner, "Emma")
        me = (await api.get("/users/me", headers=reader)).json()["id"]
        await read(api, reader, book)
        assert (await api.get("/users/me/loans", headers=reader)).json()["items"] == []
        tables = rows(
            database_url,
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename NOT IN ('users', 'sessions')",
        )
        named = [
            table
            for (table,) in tables
            if rows(database_url, f"SELECT 1 FROM {table} t WHERE t::text LIKE '%{me}%'")
        ]
        assert named == []
        assert rows(database_url, "SELECT user_id FROM loans") == [(None,)]


async def test_only_who_borrowed_it_reviews_a_book_all_the_same(
    database_url: str, tmp_path: Path
) -> None:
    settings = settings_for_tests(database_url, tmp_path, privacy=OFF)
    async with opened_library(settings) as library, client_of(api_of(library)) as api:
        owner, reader = await signed_up(api, "owner"), await signed_up(api)
        book = await added(library, api, owner, "Emma")
        await read(api, reader, book)
        refused = await api.post(f"/books/{book}/reviews", json=SAID, headers=owner)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_borrowed")
        taken = await api.post(f"/books/{book}/reviews", json=SAID, headers=reader)
        assert taken.status_code == 201


async def test_switched_off_the_sweep_forgets_what_was_kept(
    database_url: str, tmp_path: Path
) -> None:
    on = settings_for_tests(database_url, tmp_path)
    async with opened_library(on) as library, client_of(api_of(library)) as api:
        owner, reader = await signed_up(api, "owner"), await signed_up(api)
        books = [await added(library, api, owner, title) for title in ("Emma", "Ivanhoe", "Kim")]
        await read(api, reader, books[0])
        await api.post(f"/books/{books[1]}/borrow", headers=reader)
        await api.get(f"/books/{books[2]}", headers=reader)
        shown = (await api.get("/recommendations", headers=reader)).json()["recommendation_id"]
        for action in (FeedbackAction.LIKE, FeedbackAction.DISMISS):
            said = {"book_id": books[2], "action": action}
            path = f"/recommendations/{shown}/feedback"
            assert (await api.post(path, json=said, headers=reader)).status_code == 204
        assert rows(database_url, "SELECT 1 FROM views")
    off = settings_for_tests(database_url, tmp_path, privacy=OFF)
    async with opened_library(off) as library, client_of(api_of(library)) as api:
        async with library.adapters.catalog_work() as work:
            await work.jobs.enqueue(SweepOrphans())
        await library.runner.kick()
        loans = (await api.get("/users/me/loans", headers=reader)).json()["items"]
        assert [loan["book_id"] for loan in loans] == [books[1]]
        assert rows(database_url, "SELECT action FROM feedback") == [("dismiss",)]
        assert rows(database_url, "SELECT 1 FROM views") == []
        assert rows(database_url, "SELECT 1 FROM showings WHERE propensities <> '{}'") == []
        taken = await api.post(f"/books/{books[0]}/reviews", json=SAID, headers=reader)
        assert taken.status_code == 201


async def test_a_model_that_knows_readers_is_followed_by_one_that_does_not(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_library(settings_for_tests(database_url, tmp_path)) as library:
        knowing = await library.services.fitting.fit(_untold)
        assert not (await library.services.fitting.fit(_untold))["fitted"]
    off = settings_for_tests(database_url, tmp_path, privacy=OFF)
    async with opened_library(off) as library:
        unknowing = await library.services.fitting.fit(_untold)
    assert (knowing["fitted"], unknowing["fitted"]) == (True, True)


async def _untold(done: int, planned: int) -> None:
    """Nobody wants to know how far it is."""
