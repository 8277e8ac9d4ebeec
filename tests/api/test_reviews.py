from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import Drain, Headers, Shelve, SignIn

OPINION = {"rating": 4, "text": "The plot is brilliant. The ending is terrible."}


@pytest.fixture
async def book(shelve: Shelve) -> str:
    return str((await shelve(copies=5))["id"])


@pytest.fixture
def borrower(api: httpx.AsyncClient, sign_in: SignIn, book: str) -> SignIn:
    """Signs in a reader who has the book on loan."""

    async def borrower(name: str) -> Headers:
        headers = await sign_in(name)
        await api.post(f"/books/{book}/borrow", headers=headers)
        return headers

    return borrower


async def post(api: httpx.AsyncClient, book: str, reader: Headers, **changes: Any) -> Any:
    return await api.post(f"/books/{book}/reviews", json=OPINION | changes, headers=reader)


async def test_a_borrower_reviews_the_book(
    api: httpx.AsyncClient, book: str, borrower: SignIn
) -> None:
    reader = await borrower("ada")
    answer = await post(api, book, reader)
    assert answer.status_code == 201
    review = answer.json()
    assert (review["book_id"], review["rating"], review["text"]) == (book, 4, OPINION["text"])
    assert review["reviewer"]
    listed = (await api.get(f"/books/{book}/reviews", headers=reader)).json()
    assert (listed["items"], listed["total"]) == ([review], 1)


async def test_who_never_borrowed_it_may_not_review_it(
    api: httpx.AsyncClient, book: str, sign_in: SignIn
) -> None:
    refused = await post(api, book, await sign_in("ada"))
    assert (refused.status_code, refused.json()["code"]) == (403, "not_borrowed")


async def test_one_review_a_reader(api: httpx.AsyncClient, book: str, borrower: SignIn) -> None:
    reader = await borrower("ada")
    await post(api, book, reader)
    refused = await post(api, book, reader)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_reviewed")


@pytest.mark.parametrize(
    "body",
    [
        {"rating": 0, "text": "No stars."},
        {"rating": 6, "text": "Six stars."},
        {"rating": 4.5, "text": "Half a star."},
        {"rating": "4", "text": "In words."},
        {"rating": 4, "text": ""},
        {"rating": 4, "text": " \n "},
        {"rating": 4, "text": "x" * 20_001},
        {"rating": 4, "text": "A \x00 in it."},
        {"rating": 4},
        {"rating": 4, "text": "Fine.", "user_id": str(uuid4())},
    ],
)
async def test_a_review_that_is_none_is_refused(
    api: httpx.AsyncClient, book: str, borrower: SignIn, body: dict[str, Any]
) -> None:
    answer = await api.post(f"/books/{book}/reviews", json=body, headers=await borrower("ada"))
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_an_author_edits_and_withdraws_their_review(
    api: httpx.AsyncClient, book: str, borrower: SignIn
) -> None:
    author, other = await borrower("ada"), await borrower("grace")
    review = (await post(api, book, author)).json()
    place, words = f"/books/{book}/reviews/{review['id']}", {"rating": 2, "text": "Less so."}
    assert (await api.put(place, json=words, headers=other)).status_code == 403
    edited = await api.put(place, json=words, headers=author)
    assert edited.status_code == 200
    assert (edited.json()["rating"], edited.json()["text"]) == (2, "Less so.")
    assert (await api.delete(place, headers=other)).status_code == 403
    assert (await api.delete(place, headers=author)).status_code == 204
    gone = await api.delete(place, headers=author)
    assert (gone.status_code, gone.json()["code"]) == (404, "review_not_found")


