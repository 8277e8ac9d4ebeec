"""Accounts over HTTP: the real application on a real database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

Headers = dict[str, str]
SignIn = Callable[[str], Awaitable[Headers]]
HALF_A_CHARACTER = rb'{"email": "ann@example.com", "password": "\ud800 plain sentence"}'
PASSWORD, OTHER = "a plain sentence", "quite another one"


async def sign_up(api: httpx.AsyncClient, email: str = "ann@example.com") -> dict[str, Any]:
    answer = await api.post("/auth/signup", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def log_in(
    api: httpx.AsyncClient, email: str = "ann@example.com", password: str = PASSWORD
) -> httpx.Response:
    return await api.post("/auth/login", json={"email": email, "password": password})


async def tokens(api: httpx.AsyncClient, email: str = "ann@example.com") -> dict[str, Any]:
    answer = await log_in(api, email)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def bearer(held: dict[str, Any]) -> Headers:
    return {"Authorization": f"Bearer {held['access_token']}"}


async def refresh(api: httpx.AsyncClient, held: dict[str, Any]) -> httpx.Response:
    return await api.post("/auth/refresh", json={"refresh_token": held["refresh_token"]})


async def status_of_me(api: httpx.AsyncClient, headers: Headers) -> int:
    return (await api.get("/users/me", headers=headers)).status_code


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


async def test_a_reader_signs_up_signs_in_and_sees_themselves(api: httpx.AsyncClient) -> None:
    user = await sign_up(api)
    assert {"id", "email", "display_name", "role", "created_at"} <= user.keys()
    assert (user["email"], user["display_name"], user["role"]) == (
        "ann@example.com", "ann", "member",
    )  # fmt: skip
    me = await api.get("/users/me", headers=bearer(await tokens(api)))
    assert (me.status_code, me.json()) == (200, user)


async def test_signing_in_by_form_is_as_good_as_by_json(api: httpx.AsyncClient) -> None:
    await sign_up(api)
    form = {"grant_type": "password", "username": "ann@example.com", "password": PASSWORD}
    answer = await api.post("/auth/login", data=form)
    assert answer.status_code == 200
    assert answer.json().keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 900)
    assert await status_of_me(api, bearer(answer.json())) == 200


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422),
        ({"content": b"<a/>", "headers": {"Content-Type": "text/xml"}}, 415),
        ({"json": {"email": "ann@example.com"}}, 422),
        ({"json": {"email": "ann@example.com", "password": PASSWORD, "more": 1}}, 422),
        ({"json": {"email": "ann\x00@example.com", "password": PASSWORD}}, 422),
        ({"content": HALF_A_CHARACTER, "headers": {"Content-Type": "application/json"}}, 422),
        ({"json": {"email": "ann@example.com", "password": "x" * 1025}}, 422),
        ({"json": ["ann@example.com", PASSWORD]}, 422),
        ({"data": {"username": "ann@example.com"}}, 422),
        ({"data": {"username": "a\x00b", "password": "nul \x00 inside"}}, 422),
        ({"data": {"username": "ann@example.com", "password": "nul \x00 inside"}}, 401),
    ],
)
async def test_what_is_no_sign_in_is_refused(
    api: httpx.AsyncClient, sent: dict[str, Any], expected: int
) -> None:
    answer = await api.post("/auth/login", **sent)
    assert problem(answer)[0] == expected
    assert PASSWORD not in answer.text


async def test_an_address_is_taken_once(api: httpx.AsyncClient) -> None:
    await sign_up(api)
    body = {"email": "ANN@example.com", "password": PASSWORD}
    assert problem(await api.post("/auth/signup", json=body)) == (409, "email_taken")


async def test_a_weak_password_is_refused_with_what_would_pass(api: httpx.AsyncClient) -> None:
    body = {"email": "ann@example.com", "password": "hunter2024"}
    answer = await api.post("/auth/signup", json=body)
    assert problem(answer) == (422, "weak_password")
    assert "would pass" in answer.json()["detail"]
    assert "hunter2024" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"email": "no address", "password": PASSWORD},
        {"email": "ann@example.com"},
        {"email": "ann@example.com", "password": PASSWORD, "role": "admin"},
        {"email": "ann@example.com", "password": PASSWORD, "display_name": " "},
        {"email": "ann@example.com", "password": 12345678},
    ],
)
async def test_a_wrong_sign_up_makes_no_account(
    api: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    assert problem(await api.post("/auth/signup", json=body)) == (422, "validation_failed")
    assert (await log_in(api)).status_code == 401


async def test_half_a_character_is_no_part_of_a_password(api: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await api.post("/auth/signup", content=HALF_A_CHARACTER, headers=headers)
    assert problem(answer)[0] == 422


async def test_a_wrong_password_and_an_unknown_address_look_alike(api: httpx.AsyncClient) -> None:
    await sign_up(api)
    wrong, unknown = await log_in(api, password=OTHER), await log_in(api, "bob@example.com")
    assert problem(wrong) == problem(unknown) == (401, "invalid_credentials")
    assert wrong.json()["detail"] == unknown.json()["detail"]
    assert wrong.headers["www-authenticate"].startswith("Bearer")


async def test_the_eleventh_wrong_password_has_to_wait(api: httpx.AsyncClient) -> None:
    await sign_up(api)
    statuses = [(await log_in(api, password=OTHER)).status_code for _ in range(10)]
    assert statuses == [401] * 10
    answer = await log_in(api)
    assert problem(answer) == (429, "too_many_requests")
    assert 0 < int(answer.headers["retry-after"]) <= 900


async def test_signing_out_takes_effect_on_the_next_request(api: httpx.AsyncClient) -> None:
    await sign_up(api)
    first, second = await tokens(api), await tokens(api)
    assert (await api.post("/auth/signout", headers=bearer(first))).status_code == 204
    answer = await api.get("/users/me", headers=bearer(first))
    assert problem(answer) == (401, "invalid_token")
    assert problem(await refresh(api, first)) == (401, "invalid_token")
    assert await status_of_me(api, bearer(second)) == 200


async def test_signing_out_everywhere_ends_all_sessions(api: httpx.AsyncClient) -> None:
    await sign_up(api)
    first, second = await tokens(api), await tokens(api)
    await api.post("/auth/signout?everywhere=true", headers=bearer(first))
    assert [await status_of_me(api, bearer(held)) for held in (first, second)] == [401, 401]


async def test_a_spent_refresh_token_ends_the_whole_session(api: httpx.AsyncClient) -> None:
    await sign_up(api)
    first = await tokens(api)
    second = (await refresh(api, first)).json()
    assert await status_of_me(api, bearer(second)) == 200
    assert problem(await refresh(api, first)) == (401, "invalid_token")
    assert await status_of_me(api, bearer(second)) == 401
    assert problem(await refresh(api, second)) == (401, "invalid_token")


async def test_of_50_parallel_refreshes_one_wins(api: httpx.AsyncClient) -> None:
    await sign_up(api)
    held = await tokens(api)
    answers = await asyncio.gather(*(refresh(api, held) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 49


async def test_an_access_token_is_no_refresh_token_nor_the_other_way_round(
    api: httpx.AsyncClient,
) -> None:
    await sign_up(api)
    held = await tokens(api)
    swapped = {"access_token": held["refresh_token"], "refresh_token": held["access_token"]}
    assert problem(await refresh(api, swapped)) == (401, "invalid_token")
    assert await status_of_me(api, bearer(swapped)) == 401
    assert await status_of_me(api, bearer(held)) == 200


async def test_a_reader_renames_themselves_and_nothing_else(api: httpx.AsyncClient) -> None:
    await sign_up(api)
    headers = bearer(await tokens(api))
    answer = await api.patch("/users/me", json={"display_name": " Annie "}, headers=headers)
    assert answer.json()["display_name"] == "Annie"
    assert (await api.get("/users/me", headers=headers)).json()["display_name"] == "Annie"
    answer = await api.patch("/users/me", json={"role": "admin"}, headers=headers)
    assert problem(answer) == (422, "validation_failed")


async def test_a_new_password_ends_the_other_sessions(api: httpx.AsyncClient) -> None:
    await sign_up(api)
    here, elsewhere = await tokens(api), await tokens(api)
    body = {"current_password": PASSWORD, "new_password": OTHER}
    answer = await api.post("/users/me/password", json=body, headers=bearer(here))
    assert answer.status_code == 204
    assert [await status_of_me(api, bearer(held)) for held in (here, elsewhere)] == [200, 401]
    assert (await log_in(api, password=OTHER)).status_code == 200
    again = await api.post("/users/me/password", json=body, headers=bearer(here))
    assert problem(again) == (401, "invalid_credentials")


async def test_an_erased_account_is_gone(api: httpx.AsyncClient) -> None:
    await sign_up(api)
    headers = bearer(await tokens(api))
    assert (await api.delete("/users/me", headers=headers)).status_code == 204
    assert await status_of_me(api, headers) == 401
    assert (await log_in(api)).status_code == 401
    await sign_up(api)


async def test_the_password_may_be_said_again_to_erase_the_account(api: httpx.AsyncClient) -> None:
    await sign_up(api)
    headers = bearer(await tokens(api))
    wrong = await api.request("DELETE", "/users/me", json={"password": OTHER}, headers=headers)
    assert problem(wrong) == (401, "invalid_credentials")
    odd = await api.request("DELETE", "/users/me", json={"sure": True}, headers=headers)
    assert problem(odd) == (422, "validation_failed")
    right = await api.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=headers)
    assert right.status_code == 204
    assert (await log_in(api)).status_code == 401


async def test_a_session_of_yesterday_erases_nothing_without_the_password(
    api: httpx.AsyncClient, database_url: str
) -> None:
    await sign_up(api)
    headers = bearer(await tokens(api))
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE sessions SET created_at = created_at - interval '1 day'")
    answer = await api.delete("/users/me", headers=headers)
    assert problem(answer) == (403, "password_needed")
    assert await status_of_me(api, headers) == 200


async def test_only_an_admin_sees_the_users(
    api: httpx.AsyncClient, sign_in: SignIn, librarian: Headers, admin: Headers
) -> None:
    for headers in (await sign_in("ann"), librarian):
        assert problem(await api.get("/users", headers=headers)) == (403, "forbidden")
    page = (await api.get("/users?limit=1", headers=admin)).json()
    assert (len(page["items"]), page["total"]) == (1, 3)
    rest = (await api.get(f"/users?cursor={page['next_cursor']}", headers=admin)).json()
    assert (len(rest["items"]), rest["next_cursor"]) == (2, None)
    answer = await api.get("/users?cursor=WzFd", headers=admin)
    assert problem(answer) == (422, "invalid_cursor")


async def test_a_changed_role_holds_from_the_next_request_on(
    api: httpx.AsyncClient, admin: Headers
) -> None:
    user = await sign_up(api)
    held = bearer(await tokens(api))
    path = f"/users/{user['id']}"
    answer = await api.patch(path, json={"role": "librarian"}, headers=admin)
    assert (answer.status_code, answer.json()["role"]) == (200, "librarian")
    assert (await api.get("/users/me", headers=held)).json()["role"] == "librarian"
    assert problem(await api.patch(path, json={"role": "king"}, headers=admin))[0] == 422
    assert problem(await api.patch(path, json={"role": "admin"}, headers=held))[0] == 403


async def test_who_is_disabled_is_out_at_once(api: httpx.AsyncClient, admin: Headers) -> None:
    user = await sign_up(api)
    held = await tokens(api)
    await api.patch(f"/users/{user['id']}", json={"disabled": True}, headers=admin)
    assert await status_of_me(api, bearer(held)) == 401
    assert problem(await refresh(api, held)) == (401, "invalid_token")
    assert problem(await log_in(api)) == (401, "invalid_credentials")


async def test_the_last_admin_stays_and_strangers_are_not_found(
    api: httpx.AsyncClient, admin: Headers
) -> None:
    me = (await api.get("/users/me", headers=admin)).json()
    answer = await api.patch(f"/users/{me['id']}", json={"role": "member"}, headers=admin)
    assert problem(answer) == (409, "last_admin")
    answer = await api.patch(f"/users/{uuid4()}", json={"disabled": True}, headers=admin)
    assert problem(answer) == (404, "user_not_found")


async def test_the_docs_know_both_ways_of_signing_in(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    content = document["paths"]["/auth/login"]["post"]["requestBody"]["content"]
    assert content.keys() == {"application/x-www-form-urlencoded", "application/json"}
