"""Search over HTTP with a model of meanings beside words."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.bootstrap.container import build_runner, build_services
from app.bootstrap.library import Library
from app.ports.embeddings import EmbeddingsUnavailable
from tests.api.conftest import Drain, Headers, Shelve, SignIn
from tests.api.test_search import ODD, TALE
from tests.fakes.embeddings import HashedWords
from tests.library import opened_library, settings_for_tests


@pytest.fixture
def model() -> HashedWords:
    return HashedWords()


@pytest.fixture
async def library(database_url: str, tmp_path: Path, model: HashedWords) -> AsyncIterator[Library]:
    settings = settings_for_tests(database_url, tmp_path)
    async with opened_library(settings) as library, AsyncExitStack() as stack:
        adapters = replace(library.adapters, embeddings=model)
        services = build_services(adapters, settings)
        yield Library(adapters, services, build_runner(settings, database_url, services, stack))


async def asked(api: httpx.AsyncClient, headers: Headers, **query: Any) -> dict[str, Any]:
    answer = await api.get("/search", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_book_is_found_by_meaning_as_soon_as_its_jobs_ran(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, model: HashedWords
) -> None:
    reader = await sign_in("ada")
    assert (await asked(api, reader, q="sailors"))["ways"] == ["words"]
    book = await shelve("The Lighthouse", text=TALE)
    answer = await asked(api, reader, q="drowning sailors", scope="passages")
    assert answer["ways"] == ["words", "meaning"]
    assert answer["items"][0]["book"]["id"] == book["id"]
    assert [text for kind, text in model.embedded if kind == "passage"] == [TALE]
    inside = await api.get(f"/books/{book['id']}/search", params={"q": "lamp"}, headers=reader)
    assert inside.json()["ways"] == ["words", "meaning"]


async def test_a_hit_by_meaning_alone_is_verbatim_at_its_place(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    await shelve("The Lighthouse", text=TALE, headers=(owner := await sign_in("olga")))
    hits = (await asked(api, owner, q="submarines", scope="passages"))["items"]
    snippet = hits[0]["snippet"]
    assert TALE[snippet["start"] : snippet["end"]] == snippet["text"] != ""
    assert (snippet["highlights"], hits[0]["score"] < 0.6) == ([], True)


async def test_while_the_model_is_away_words_answer_and_books_wait_for_it(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, model: HashedWords, library: Library
) -> None:
    model.failure = EmbeddingsUnavailable()
    book = await shelve("The Lighthouse", text=TALE)
    assert book["ingestion"]["status"] == "ready"
    answer = await asked(api, await sign_in("ada"), q="sailors", scope="passages")
    assert (len(answer["items"]), answer["ways"]) == (1, ["words"])
    backlog = (await library.services.jobs.backlog()).by_status
    assert backlog["pending"] >= 1
    assert backlog["failed"] == 0


async def test_a_book_that_goes_is_no_longer_near(
    api: httpx.AsyncClient, sign_in: SignIn, drain: Drain, shelve: Shelve
) -> None:
    owner = await sign_in("olga")
    book = await shelve("The Lighthouse", text=TALE, headers=owner)
    file = {"file": ("new.txt", b"The owl and the pussycat went to sea in a pea green boat.")}
    (await api.put(f"/books/{book['id']}/content", files=file, headers=owner)).raise_for_status()
    await drain()
    (hit,) = (await asked(api, owner, q="lighthouse keeper", scope="passages"))["items"]
    assert hit["end"] < len(TALE)
    await api.delete(f"/books/{book['id']}", headers=owner)
    assert (await asked(api, owner, q="pussycat", scope="passages"))["items"] == []


async def test_any_question_is_answered_with_meaning_on(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    said = "A word of the plain: 吾輩は猫である。 Книга и الكتاب. 1984."
    book = await shelve("Plain", text=said, language="en")
    reader = await sign_in("ada")
    for q in ODD:
        for path in ("/search", f"/books/{book['id']}/search"):
            answer = await api.get(path, params={"q": q}, headers=reader)
            assert answer.status_code == 200, (path, q)
    for q in ("the and of", "a", "😀", "!"):
        found = await asked(api, reader, q=q, scope="passages")
        assert (found["items"], found["ways"]) == ([], ["words"]), q
    for q in ("\0", "x" * 10_000):
        refused = await api.get("/search", params={"q": q}, headers=reader)
        assert 400 <= refused.status_code < 500


async def test_a_library_without_models_has_none_for_meanings(
    database_url: str, tmp_path: Path
) -> None:
    settings = settings_for_tests(
        database_url, tmp_path, ai={"enabled": False}, embeddings={"provider": "ollama"}
    )
    async with opened_library(settings) as library:
        assert library.adapters.embeddings is None
