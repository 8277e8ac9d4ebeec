"""One small story of a library, whatever stores its files and whoever writes its summaries:
only the settings differ."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.bootstrap.library import Library
from tests.fakes.model_server import Fault, ModelServer
from tests.fakes.ollama_server import OllamaServer
from tests.fakes.openai_server import OpenAIServer
from tests.integration.seaweedfs import SeaweedFS
from tests.library import api_of, client_of, opened_library, settings_for_tests

pytest_plugins = ["tests.integration.seaweedfs"]

Given = dict[str, Any]
PASSWORD = "a quiet place to read"
TALE = "The keeper of the lighthouse lit the lamp. A storm came from the west. Nobody slept. "


def on_disk(_: pytest.FixtureRequest) -> Given:
    return {"provider": "local"}


def in_a_bucket(request: pytest.FixtureRequest) -> Given:
    server: SeaweedFS = request.getfixturevalue("seaweedfs")
    return {
        "provider": "s3",
        "bucket": server.bucket,
        "endpoint": server.endpoint,
        "access_key": server.access_key,
        "secret_key": SecretStr(server.secret_key),
    }


@contextmanager
def served(kind: Callable[[], ModelServer], provider: str, path: str = "") -> Iterator[Given]:
    with kind() as server:
        yield {"provider": provider, "base_url": server.url + path, "model": "llama3"}


def by_nobody() -> AbstractContextManager[Given]:
    return nullcontext({"provider": "extractive"})


def by_ollama() -> AbstractContextManager[Given]:
    return served(OllamaServer, "ollama")


def by_openai() -> AbstractContextManager[Given]:
    return served(OpenAIServer, "openai", "/v1")


@pytest.mark.parametrize("model", [by_nobody, by_ollama, by_openai])
@pytest.mark.parametrize("storage", [on_disk, in_a_bucket])
async def test_the_story_passes_with(
    request: pytest.FixtureRequest,
    database_url: str,
    tmp_path: Path,
    storage: Callable[[pytest.FixtureRequest], Given],
    model: Callable[[], AbstractContextManager[Given]],
) -> None:
    with model() as llm:
        settings = settings_for_tests(database_url, tmp_path, storage=storage(request), llm=llm)
        async with opened_library(settings) as library, client_of(api_of(library)) as client:
            ready = (await client.get("/readyz")).json()["parts"]
            assert ready["model"]["detail"].startswith(llm["provider"])
            await _story(library, client, provider=llm["provider"])


async def _story(library: Library, client: httpx.AsyncClient, *, provider: str) -> None:
    ann, bob = await _signed_in(client, "ann"), await _signed_in(client, "bob")
    first = await _upload(client, ann, "The Lamp", TALE * 30)
    second = await _upload(
        client, ann, "The Storm", "A second tale of the lighthouse. " + TALE * 20
    )
    await library.runner.kick()
    summary = (await client.get(f"/books/{first}/summary", headers=bob)).json()
    assert (summary["status"], summary["coverage"]) == ("ready", 1.0), summary
    assert summary["summary"]
    assert summary["source"]["provider"] == provider
    assert (await client.get(f"/books/{first}/content", headers=bob)).status_code == 403
    loan = await client.post(f"/books/{first}/borrow", headers=bob)
    assert loan.status_code == 201
    file = await client.get(f"/books/{first}/content", headers=bob)
    assert file.text == TALE * 30
    part = await client.get(f"/books/{first}/content", headers={**bob, "Range": "bytes=4-9"})
    assert (part.status_code, part.text) == (206, (TALE * 30)[4:10])
    said = {"rating": 5, "text": "The plot is clever. I liked the characters very much."}
    assert (await client.post(f"/books/{first}/reviews", json=said, headers=bob)).is_success
    await library.runner.kick()
    analysis = (await client.get(f"/books/{first}/analysis", headers=bob)).json()
    assert (analysis["status"], analysis["rating"]["average"]) == ("fresh", 5.0)
    assert analysis["consensus"]
    shown = (await client.get("/recommendations", headers=bob)).json()
    assert [item["book"]["id"] for item in shown["items"]] == [second]
    assert shown["items"][0]["reasons"]
    assert (await client.post(f"/books/{first}/return", headers=bob)).is_success
    assert (await client.delete(f"/books/{first}", headers=ann)).status_code == 204
    await library.runner.kick()
    assert (await client.get(f"/books/{first}/content", headers=ann)).status_code == 404


async def _signed_in(client: httpx.AsyncClient, name: str) -> dict[str, str]:
    who = {"email": f"{name}@library.test", "password": PASSWORD}
    (await client.post("/auth/signup", json=who)).raise_for_status()
    tokens = (await client.post("/auth/login", json=who)).raise_for_status().json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def _upload(client: httpx.AsyncClient, headers: dict[str, str], title: str, text: str) -> str:
    files = {"file": ("tale.txt", text.encode())}
    form = {"title": title, "author": "A. Keeper", "genre": "Sea stories"}
    added = await client.post("/books", files=files, data=form, headers=headers)
    return str(added.raise_for_status().json()["id"])


ODD = [
    " ",
    "!",
    "…",
    "?! ?! ?!",
    "\n\n",
    "a",
    "0",
    "🙂" * 40,
    "<data:passage",
    "x" * 9000,
    "字" * 300,
]


@pytest.mark.parametrize(
    "fault", [None, *(fault for fault in Fault if fault is not Fault.TOO_MANY)]
)
async def test_no_failure_of_a_model_comes_through_to_a_reader(
    database_url: str, tmp_path: Path, fault: Fault | None
) -> None:
    """ModelFailure is no kind with a status: whoever asks a model answers without it."""
    with OllamaServer() as server:
        server.always = fault
        llm = {"provider": "ollama", "base_url": server.url, "model": "llama3", "timeout": 1}
        settings = settings_for_tests(database_url, tmp_path, llm=llm)
        async with opened_library(settings) as library, client_of(api_of(library)) as client:
            ann = await _signed_in(client, "ann")
            texts = ODD if fault is None else [TALE * 3]
            for text in texts:
                body = {"content": text, "title": "Odd"}
                answer = await client.post("/generate-summary", json=body, headers=ann)
                assert answer.status_code in (200, 202, 422), (text[:20], answer.text)
                if fault is not None:
                    assert answer.json()["source"]["degraded"], answer.text
