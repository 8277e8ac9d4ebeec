from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import Shelve, SignIn


async def test_a_book_is_borrowed_renewed_and_returned(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader, book = await sign_in("ada"), await shelve()
    lent = await api.post(f"/books/{book['id']}/borrow", headers=reader)
    assert lent.status_code == 201
    loan = lent.json()
    assert loan["book_id"] == book["id"]
    assert (loan["returned_at"], loan["overdue"], loan["renewals"]) == (None, False, 0)
    assert (await api.get(f"/books/{book['id']}", headers=reader)).json()["available"] == 0

    renewed = await api.post(f"/books/{book['id']}/renew", headers=reader)
    assert (renewed.status_code, renewed.json()["renewals"]) == (200, 1)

    returned = await api.post(f"/books/{book['id']}/return", headers=reader)
    assert returned.status_code == 200
    assert returned.json()["id"] == loan["id"]
    assert returned.json()["returned_at"]
    assert (await api.get(f"/books/{book['id']}", headers=reader)).json()["available"] == 1


async def test_the_last_copy_is_lent_once(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    first, second, book = await sign_in("ada"), await sign_in("grace"), await shelve()
    await api.post(f"/books/{book['id']}/borrow", headers=first)
    again = await api.post(f"/books/{book['id']}/borrow", headers=first)
    taken = await api.post(f"/books/{book['id']}/borrow", headers=second)
    assert (again.status_code, again.json()["code"]) == (409, "already_borrowed")
    assert (taken.status_code, taken.json()["code"]) == (409, "no_copy_available")


@pytest.mark.parametrize("act", ["return", "renew"])
async def test_only_a_borrowed_book_is_returned_or_renewed(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, act: str
) -> None:
    reader, book = await sign_in("ada"), await shelve()
    refused = await api.post(f"/books/{book['id']}/{act}", headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_borrowed")


async def test_a_loan_is_renewed_twice_at_most(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader, book = await sign_in("ada"), await shelve()
    await api.post(f"/books/{book['id']}/borrow", headers=reader)
    statuses = [
        (await api.post(f"/books/{book['id']}/renew", headers=reader)).status_code for _ in range(3)
    ]
    assert statuses == [200, 200, 409]


@pytest.mark.parametrize("act", ["borrow", "return", "renew"])
async def test_a_book_that_is_not_there_is_not_found(
    api: httpx.AsyncClient, sign_in: SignIn, act: str
) -> None:
    reader = await sign_in("ada")
    missing = await api.post(f"/books/{uuid4()}/{act}", headers=reader)
    assert (missing.status_code, missing.json()["code"]) == (404, "book_not_found")


async def test_a_reader_sees_their_loans(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader, other = await sign_in("ada"), await sign_in("grace")
    books = [await shelve(title) for title in ("One", "Two", "Three")]
    for book in books:
        await api.post(f"/books/{book['id']}/borrow", headers=reader)
    await api.post(f"/books/{books[0]['id']}/return", headers=reader)

    first = (await api.get("/users/me/loans?limit=2", headers=reader)).json()
    assert (len(first["items"]), first["total"]) == (2, 3)
    query = {"limit": 2, "cursor": first["next_cursor"]}
    second = (await api.get("/users/me/loans", params=query, headers=reader)).json()
    assert second["next_cursor"] is None
    seen = [loan["book_id"] for loan in first["items"] + second["items"]]
    assert seen == [book["id"] for book in reversed(books)]

    still_out = (await api.get("/users/me/loans?open=true", headers=reader)).json()
    back = (await api.get("/users/me/loans?open=false", headers=reader)).json()
    assert (still_out["total"], back["total"]) == (2, 1)
    assert (await api.get("/users/me/loans", headers=other)).json()["items"] == []


async def test_a_cursor_of_another_list_is_refused(api: httpx.AsyncClient, sign_in: SignIn) -> None:
    refused = await api.get("/users/me/loans?cursor=nonsense", headers=await sign_in("ada"))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")


async def test_nobody_borrows_without_signing_in(api: httpx.AsyncClient) -> None:
    assert (await api.post(f"/books/{uuid4()}/borrow")).status_code == 401
    assert (await api.get("/users/me/loans")).status_code == 401
