"""What Schemathesis is told of the library it asks: who asks, and what there is to ask for.

It runs in a process of its own and loads this module by name; `CONTRACT` in its environment
says it as JSON.
"""

import json
import os
import zlib
from collections.abc import Mapping
from functools import cache
from itertools import count
from typing import Any

import httpx
import schemathesis

# Whoever asks for one of these is signed out by it, or may be: somebody new does.
_LAST = frozenset(["sign_out", "erase_account", "change_password"])
_numbers = count(1)

Case = schemathesis.Case[Any]


@cache
def _brief() -> Mapping[str, Any]:
    """`ids` are things that are there, by the names of path parameters; they are put in the
    place of most ids that were made up, or nothing but 404 would be seen."""
    return dict(json.loads(os.environ["CONTRACT"]))


@cache
def _client() -> httpx.Client:
    return httpx.Client(base_url=_brief()["url"], trust_env=False, timeout=30)


class SignedIn:
    """Signs in; for nobody, when the brief names nobody."""

    def get(self, case: Case, context: schemathesis.AuthContext) -> str | None:
        brief = _brief()
        return _token(brief["email"], brief["password"]) if brief["email"] else None

    def set(self, case: Case, data: str, context: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


schemathesis.auth(refresh_interval=300)(SignedIn)


@schemathesis.hook("before_call")
def put_what_is_there(context: schemathesis.HookContext, case: Case, kwargs: Any) -> None:
    name = case.operation.definition.raw.get("operationId", "")
    bearer = str(case.headers.get("Authorization", ""))
    if name in _LAST and bearer.count(".") == 2:
        case.headers["Authorization"] = f"Bearer {_newcomer()}"
    if _is_made_up(case):
        for place in set(case.path_parameters or {}) & _brief()["ids"].keys():
            case.path_parameters[place] = _brief()["ids"][place]
        if name == "withdraw_book" and bearer:
            case.path_parameters["book_id"] = _new_book(bearer)


def _is_made_up(case: Case) -> bool:
    """Whether its path holds valid ids of nothing, three times out of four."""
    if case.meta is None or case.meta.phase.name.value == "stateful":
        return False
    modes = {part.value: about.mode.value for part, about in case.meta.components.items()}
    drawn = zlib.crc32(repr(case.path_parameters).encode())
    return modes.get("path_parameters", modes.get("path")) == "positive" and drawn % 4 > 0


def _token(email: str, password: str) -> str:
    words = {"email": email, "password": password}
    answer = _client().post("/auth/login", json=words).raise_for_status()
    return str(answer.json()["access_token"])


def _newcomer() -> str:
    email = f"passer-by-{os.getpid()}-{next(_numbers)}@library.test"
    words = {"email": email, "password": _brief()["password"]}
    _client().post("/auth/signup", json=words).raise_for_status()
    return _token(email, _brief()["password"])


def _new_book(bearer: str) -> str:
    file = {"file": ("a.txt", f"To be gone {os.getpid()} {next(_numbers)}.".encode())}
    added = _client().post("/books", files=file, headers={"Authorization": bearer})
    return str(added.raise_for_status().json()["id"])