async def test_a_librarian_deletes_a_review_but_edits_none(
    api: httpx.AsyncClient, book: str, borrower: SignIn, librarian: Headers
) -> None:
    review = (await post(api, book, await borrower("ada"))).json()
    place = f"/books/{book}/reviews/{review['id']}"
    assert (await api.put(place, json=OPINION, headers=librarian)).status_code == 403
    assert (await api.delete(place, headers=librarian)).status_code == 204


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("-created_at", [1, 5, 3]),
        ("created_at", [3, 5, 1]),
        ("rating", [1, 3, 5]),
        ("-rating", [5, 3, 1]),
    ],
)
async def test_reviews_are_sorted_and_paged(
    api: httpx.AsyncClient, book: str, borrower: SignIn, sort: str, expected: list[int]
) -> None:
    for name, rating in (("ada", 3), ("grace", 5), ("joan", 1)):
        reader = await borrower(name)
        await post(api, book, reader, rating=rating)
    place, query = f"/books/{book}/reviews", {"sort": sort, "limit": "2"}
    first = (await api.get(place, params=query, headers=reader)).json()
    query["cursor"] = first["next_cursor"]
    second = (await api.get(place, params=query, headers=reader)).json()
    assert [review["rating"] for review in first["items"] + second["items"]] == expected
    assert second["next_cursor"] is None


async def test_an_order_nobody_knows_is_refused(
    api: httpx.AsyncClient, book: str, sign_in: SignIn
) -> None:
    headers = await sign_in("ada")
    answer = await api.get(f"/books/{book}/reviews?sort=text", headers=headers)
    assert answer.status_code == 422


async def test_a_book_that_is_not_there_is_not_found(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    reader, nowhere = await sign_in("ada"), f"/books/{uuid4()}"
    answers = [
        await api.post(f"{nowhere}/reviews", json=OPINION, headers=reader),
        await api.get(f"{nowhere}/reviews", headers=reader),
        await api.put(f"{nowhere}/reviews/{uuid4()}", json=OPINION, headers=reader),
        await api.delete(f"{nowhere}/reviews/{uuid4()}", headers=reader),
        await api.get(f"{nowhere}/analysis", headers=reader),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (404, "book_not_found")


async def test_without_a_review_there_is_no_consensus(
    api: httpx.AsyncClient, book: str, sign_in: SignIn
) -> None:
    answer = await api.get(f"/books/{book}/analysis", headers=await sign_in("ada"))
    assert answer.status_code == 200
    assert answer.json() == {
        "book_id": book,
        "status": "none",
        "consensus": None,
        "sentiment": None,
        "aspects": [],
        "rating": {
            "average": None,
            "count": 0,
            "histogram": {"1": 0, "2": 0, "3": 0, "4": 0, "5": 0},
        },
        "reviews_covered": 0,
        "source": None,
        "updated_at": None,
    }


async def test_the_consensus_follows_the_reviews(
    api: httpx.AsyncClient, book: str, borrower: SignIn, drain: Drain
) -> None:
    reader, other = await borrower("ada"), await borrower("grace")
    review = (await post(api, book, reader)).json()
    await post(api, book, other, rating=5, text="The plot is clever and gripping.")
    await drain()
    analysis = (await api.get(f"/books/{book}/analysis", headers=reader)).json()
    assert analysis["status"] == "fresh"
    assert analysis["consensus"]
    assert analysis["reviews_covered"] == 2
    assert analysis["rating"]["average"] == 4.5
    assert analysis["rating"]["histogram"] == {"1": 0, "2": 0, "3": 0, "4": 1, "5": 1}
    assert -1 <= analysis["sentiment"] <= 1
    aspects = {aspect["name"]: aspect for aspect in analysis["aspects"]}
    assert (aspects["plot"]["positive"], aspects["plot"]["readers"]) == (2, 2)
    assert not any(aspect["free"] for aspect in aspects.values())
    assert {quote["review_id"] for quote in aspects["ending"]["quotes"]} == {review["id"]}
    assert set(analysis["source"]) == {"provider", "model", "prompt", "degraded"}

    await api.delete(f"/books/{book}/reviews/{review['id']}", headers=reader)
    at_once = (await api.get(f"/books/{book}/analysis", headers=reader)).json()
    assert at_once["rating"]["count"] == 1
    assert "ending" not in {aspect["name"] for aspect in at_once["aspects"]}
    await drain()
    after = (await api.get(f"/books/{book}/analysis", headers=reader)).json()
    assert (after["status"], after["reviews_covered"]) == ("fresh", 1)
    assert "ending" not in (after["consensus"] or "")
