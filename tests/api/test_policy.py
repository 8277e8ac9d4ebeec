"""Who may do what: every route for every kind of caller, and nobody at the things of others."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from app.api.policy import POLICY, Audience, UndeclaredRoute, check_declared, names_of
from app.bootstrap.library import Library
from app.domains.accounts.model import Role
from tests.api.conftest import PASSWORD, Drain, Headers, Shelve, SignIn
from tests.api.test_hostile_input import EXAMPLES, NOBODY

OWNER, STRANGER, LIBRARIAN, ADMIN = "owner", "stranger", "librarian", "admin"
NO_LONGER = ("anonymous", "signed out", "disabled", "erased")
# The owner brought the book, has it on loan, and wrote the review; the job and the
# recommendation are theirs too.
EVERYBODY = frozenset({"everybody"})
SIGNED_IN = frozenset({OWNER, STRANGER, LIBRARIAN, ADMIN})
ADMITTED = {
    Audience.EVERYBODY: EVERYBODY,
    Audience.BY_SETTING: EVERYBODY,
    Audience.SIGNED_IN: SIGNED_IN,
    Audience.OWNER: frozenset({OWNER}),
    Audience.OWNER_OR_LIBRARIAN: frozenset({OWNER, LIBRARIAN, ADMIN}),
    Audience.LIBRARIANS: frozenset({LIBRARIAN, ADMIN}),
    Audience.ADMINS: frozenset({ADMIN}),
}
# Whoever reviews must not have borrowed by then; who is erased can do nothing after it.
FIRST = ("POST /books/{book_id}/reviews",)
LAST = ("DELETE /users/me/history", "DELETE /users/me")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
PAGES = ("/", "/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect")
NEVER_SHOWN = {"password_hash", "storage_key", "refresh_hash", "password", "copy_number"}
NEVER_TAKEN = {
    "id": NOBODY, "user_id": NOBODY, "owner_id": NOBODY, "added_by": NOBODY, "role": "admin",
    "disabled": False, "password_hash": "x", "storage_key": "x", "version": 7, "available": 9,
    "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z", "average": 5,
    "due_at": "2030-01-01T00:00:00Z", "returned_at": None, "reviewer": "x", "learned": {},
    "rating": 5,
}  # fmt: skip


@pytest.fixture
def answers(api: httpx.AsyncClient) -> list[httpx.Response]:
    """Everything that is answered from here on."""
    kept: list[httpx.Response] = []

    async def keep(answer: httpx.Response) -> None:
        await answer.aread()
        kept.append(answer)

    api.event_hooks["response"].append(keep)
    return kept


class Cast:
    """The callers of the matrix, and things that are new and the owner's."""

    def __init__(self, api: httpx.AsyncClient, headers: dict[str, Headers], drain: Drain) -> None:
        self.api = api
        self.headers = headers
        self._drain = drain
        self._book = ""
        self._ids: dict[str, str] = {}

    async def signed_in(self, name: str) -> Headers:
        """A session of its own for each request: it may be the last."""
        if name in NO_LONGER:
            return self.headers[name]
        body = {"email": f"{name}@library.test", "password": PASSWORD}
        answer = await self.api.post("/auth/login", json=body)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def ids(self) -> dict[str, str]:
        """What is there: new when something of it was taken away."""
        self._ids = self._ids or await self.new_ids()
        return self._ids

    def spoil(self) -> None:
        self._ids = {}

    async def new_ids(self) -> dict[str, str]:
        owner = await self.signed_in(OWNER)
        if self._book:
            # So that the owner may borrow the next one.
            await self.api.post(f"/books/{self._book}/return", headers=owner)
        file = {"file": ("a.txt", f"The keeper reads after {self._book}.".encode())}
        data = {"copies": "9"}
        book = (await self.api.post("/books", files=file, data=data, headers=owner)).json()["id"]
        self._book = book
        await self._drain()
        await self.api.post(f"/books/{book}/borrow", headers=owner)
        said = EXAMPLES["review"]
        review = await self.api.post(f"/books/{book}/reviews", json=said, headers=owner)
        job = await self.api.post(f"/books/{book}/summary", headers=owner)
        shown = await self.api.get(f"/books/{book}/similar", headers=owner)
        return {
            "book_id": book,
            "review_id": review.json()["id"],
            "job_id": job.json()["job_id"],
            "recommendation_id": shown.json()["recommendation_id"],
        }


