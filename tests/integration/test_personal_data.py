"""What is kept of a person: all of it is handed out to them, and all of it goes with them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.adapters.postgres.personal_data import PARTS
from app.bootstrap.library import Library
from app.domains.catalog.jobs import SweepOrphans
from tests.api.conftest import PASSWORD, Headers
from tests.library import api_of, client_of, opened_library, settings_for_tests

# Tables that know a person and are in no export, and why.
UNEXPORTED = {
    # By the session, which is exported: hashes of tokens that are worth nothing any more.
    "spent_tokens",
    # The queue's own copy of what `jobs` tells.
    "procrastinate_jobs",
    # Without the library's key, and a guess at the book, a mark is nobody's.
    "borrowing_marks",
}
# What stays of somebody who is gone: that an admin did or suffered something, by a number that
# leads to nobody any more, until the log's own time is over.
STAYS = {"audit_events"}
# Names of columns that could say who somebody is.
PERSONAL = "(user|owner|actor|reader|account|added_by|asked_by|email)"
SECRETS = ("password_hash", "refresh_hash", "storage_key", "fingerprint", "bcrypt", "words_key")


def rows(url: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode(), values).fetchall()


def tables(url: str) -> list[str]:
    found = rows(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return [str(row[0]) for row in found]


def mentioning(url: str, *words: str) -> set[str]:
    """Tables with a row in which one of the words stands, in whatever column."""
    return {
        table
        for table in tables(url)
        for word in words
        if rows(url, f"SELECT 1 FROM {table} t WHERE t::text ILIKE %s LIMIT 1", f"%{word}%")
    }


def knowing_people(url: str) -> set[str]:
    """Tables that refer to users, or have a column named as if they did."""
    referring = rows(
        url,
        "SELECT conrelid::regclass::text FROM pg_constraint"
        " WHERE contype = 'f' AND confrelid = 'users'::regclass",
    )
    named = rows(
        url,
        "SELECT table_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name ~ %s",
        PERSONAL,
    )
    return {str(row[0]) for row in referring + named}


def test_every_table_that_knows_people_is_in_the_export_or_stated(database_url: str) -> None:
    exported = {part.table.name for part in PARTS.values()}
    assert knowing_people(database_url) - exported - UNEXPORTED == set()
    assert exported | UNEXPORTED <= set(tables(database_url))


def test_a_table_nobody_thought_of_is_noticed(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE TABLE club_members (club text, member uuid REFERENCES users (id))"
        )
        connection.execute("CREATE TABLE letters (id int, reader_id uuid)")
    exported = {part.table.name for part in PARTS.values()}
    assert knowing_people(database_url) - exported - UNEXPORTED == {"club_members", "letters"}


@pytest.fixture
async def life(database_url: str, tmp_path: Path) -> AsyncIterator["Life"]:
    settings = settings_for_tests(database_url, tmp_path)
    async with opened_library(settings) as library, client_of(api_of(library)) as api:
        yield Life(database_url, library, api)


class Life:
    """A reader who did everything a reader can do."""

    def __init__(self, url: str, library: Library, api: httpx.AsyncClient) -> None:
        self.url = url
        self.library = library
        self.api = api
        self.headers: Headers = {}

    async def sign_up(self, name: str) -> Headers:
        body = {"email": f"{name}@library.test", "password": PASSWORD}
        (await self.api.post("/auth/signup", json=body)).raise_for_status()
        first = (await self.api.post("/auth/login", json=body)).json()
        spent = {"refresh_token": first["refresh_token"]}
        held = (await self.api.post("/auth/refresh", json=spent)).json()
        return {"Authorization": f"Bearer {held['access_token']}"}

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        answer = await self.api.post(path, json=body, headers={**self.headers, **headers})
        assert answer.is_success, answer.text
        return answer

    async def lived(self, name: str) -> str:
        self.headers = await self.sign_up(name)
        me = str((await self.api.get("/users/me", headers=self.headers)).json()["id"])
        books = [await self.bring(f"{name}'s book {n}") for n in range(3)]
        await self.post(f"/books/{books[0]}/borrow", **{"Idempotency-Key": "once"})
        said = {"rating": 5, "text": f"Said {name} quite loudly. The plot is brilliant."}
        await self.post(f"/books/{books[0]}/reviews", said)
        await self.post(f"/books/{books[0]}/return")
        await self.api.get(f"/books/{books[1]}", headers=self.headers)
        shown = (await self.api.get("/recommendations", headers=self.headers)).json()
        path = f"/recommendations/{shown['recommendation_id']}/feedback"
        await self.post(path, {"book_id": books[1], "action": "like"})
        stated = {"genres": [{"name": "sea", "weight": 1}]}
        await self.api.put("/users/me/preferences", json=stated, headers=self.headers)
        await self.post("/generate-summary", {"book_id": books[2]})
        await self.post("/generate-summary", {"content": "A long sentence of hers. " * 4000})
        await self.api.delete("/users/me/history", headers=self.headers)
        await self.api.get(f"/books/{books[1]}", headers=self.headers)
        await self.post(f"/books/{books[1]}/borrow")
        await self.post(f"/books/{books[1]}/return")
        shown = (await self.api.get("/recommendations", headers=self.headers)).json()
        path = f"/recommendations/{shown['recommendation_id']}/feedback"
        await self.post(path, {"book_id": books[2], "action": "dismiss"})
        wrong = {"email": f"{name}@library.test", "password": "not the password"}
        assert (await self.api.post("/auth/login", json=wrong)).status_code == 401
        await self.library.runner.kick()
        await self.post("/generate-summary", {"book_id": books[0]})
        await self.post(f"/books/{books[1]}/summary")
        await self.post(
            "/generate-summary", {"content": f"Another long sentence of {name}. " * 4000}
        )
        spent = "INSERT INTO taken_tokens VALUES (%s, 7, now())"
        with psycopg.connect(self.url) as connection:
            connection.execute(spent, (f"user/{me}/2026-05-01",))
        return me

    async def bring(self, title: str) -> str:
        file = {"file": (f"{title}.txt", f"The text of {title}. It has two sentences.".encode())}
        answer = await self.api.post(
            "/books", files=file, data={"title": title, "author": "Anon"}, headers=self.headers
        )
        return str(answer.json()["id"])


async def test_all_that_is_kept_is_handed_out_and_no_secret(life: Life) -> None:
    other = await life.lived("grace")
    me = await life.lived("ada")
    answer = await life.api.get("/users/me/export", headers=life.headers)
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    told = answer.json()
    assert set(told) == {"exported_at", *PARTS}
    assert [name for name, rows in told.items() if not rows] == []
    named = mentioning(life.url, me, "ada@library.test", "Said ada quite loudly")
    assert named - {part.table.name for part in PARTS.values()} - UNEXPORTED == set()
    assert told["account"][0]["email"] == "ada@library.test"
    assert told["reviews"][0]["text"].startswith("Said ada")
    assert {book["title"] for book in told["uploads"]} == {f"ada's book {n}" for n in range(3)}
    assert {each["act"] for each in told["audit_events"]} >= {"data_exported"}
    for secret in (*SECRETS, "grace", other, PASSWORD):
        assert secret not in answer.text, secret


async def test_nothing_is_left_that_leads_to_who_was_erased(life: Life, tmp_path: Path) -> None:
    await life.lived("grace")
    kept = len(rows(life.url, "SELECT 1 FROM reviews"))
    me = await life.lived("ada")
    answer = await life.api.request(
        "DELETE", "/users/me", json={"password": PASSWORD}, headers=life.headers
    )
    assert answer.status_code == 204, answer.text
    # What a reader published stays, by nobody: the review, and the books they brought.
    assert mentioning(life.url, me, "ada@library.test") == STAYS
    assert rows(life.url, "SELECT 1 FROM users WHERE display_name = 'ada'") == []
    assert len(rows(life.url, "SELECT 1 FROM reviews")) == kept + 1
    assert len(rows(life.url, "SELECT 1 FROM books WHERE added_by IS NULL")) == 3
    async with life.library.adapters.catalog_work() as work:
        await work.jobs.enqueue(SweepOrphans())
    await life.library.runner.kick()
    assert mentioning(life.url, me, "ada@library.test") == STAYS
    texts = [path.read_text() for path in (tmp_path / "files").rglob("texts+/*")]
    assert [text for text in texts if "sentence of ada" in text] == []
    assert mentioning(life.url, "Another long sentence of ada") == set()
    assert (await life.api.get("/users/me", headers=life.headers)).status_code == 401


async def test_what_is_exported_comes_in_pages(life: Life) -> None:
    await life.lived("ada")
    me = rows(life.url, "SELECT id FROM users")[0][0]
    with psycopg.connect(life.url) as connection:
        connection.execute(
            "INSERT INTO views (book_id, user_id, day, at) SELECT b.id, %s,"
            " current_date - n, now() FROM books b, generate_series(1, 400) n",
            (me,),
        )
    answer = await life.api.get("/users/me/export", headers=life.headers)
    seen = {(each["book_id"], each["day"]) for each in answer.json()["books_looked_at"]}
    assert len(seen) == len(answer.json()["books_looked_at"]) > 1200


async def test_one_exports_oneself_only(life: Life) -> None:
    assert (await life.api.get("/users/me/export")).status_code == 401
    text = json.dumps((await life.api.get("/openapi.json")).json()["paths"]["/users/me/export"])
    assert "parameters" not in text
