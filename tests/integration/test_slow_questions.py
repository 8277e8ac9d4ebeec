"""A question that takes longer than the database's patience is refused with a clear reason, and
nothing else suffers from it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.api.conftest import PASSWORD
from tests.library import api_of, client_of, opened_library, settings_for_tests


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    database = {"url": database_url, "pool": 6, "statement_timeout": 0.5}
    settings = settings_for_tests(database_url, tmp_path, database=database)
    async with opened_library(settings) as library, client_of(api_of(library)) as client:
        body = {"email": "ada@library.test", "password": PASSWORD}
        (await client.post("/auth/signup", json=body)).raise_for_status()
        answer = await client.post("/auth/login", json=body)
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


@pytest.mark.parametrize(
    ("path", "table"),
    [("/books", "known_words"), ("/books/facets", "books"), ("/search", "indexed_passages")],
)
async def test_a_question_that_takes_too_long_is_given_up_and_the_next_is_answered(
    api: httpx.AsyncClient, database_url: str, path: str, table: str
) -> None:
    query = {"q": "a question of some length"}
    with psycopg.connect(database_url) as other:
        other.execute("INSERT INTO indexed_languages VALUES ('lumina_en')")
        other.commit()
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        refused = await api.get(path, params=query)
        assert (refused.status_code, refused.json()["code"]) == (503, "query_too_slow")
        assert "Retry-After" in refused.headers
        other.rollback()
    assert (await api.get(path, params=query)).status_code == 200
