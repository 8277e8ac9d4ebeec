"""The OpenAPI document tells all failures, and every failure has one meaning."""

import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import app
from app.api.problems import status_of
from app.ports.embeddings import EmbeddingsRefused
from app.ports.llm import ModelFailure
from app.shared.errors import LibraryError
from tests.library import api_of, client_of, opened_library, settings_for_tests

PUBLIC = {"/healthz", "/readyz", "/metrics", "/auth/signup", "/auth/login", "/auth/refresh"}
# One code for what is one thing to a program: the book is not on loan to who asks; something
# is still on loan; a key was used before; a file is not read yet. The status says the rest.
SHARED = {"not_borrowed", "open_loans", "idempotency_conflict", "not_ingested"}
_CODE = re.compile(r"`([a-z_]+)`")


def errors() -> Iterator[type[LibraryError]]:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.endswith("__main__") and ".child" not in module.name:
            importlib.import_module(module.name)
    waiting = [LibraryError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("app."):
            yield kind


@pytest.fixture
async def document(database_url: str, tmp_path: Path) -> dict[str, Any]:
    settings = settings_for_tests(database_url, tmp_path)
    async with opened_library(settings) as library, client_of(api_of(library)) as client:
        return dict((await client.get("/openapi.json")).json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            yield path, verb, operation


def test_every_failure_has_a_status_of_its_kind() -> None:
    """Failures of the models stay behind the services, which answer without them; what comes
    through all the same is a bug, and 500."""
    unknown = {error for error in errors() if status_of(error) == 500}
    of_models = (ModelFailure, EmbeddingsRefused)
    assert {error for error in unknown if not issubclass(error, of_models)} == {LibraryError}


def test_a_code_means_one_thing() -> None:
    meanings = defaultdict(set)
    for error in errors():
        if "code" in vars(error):
            meanings[error.code].add(error)
    assert {code for code, kinds in meanings.items() if len(kinds) > 1} <= SHARED


def test_codes_and_titles_are_for_programs_and_people() -> None:
    for error in errors():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code), error
        assert error.title[0].isupper(), error
        assert not error.title.endswith("."), error


async def test_every_route_that_needs_sign_in_says_so(document: dict[str, Any]) -> None:
    for path, verb, operation in operations(document):
        signed_in = "security" in operation
        assert signed_in == (path not in PUBLIC), f"{verb} {path}"
        if signed_in:
            told = operation["responses"]["401"]["description"]
            assert {"not_authenticated", "invalid_token"} <= set(_CODE.findall(told)), told


async def test_every_failure_of_a_route_is_a_problem_with_a_known_code(
    document: dict[str, Any],
) -> None:
    known = {(str(status_of(error)), error.code) for error in errors()}
    for path, verb, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status >= "400":
                codes = _CODE.findall(answer["description"])
                assert codes, f"{verb} {path} {status}"
                assert {(status, code) for code in codes} <= known, f"{verb} {path} {status}"
                assert list(answer["content"]) == ["application/problem+json"]


async def test_every_refusal_of_a_room_is_told_by_some_route(document: dict[str, Any]) -> None:
    told = {
        code
        for _, _, operation in operations(document)
        for answer in operation["responses"].values()
        for code in _CODE.findall(answer["description"])
    }
    rooms = [e for e in errors() if re.fullmatch(r"app\.domains\.\w+\.errors", e.__module__)]
    assert len(rooms) > 20
    assert {error.code for error in rooms} <= told
