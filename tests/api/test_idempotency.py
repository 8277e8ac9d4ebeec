"""The same request again gets the first answer again, and has no second effect."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.api.application import create_api
from app.api.gate import Limits
from app.bootstrap.library import Library
from tests.api.conftest import Headers, Shelve, SignIn
from tests.library import client_of

Send = Callable[[], Any]


def keyed(headers: Headers, key: str = "key-1") -> Headers:
    return {**headers, "Idempotency-Key": key}


async def upload(
    api: httpx.AsyncClient, headers: Headers, content: bytes = b"A text.", **fields: Any
) -> httpx.Response:
    return await api.post(
        "/books", files={"file": ("a.txt", content)}, data=fields, headers=headers
    )


async def total(api: httpx.AsyncClient, headers: Headers) -> int:
    return int((await api.get("/books", headers=headers)).json()["total"])


def same(first: httpx.Response, second: httpx.Response) -> bool:
    names = ("content-type", "location", "etag")
    kept = [first.headers.get(n) == second.headers.get(n) for n in names]
    return (
        all(kept)
        and (first.status_code, first.content) == (second.status_code, second.content)
        and second.headers.get("Idempotency-Replayed") == "true"
        and "Idempotency-Replayed" not in first.headers
    )


async def test_an_upload_sent_again_makes_no_second_book(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    headers = keyed(await sign_in("ada"))
    first = await upload(api, headers, title="One", tags="a,b")
    # httpx draws another boundary each time, as every client does
    second = await upload(api, headers, title="One", tags="a,b")
    assert first.status_code == 202
    assert same(first, second)
    assert await total(api, headers) == 1


async def test_another_upload_under_the_same_key_is_refused(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    headers = keyed(await sign_in("ada"))
    await upload(api, headers, title="One")
    for other in (
        await upload(api, headers, title="Two"),
        await upload(api, headers, b"Another text.", title="One"),
        await upload(api, headers),
    ):
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert await total(api, headers) == 1


async def test_an_upload_that_failed_may_be_mended_under_its_key(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    headers = keyed(await sign_in("ada"))
    assert (await upload(api, headers, b"")).status_code == 422
    assert (await upload(api, headers, b"\x7fELF\0")).status_code == 415
    assert (await api.post("/books", content=b"{}", headers=headers)).status_code == 415
    assert (await upload(api, headers)).status_code == 202


async def test_an_answer_that_was_a_refusal_is_remembered_too(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    headers = await sign_in("ada")
    await upload(api, headers)
    first = await upload(api, keyed(headers))
    second = await upload(api, keyed(headers))
    assert first.status_code == 409
    assert same(first, second)


async def test_a_book_borrowed_again_is_borrowed_once(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    headers, book = keyed(await sign_in("ada")), await shelve()
    path = f"/books/{book['id']}/borrow"
    first = await api.post(path, headers=headers)
    assert first.status_code == 201
    assert same(first, await api.post(path, headers=headers))
    loans = await api.get("/users/me/loans", headers=headers)
    assert loans.json()["total"] == 1
    # a body is no part of this request, but where one is sent it is sent again
    other = await shelve("Other")
    path = f"/books/{other['id']}/borrow"
    first = await api.post(path, json={}, headers=headers)
    assert same(first, await api.post(path, json={}, headers=headers))


async def test_a_review_sent_again_is_kept_once(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    headers, book = keyed(await sign_in("ada")), await shelve()
    await api.post(f"/books/{book['id']}/borrow", headers=headers)
    path, review = f"/books/{book['id']}/reviews", {"rating": 4, "text": "Good."}
    first = await api.post(path, json=review, headers=headers)
    assert first.status_code == 201
    assert same(first, await api.post(path, json=review, headers=headers))
    other = await api.post(path, json={**review, "rating": 5}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


async def test_one_key_serves_each_reader_and_each_path_on_its_own(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    ada, grace, book = await sign_in("ada"), await sign_in("grace"), await shelve(copies=2)
    for who in (ada, grace):
        lent = await api.post(f"/books/{book['id']}/borrow", headers=keyed(who))
        assert lent.status_code == 201
    review = {"rating": 4, "text": "Good."}
    told = await api.post(f"/books/{book['id']}/reviews", json=review, headers=keyed(ada))
    assert told.status_code == 201


async def test_the_same_key_at_once_has_one_effect(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    headers, book = keyed(await sign_in("ada")), await shelve(copies=9)
    send = [upload(api, headers, b"The very same.") for _ in range(8)]
    lend = [api.post(f"/books/{book['id']}/borrow", headers=headers) for _ in range(8)]
    for answers, good in (
        (await asyncio.gather(*send), 202),
        (await asyncio.gather(*lend), 201),
    ):
        codes = {a.status_code for a in answers}
        assert good in codes
        assert codes <= {good, 409}
        bodies = {a.content for a in answers if a.status_code == good}
        assert len(bodies) == 1
        refused = {a.json()["code"] for a in answers if a.status_code == 409}
        assert refused <= {"idempotency_conflict"}
    assert await total(api, headers) == 2


async def test_the_answer_is_there_before_the_work_behind_it_is_done(
    library: Library, sign_in: SignIn
) -> None:
    working, done = asyncio.Event(), asyncio.Event()

    async def kick() -> None:
        working.set()
        await done.wait()

    app = create_api(library.services, limits=Limits(upload=1 << 20), kick=kick)
    headers = keyed(await sign_in("ada"))
    async with client_of(app) as api:
        first = asyncio.create_task(upload(api, headers))
        await working.wait()
        second = await upload(api, headers)
        done.set()
        assert same(await first, second)


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "a\tb"])
async def test_a_bad_key_is_refused(api: httpx.AsyncClient, sign_in: SignIn, key: str) -> None:
    bearer = {k.encode(): v.encode() for k, v in (await sign_in("ada")).items()}
    headers = {**bearer, b"Idempotency-Key": key.encode()}
    refused = await api.post(f"/books/{uuid4()}/borrow", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_idempotency_key")


async def test_a_body_too_large_is_refused_under_a_key_too(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    async def endless() -> Any:
        for _ in range(64):
            yield b"a" * 65_536

    headers, book = keyed(await sign_in("ada")), await shelve()
    path = f"/books/{book['id']}/reviews"
    for _ in range(2):
        refused = await api.post(path, content=endless(), headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")
    await upload(api, headers)
    again = await api.post(
        "/books",
        content=endless(),
        headers={**headers, "Content-Type": "multipart/form-data; boundary=a"},
    )
    assert again.status_code in (413, 422)


async def test_a_strange_path_is_no_crash(api: httpx.AsyncClient, sign_in: SignIn) -> None:
    headers = keyed(await sign_in("ada"))
    for name in ("%00", "x", "%F0%9F%98%80", "a" * 3000, str(uuid4())):
        answer = await api.post(f"/books/{name}/borrow", headers=headers)
        assert answer.status_code in (400, 404, 422), name