@pytest.fixture
async def cast(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, library: Library, drain: Drain
) -> Cast:
    names = (OWNER, STRANGER, LIBRARIAN, ADMIN, "disabled", "signed", "erased")
    headers = {name: await sign_in(name) for name in names}
    for name, role in ((LIBRARIAN, Role.LIBRARIAN), (ADMIN, Role.ADMIN), ("disabled", Role.ADMIN)):
        await library.services.accounts.grant(f"{name}@library.test", role)
    me = (await api.get("/users/me", headers=headers["disabled"])).json()
    gone = await api.patch(f"/users/{me['id']}", json={"disabled": True}, headers=headers[ADMIN])
    assert gone.json()["disabled"]
    await shelve(headers=headers[OWNER])
    headers["signed out"] = headers.pop("signed")
    await api.post("/auth/signout", headers=headers["signed out"])
    await library.services.accounts.grant("erased@library.test", Role.ADMIN)
    await _erase(api, headers["erased"])
    return Cast(api, {**headers, "anonymous": {}}, drain)


async def test_the_table_names_what_there_is_and_nothing_else(api: httpx.AsyncClient) -> None:
    documented = {f"{method.upper()} {path}" for method, path, _ in await _routes(api)}
    assert documented | {f"GET {page}" for page in PAGES} == POLICY.keys()


@pytest.mark.parametrize("path", ["/books/{book_id}/secrets", "/healthz"])
def test_a_route_nobody_answers_for_keeps_the_library_from_starting(path: str) -> None:
    undeclared = FastAPI(openapi_url=None)
    undeclared.add_api_route(path, lambda: None, methods=["DELETE"])
    with pytest.raises(UndeclaredRoute, match=re.escape(f"DELETE {path}")):
        check_declared(undeclared.routes)


def test_a_route_of_a_room_is_seen_where_it_will_stand() -> None:
    room, house = APIRouter(prefix="/annexe"), FastAPI(openapi_url=None)
    room.add_api_route("/{thing}", lambda: None, methods=["PUT"])
    house.include_router(room, prefix="/west")
    assert list(names_of(house.routes)) == ["PUT /west/annexe/{thing}"]


async def test_every_route_is_for_those_whom_the_table_names(
    cast: Cast, answers: list[httpx.Response]
) -> None:
    bodies = {f"{m.upper()} {path}": about for m, path, about in await _routes(cast.api)}
    wrong: list[str] = []
    for route in _in_order(bodies):
        allowed = ADMITTED[POLICY[route]]
        for name in (*NO_LONGER, STRANGER, OWNER, LIBRARIAN, ADMIN):
            answer = await _tried(cast, route, bodies[route], name)
            if not _is_right(answer, name, allowed):
                wrong.append(f"{route} as {name}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []
    assert _secrets_in(answers) == []
    assert {answer.headers["x-content-type-options"] for answer in answers} == {"nosniff"}


async def test_what_is_no_method_of_a_path_is_nobodys(cast: Cast) -> None:
    ids = {**await cast.new_ids(), "user_id": NOBODY}
    wrong = []
    for path in {route.partition(" ")[2] for route in POLICY}:
        public = ADMITTED[POLICY.get(f"GET {path}", POLICY.get(f"POST {path}", Audience.OWNER))]
        for method in METHODS:
            if f"{method} {path}" in POLICY:
                continue
            unknown = await cast.api.request(method, path.format(**ids))
            known = await cast.signed_in(STRANGER)
            named = await cast.api.request(method, path.format(**ids), headers=known)
            # A literal path may be another's parameter: then it is no id.
            fits = named.status_code == 422 or (named.status_code == 405 and _is_told(named))
            refused = unknown.status_code == (405 if public is EVERYBODY else 401)
            # What has a GET may have a HEAD, for the same people.
            if method == "HEAD" and named.is_success:
                fits, refused = not named.content, refused or (public is EVERYBODY)
            if not fits or not refused:
                wrong.append(f"{method} {path}: {unknown.status_code}, {named.status_code}")
    assert wrong == []


async def test_the_pages_are_for_everybody_and_the_rest_for_nobody_unknown(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    assert [(await api.get(page)).status_code for page in PAGES] == [307, 200, 200, 200, 200]
    reader = await sign_in("ada")
    for path in (
        "/nothing",
        "/docs/",
        "//auth/login",
        "/AUTH/login",
        "/auth/login/x",
        "/healthz//",
    ):
        assert (await api.get(path)).status_code == 401
        assert (await api.get(path, headers=reader)).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/docs%2f..%2fusers%2fme",
        "/healthz/../users/me",
        "/%75sers/me",
        "/users%2Fme",
    ],
)
async def test_no_spelling_of_a_path_goes_around_the_gate(
    api: httpx.AsyncClient, path: str
) -> None:
    assert (await api.get(path)).status_code == 401


async def test_what_is_not_the_callers_to_say_is_refused(cast: Cast) -> None:
    ids = {**await cast.new_ids(), "user_id": NOBODY}
    for method, path, about in await _routes(cast.api):
        example = EXAMPLES.get(about["operationId"])
        for name, value in NEVER_TAKEN.items() if example else ():
            if name in (example or {}):
                continue
            answer = await cast.api.request(
                method,
                path.format(**ids),
                json={**(example or {}), name: value},
                headers=cast.headers[ADMIN],
            )
            assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), path
            assert answer.json()["errors"][0]["loc"] == ["body", name]


@pytest.mark.parametrize("name", ["id", "added_by", "role", "storage_key", "created_at", "version"])
async def test_a_form_says_no_more_than_it_may(
    api: httpx.AsyncClient, sign_in: SignIn, name: str
) -> None:
    file = {"file": ("a.txt", b"The keeper reads.")}
    reader = await sign_in("ada")
    answer = await api.post("/books", files=file, data={name: NOBODY}, headers=reader)
    assert answer.status_code == 422
    assert (await api.get("/books", headers=reader)).json()["total"] == 0


async def test_nobody_changes_what_others_wrote(cast: Cast) -> None:
    ids = await cast.new_ids()
    book, review = f"/books/{ids['book_id']}", f"/books/{ids['book_id']}/reviews/{ids['review_id']}"
    stranger, owner = cast.headers[STRANGER], cast.headers[OWNER]
    before = [
        (await cast.api.get(path, headers=owner)).json() for path in (book, f"{book}/reviews")
    ]
    said = {"rating": 1, "text": "Taken over."}
    refused = [
        await cast.api.put(review, json=said, headers=stranger),
        await cast.api.put(review, json=said, headers=cast.headers[LIBRARIAN]),
        await cast.api.delete(review, headers=stranger),
        await cast.api.put(book, json={"title": "Mine"}, headers=stranger),
        await cast.api.delete(book, headers=stranger),
    ]
    assert [answer.status_code for answer in refused] == [403] * 5
    after = [(await cast.api.get(path, headers=owner)).json() for path in (book, f"{book}/reviews")]
    assert after == before


async def test_a_review_is_found_under_its_own_book_only(cast: Cast) -> None:
    mine, other = await cast.new_ids(), await cast.new_ids()
    path = f"/books/{other['book_id']}/reviews/{mine['review_id']}"
    answer = await cast.api.delete(path, headers=cast.headers[OWNER])
    assert (answer.status_code, answer.json()["code"]) == (404, "review_not_found")


@pytest.mark.parametrize("name", [STRANGER, LIBRARIAN, ADMIN])
async def test_nobody_returns_or_sees_the_loans_of_others(cast: Cast, name: str) -> None:
    ids = await cast.new_ids()
    other = cast.headers[name]
    for act in ("return", "renew"):
        answer = await cast.api.post(f"/books/{ids['book_id']}/{act}", headers=other)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_borrowed")
    assert (await cast.api.get("/users/me/loans", headers=other)).json()["total"] == 0
    mine = await cast.api.get("/users/me/loans?open=true", headers=cast.headers[OWNER])
    assert [loan["book_id"] for loan in mine.json()["items"]] == [ids["book_id"]]


async def test_nobody_answers_for_another_reader(cast: Cast) -> None:
    ids = await cast.new_ids()
    path = f"/recommendations/{ids['recommendation_id']}/feedback"
    liked = {"book_id": ids["book_id"], "action": "like"}
    for name in (STRANGER, LIBRARIAN, ADMIN):
        answer = await cast.api.post(path, json=liked, headers=cast.headers[name])
        assert answer.status_code == 404
    stated = {"genres": [{"name": "sea", "weight": 1}]}
    await cast.api.put("/users/me/preferences", json=stated, headers=cast.headers[OWNER])
    seen = await cast.api.get("/users/me/preferences", headers=cast.headers[STRANGER])
    assert seen.json()["genres"] == []


async def test_an_address_is_one_however_it_is_written(api: httpx.AsyncClient) -> None:
    for taken in ("André@library.test", "k@library.test"):
        body = {"email": taken, "password": PASSWORD}
        assert (await api.post("/auth/signup", json=body)).status_code == 201
    for same in ("Andre\u0301@library.test", "ＡNDRÉ@library.test", "\u212a@library.test"):
        body = {"email": same, "password": PASSWORD}
        assert (await api.post("/auth/signup", json=body)).json()["code"] == "email_taken"
        assert (await api.post("/auth/login", json=body)).status_code == 200
    for hidden in ("k\u200b@library.test", "\u202ek@library.test", "k＠library@test"):
        body = {"email": hidden, "password": PASSWORD}
        assert (await api.post("/auth/signup", json=body)).status_code == 422


def _in_order(routes: Iterable[str]) -> list[str]:
    middle = [route for route in routes if route not in (*FIRST, *LAST)]
    return [*FIRST, *middle, *LAST]


def _is_told(answer: httpx.Response) -> bool:
    return answer.request.method not in answer.headers["allow"].split(", ")


async def _erase(api: httpx.AsyncClient, headers: Headers) -> None:
    gone = await api.request("DELETE", "/users/me", headers=headers)
    assert gone.status_code == 204, gone.text


async def _routes(api: httpx.AsyncClient) -> list[tuple[str, str, dict[str, Any]]]:
    paths = (await api.get("/openapi.json")).json()["paths"]
    return [(method, path, about) for path in paths for method, about in paths[path].items()]


async def _tried(cast: Cast, route: str, about: dict[str, Any], name: str) -> httpx.Response:
    method, _, path = route.partition(" ")
    ids, headers = await cast.ids(), await cast.signed_in(name)
    # The example says a wrong password, which is a 401 of another kind.
    examples = {**EXAMPLES, "erase_account": {"password": PASSWORD}}
    body = examples.get(about["operationId"])
    answer = await cast.api.request(
        method, path.format(**ids, user_id=NOBODY), json=body, headers=headers
    )
    if method == "DELETE" and answer.is_success:
        cast.spoil()
    return answer


def _is_right(answer: httpx.Response, name: str, allowed: frozenset[str]) -> bool:
    """Whether it is let through (as far as the things themselves allow it) or sent away."""
    if allowed is EVERYBODY:
        code = answer.headers["content-type"].endswith("+json") and answer.json()["code"]
        return code not in ("not_authenticated", "forbidden", "internal_error")
    if name in NO_LONGER:
        return answer.status_code == 401 and "Bearer" in answer.headers["www-authenticate"]
    if name in allowed:
        return answer.status_code not in (401, 403) and answer.status_code < 500
    return answer.status_code == 403


def _secrets_in(answers: list[httpx.Response]) -> list[str]:
    found = []
    for answer in answers:
        if answer.content and "json" in answer.headers.get("content-type", ""):
            body = {} if answer.url.path == "/openapi.json" else answer.json()
            found += [f"{answer.url}: {key}" for key in _keys_of(body) if key in NEVER_SHOWN]
        if "bcrypt" in answer.text or "$2b$" in answer.text:
            found.append(f"{answer.url}: a hash")
    return found


def _keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from _keys_of(inner)
