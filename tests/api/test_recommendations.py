import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from app.bootstrap.library import Library
from tests.api.conftest import PASSWORD, Headers, Shelve, SignIn
from tests.library import api_of, client_of, opened_library, settings_for_tests

NOTHING: dict[str, list[Any]] = {"genres": [], "authors": [], "tags": [], "languages": []}
KINDS = {"because_you_borrowed", "you_like_genre", "you_like_author", "readers_like_you", "popular"}
SENSELESS = [
    '{"genres": [{"name": "x", "weight": 1.01}]}',
    '{"genres": [{"name": "x", "weight": -1.01}]}',
    '{"genres": [{"name": "x", "weight": NaN}]}',
    '{"genres": [{"name": "x", "weight": Infinity}]}',
    '{"genres": [{"name": "x", "weight": 1e400}]}',
    '{"genres": [{"name": "x", "weight": 1%s}]}' % ("0" * 400),
    '{"genres": [{"name": "x", "weight": null}]}',
    '{"genres": [{"name": "x", "weight": "much"}]}',
    '{"genres": [{"name": "", "weight": 1}]}',
    '{"genres": [{"name": "  ", "weight": 1}]}',
    '{"genres": [{"name": "a\\u0000b", "weight": 1}]}',
    '{"genres": [{"name": "\\ud800", "weight": 1}]}',
    '{"genres": [{"name": "%s", "weight": 1}]}' % ("x" * 501),
    '{"genres": [{"name": "x", "weight": 1, "why": "because"}]}',
    '{"genres": [{"name": "Fantasy"}, {"name": " FANTASY "}]}',
    '{"genres": ["Fantasy"]}',
    '{"genres": {"name": "x", "weight": 1}}',
    '{"genres": null}',
    '{"moods": []}',
    '{"learned": {"genres": []}}',
    "[]",
    "null",
    "",
    "{",
    "[" * 100_000,
]


async def test_what_a_reader_prefers_is_kept_and_what_was_learnt_shown_beside(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    reader = await sign_in("ada")
    fresh = await api.get("/users/me/preferences", headers=reader)
    assert (fresh.status_code, fresh.json()) == (200, {**NOTHING, "learned": NOTHING})
    said = {
        "genres": [taste("Fantasy", 1.0), taste("Horror", -0.5)],
        "authors": [taste("Ursula K. Le Guin", 0.25)],
        "tags": [taste("海", 0.0)],
        "languages": [taste("en", 1.0)],
    }
    put = await api.put("/users/me/preferences", json=said, headers=reader)
    kept = await api.get("/users/me/preferences", headers=reader)
    assert put.status_code == 200
    assert put.json() == kept.json() == {**said, "learned": NOTHING}
    emptied = await api.put("/users/me/preferences", json={}, headers=reader)
    assert emptied.json() == {**NOTHING, "learned": NOTHING}


async def test_a_hundred_preferences_of_a_kind_are_the_most(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    reader = await sign_in("ada")
    hundred = [taste(f"genre {n}") for n in range(100)]
    assert (await prefer(api, reader, genres=hundred)).status_code == 200
    assert (await prefer(api, reader, genres=[*hundred, taste("more")])).status_code == 422
    assert len((await api.get("/users/me/preferences", headers=reader)).json()["genres"]) == 100


async def test_preferences_that_make_no_sense_are_refused(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    headers = {**await sign_in("ada"), "Content-Type": "application/json"}
    for body in SENSELESS:
        refused = await api.put("/users/me/preferences", content=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed"), body


async def test_preferences_put_at_the_same_time_do_not_fail(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    reader = await sign_in("ada")
    answers = await asyncio.gather(
        *(prefer(api, reader, genres=[taste(f"genre {n}")]) for n in range(8))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len((await api.get("/users/me/preferences", headers=reader)).json()["genres"]) == 1


async def test_an_empty_library_recommends_nothing(
    api: httpx.AsyncClient, sign_in: SignIn, library: Library
) -> None:
    answer = await api.get("/recommendations", headers=await sign_in("ada"))
    assert answer.status_code == 200
    assert answer.json()["items"] == []
    assert answer.json()["model"]["name"] == library.adapters.new_recommender().name
    assert answer.json()["recommendation_id"]


async def test_who_said_and_did_nothing_gets_popular_books(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader, other = await sign_in("ada"), await sign_in("grace")
    await shelve("One")
    read = await shelve("Two", copies=2)
    await api.post(f"/books/{read['id']}/borrow", headers=other)
    items = (await recommended(api, reader))["items"]
    assert [item["book"]["title"] for item in items] == ["Two", "One"]
    assert items[0]["book"] == (await api.get(f"/books/{read['id']}", headers=reader)).json()
    assert [kinds(item) for item in items] == [["popular"], ["popular"]]


async def test_preferences_alone_are_reason_enough(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader = await sign_in("ada")
    await shelve("Emma", author="Jane Austen", genre="Romance")
    await shelve("Earthsea", author="Ursula K. Le Guin", genre="Fantasy")
    await prefer(api, reader, genres=[taste("fantasy")], authors=[taste("jane austen", 0.3)])
    items = (await recommended(api, reader))["items"]
    said = [[(r["kind"], r["value"], r["text"]) for r in item["reasons"]] for item in items]
    assert said == [
        [("you_like_genre", "Fantasy", "You like Fantasy")],
        [("you_like_author", "Jane Austen", "You like Jane Austen")],
    ]
    assert items[0]["score"] > items[1]["score"] > 0


async def test_a_loan_changes_the_next_answer_and_is_never_in_it(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader = await sign_in("ada")
    read = await shelve("Earthsea", author="Ursula K. Le Guin", genre="Fantasy")
    alike = await shelve("Tehanu", author="Ursula K. Le Guin", genre="Fantasy")
    await shelve("Emma", author="Jane Austen", genre="Romance")
    assert read["id"] in shown(await recommended(api, reader))
    for deed in ("borrow", "return"):
        await api.post(f"/books/{read['id']}/{deed}", headers=reader)
        items = (await recommended(api, reader))["items"]
        assert read["id"] not in [item["book"]["id"] for item in items]
        assert items[0]["book"]["id"] == alike["id"]
        assert items[0]["reasons"][0] == {
            "kind": "because_you_borrowed",
            "book_id": read["id"],
            "value": None,
            "text": "Because you borrowed “Earthsea”",
        }
    learned = (await api.get("/users/me/preferences", headers=reader)).json()["learned"]
    assert [taste["name"] for taste in learned["genres"]] == ["Fantasy"]


async def test_a_dismissed_book_does_not_come_back(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader = await sign_in("ada")
    gone = await shelve("One", genre="Fantasy")
    kept = await shelve("Two", genre="Fantasy")
    answer = await recommended(api, reader)
    told = await react(api, reader, answer["recommendation_id"], gone["id"], "dismiss")
    assert (told.status_code, told.content) == (204, b"")
    await react(api, reader, answer["recommendation_id"], gone["id"], "like")
    assert shown(await recommended(api, reader)) == [kept["id"]]
    similar = await api.get(f"/books/{kept['id']}/similar", headers=reader)
    assert similar.json()["items"] == []


async def test_a_liked_book_speaks_for_its_kind_but_was_not_borrowed(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader = await sign_in("ada")
    liked = await shelve("One", author="A. Author", genre="Fantasy")
    await shelve("Two", author="B. Author", genre="Fantasy")
    answer = await recommended(api, reader)
    for _ in range(2):
        await react(api, reader, answer["recommendation_id"], liked["id"], "like")
    items = (await recommended(api, reader))["items"]
    assert {kind for item in items for kind in kinds(item)} == {"you_like_genre", "you_like_author"}


async def test_feedback_is_checked(api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve) -> None:
    reader, other = await sign_in("ada"), await sign_in("grace")
    book = await shelve("One")
    mine = (await recommended(api, reader))["recommendation_id"]
    unseen = await shelve("Two")
    cases = [
        (other, mine, book["id"], "like", 404, "recommendation_not_found"),
        (reader, str(uuid4()), book["id"], "like", 404, "recommendation_not_found"),
        (reader, mine, unseen["id"], "like", 422, "book_not_recommended"),
        (reader, mine, str(uuid4()), "like", 422, "book_not_recommended"),
        (reader, mine, book["id"], "burn", 422, "validation_failed"),
        (reader, mine, "one", "like", 422, "validation_failed"),
        (reader, "mine", book["id"], "like", 422, "validation_failed"),
    ]
    for asking, showing, about, action, status, code in cases:
        refused = await react(api, asking, showing, about, action)
        assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_feedback_on_a_book_that_was_withdrawn_finds_no_book(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, librarian: Headers
) -> None:
    reader, book = await sign_in("ada"), await shelve("One")
    mine = (await recommended(api, reader))["recommendation_id"]
    await api.delete(f"/books/{book['id']}", headers=librarian)
    refused = await react(api, reader, mine, book["id"], "like")
    assert (refused.status_code, refused.json()["code"]) == (404, "book_not_found")
    assert shown(await recommended(api, reader)) == []


async def test_similar_books_have_the_same_shape_and_speak_of_the_book(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader = await sign_in("ada")
    seed = await shelve("Earthsea", author="Ursula K. Le Guin", genre="Fantasy")
    alike = await shelve("Tehanu", author="Ursula K. Le Guin", genre="Fantasy")
    answer = (await api.get(f"/books/{seed['id']}/similar", headers=reader)).json()
    assert set(answer) == set(await recommended(api, reader))
    assert shown(answer)[0] == alike["id"]
    assert seed["id"] not in shown(answer)
    texts = [reason["text"] for reason in answer["items"][0]["reasons"]]
    assert texts[-1] == "Like “Earthsea”"
    assert not any("You" in text for text in texts)
    told = await react(api, reader, answer["recommendation_id"], alike["id"], "click")
    assert told.status_code == 204


async def test_books_without_an_author_are_not_by_the_same_one(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader = await sign_in("ada")
    seed = await shelve("Comets", text="Comets are old ice that melts near the sun each time.")
    await shelve("Bread", text="Flour and salt become dough, which rises under a warm cloth.")
    assert seed["author"] == "Unknown"
    answer = (await api.get(f"/books/{seed['id']}/similar", headers=reader)).json()
    assert "you_like_author" not in {kind for item in answer["items"] for kind in kinds(item)}


async def test_nothing_is_similar_to_what_is_not_there(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    missing = await api.get(f"/books/{uuid4()}/similar", headers=await sign_in("ada"))
    assert (missing.status_code, missing.json()["code"]) == (404, "book_not_found")


async def test_books_that_change_come_and_go_change_the_next_answer(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, librarian: Headers
) -> None:
    reader = await sign_in("ada")
    await prefer(api, reader, genres=[taste("Fantasy")])
    first = await shelve("One", genre="Fantasy")
    seen = [await recommended(api, reader)]
    second = await shelve("Two", genre="Fantasy")
    seen.append(await recommended(api, reader))
    body = {"title": "Two", "genres": ["Horror"]}
    await api.put(f"/books/{second['id']}", json=body, headers=librarian)
    seen.append(await recommended(api, reader))
    await api.delete(f"/books/{first['id']}", headers=librarian)
    seen.append(await recommended(api, reader))
    assert [dict(zip(shown(each), map(kinds, each["items"]), strict=True)) for each in seen] == [
        {first["id"]: ["you_like_genre"]},
        {first["id"]: ["you_like_genre"], second["id"]: ["you_like_genre"]},
        {first["id"]: ["you_like_genre"], second["id"]: ["popular"]},
        {second["id"]: ["popular"]},
    ]
    assert len({each["model"]["version"] for each in seen}) == len(seen)


async def test_every_book_shown_has_a_reason_of_a_known_kind(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader = await sign_in("ada")
    books = [await shelve(f"Book {n}", genre=("Fantasy", "Noir")[n % 2]) for n in range(6)]
    await api.post(f"/books/{books[0]['id']}/borrow", headers=reader)
    items = (await recommended(api, reader))["items"]
    assert len(items) == 5
    for item in items:
        assert kinds(item)
        assert set(kinds(item)) <= KINDS
        assert all(reason["text"] for reason in item["reasons"])
    backed = [kinds(item) != ["popular"] for item in items]
    assert backed == sorted(backed, reverse=True)


async def test_the_number_of_answers_is_bounded(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader = await sign_in("ada")
    books = [await shelve(f"Book {n}") for n in range(3)]
    for path in ("/recommendations", f"/books/{books[0]['id']}/similar"):
        for limit in ("0", "-1", "101", "many", "1e9", str(2**70)):
            refused = await api.get(path, params={"limit": limit}, headers=reader)
            assert refused.status_code == 422
        least = await api.get(path, params={"limit": 1}, headers=reader)
        assert len(least.json()["items"]) == 1


async def test_nothing_is_learnt_where_history_is_off(database_url: str, tmp_path: Path) -> None:
    settings = settings_for_tests(database_url, tmp_path, privacy={"history": "off"})
    async with opened_library(settings) as library, client_of(api_of(library)) as api:
        reader = await signed_up(api)
        read = await added(api, reader, "One", "Fantasy")
        alike = await added(api, reader, "Two", "Fantasy")
        await library.runner.kick()
        await api.post(f"/books/{read}/borrow", headers=reader)
        review = {"rating": 5, "text": "The best of all books."}
        await api.post(f"/books/{read}/reviews", json=review, headers=reader)
        answer = await recommended(api, reader)
        assert (shown(answer), kinds(answer["items"][0])) == ([alike], ["popular"])
        known = await api.get("/users/me/preferences", headers=reader)
        assert known.json()["learned"] == NOTHING
        await prefer(api, reader, genres=[taste("Fantasy")])
        assert kinds((await recommended(api, reader))["items"][0]) == ["you_like_genre"]


async def test_nothing_is_left_of_an_erased_account(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader, book = await sign_in("ada"), await shelve("One")
    await prefer(api, reader, genres=[taste("Fantasy")])
    mine = (await recommended(api, reader))["recommendation_id"]
    await react(api, reader, mine, book["id"], "dismiss")
    assert (await api.delete("/users/me", headers=reader)).status_code == 204
    for path in ("/users/me/preferences", "/recommendations"):
        assert (await api.get(path, headers=reader)).status_code == 401
    again = await sign_in("ada")
    assert (await api.get("/users/me/preferences", headers=again)).json()["genres"] == []
    assert shown(await recommended(api, again)) == [book["id"]]
    assert (await react(api, again, mine, book["id"], "like")).status_code == 404


async def test_odd_books_and_odd_tastes_break_nothing(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader = await sign_in("ada")
    odd = ["{0}{}%s", "…", "﷽", "a\u0301", "ß", "İ", "-", "(,#1)", "x" * 500, "'; --"]
    books = [await shelve(name, author=name, genre=name, tags=name) for name in odd]
    tastes = [taste(name) for name in ["{0}{}%s", "ß", "İ", "-", ",", "(,#1)", "'; --"]]
    lists = dict.fromkeys(("genres", "authors", "tags", "languages"), tastes)
    assert (await prefer(api, reader, **lists)).status_code == 200
    await api.post(f"/books/{books[0]['id']}/borrow", headers=reader)
    assert len(shown(await recommended(api, reader))) == len(odd) - 1
    for book in books:
        similar = await api.get(f"/books/{book['id']}/similar", headers=reader)
        assert similar.status_code == 200


async def test_a_book_somebody_looked_at_is_learnt_from(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader, other = await sign_in("ada"), await sign_in("grace")
    looked_at = [await shelve(f"Book {n}", genre="Fantasy") for n in range(3)]
    await shelve("Emma", genre="Romance")
    for book in looked_at:
        for _ in range(2):
            assert (await api.get(f"/books/{book['id']}", headers=reader)).status_code == 200
    assert (await api.get(f"/books/{uuid4()}", headers=reader)).status_code == 404
    answer = await recommended(api, reader)
    assert [kinds(item)[0] for item in answer["items"]] == ["you_like_genre"] * 3 + ["popular"]
    assert {k for item in (await recommended(api, other))["items"] for k in kinds(item)} == {
        "popular"
    }


async def test_history_is_forgotten_on_request(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader = await sign_in("ada")
    over, open_ = [await shelve(title, genre="Fantasy") for title in ("One", "Two")]
    refused, alike = [await shelve(title, genre="Fantasy") for title in ("Three", "Four")]
    await prefer(api, reader, authors=[taste("Somebody")])
    for book, *deeds in ((over, "borrow", "return"), (open_, "borrow")):
        for deed in deeds:
            await api.post(f"/books/{book['id']}/{deed}", headers=reader)
    before = await recommended(api, reader)
    await react(api, reader, before["recommendation_id"], refused["id"], "dismiss")
    assert (await api.delete("/users/me/history", headers=reader)).status_code == 204
    after = await recommended(api, reader)
    assert set(shown(after)) == {book["id"] for book in (over, refused, alike)}
    assert {kind for item in after["items"] for kind in kinds(item)} == {"popular"}
    known = (await api.get("/users/me/preferences", headers=reader)).json()
    assert (known["learned"], known["authors"]) == (NOTHING, [taste("Somebody")])
    gone = await react(api, reader, before["recommendation_id"], alike["id"], "like")
    assert gone.status_code == 404
    loans = (await api.get("/users/me/loans", headers=reader)).json()["items"]
    assert [loan["book_id"] for loan in loans] == [open_["id"]]
    assert (await api.delete("/users/me/history", headers=reader)).status_code == 204


async def test_a_lent_out_book_is_shown_behind_those_one_can_have(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    reader, other = await sign_in("ada"), await sign_in("grace")
    await prefer(api, reader, genres=[taste("Fantasy")])
    books = [await shelve(f"Book {n}", genre="Fantasy") for n in range(3)]
    first = shown(await recommended(api, reader))[0]
    await api.post(f"/books/{first}/borrow", headers=other)
    answer = await recommended(api, reader)
    assert shown(answer)[-1] == first
    assert len(shown(answer)) == len(books)


async def test_nobody_is_advised_without_signing_in(api: httpx.AsyncClient) -> None:
    asked = [
        await api.get("/recommendations"),
        await api.get(f"/books/{uuid4()}/similar"),
        await api.get("/users/me/preferences"),
        await api.put("/users/me/preferences", json={}),
        await api.post(f"/recommendations/{uuid4()}/feedback", json={}),
        await api.delete("/users/me/history"),
    ]
    assert {answer.status_code for answer in asked} == {401}


def taste(name: str, weight: float = 1.0) -> dict[str, Any]:
    return {"name": name, "weight": weight}


def shown(answer: dict[str, Any]) -> list[str]:
    return [item["book"]["id"] for item in answer["items"]]


def kinds(item: dict[str, Any]) -> list[str]:
    return [reason["kind"] for reason in item["reasons"]]


async def prefer(api: httpx.AsyncClient, reader: Headers, **lists: Any) -> httpx.Response:
    return await api.put("/users/me/preferences", json=lists, headers=reader)


async def recommended(api: httpx.AsyncClient, reader: Headers) -> dict[str, Any]:
    answer = await api.get("/recommendations", headers=reader)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def react(
    api: httpx.AsyncClient, reader: Headers, showing: str, book_id: str, action: str
) -> httpx.Response:
    body = {"book_id": book_id, "action": action}
    return await api.post(f"/recommendations/{showing}/feedback", json=body, headers=reader)


async def signed_up(api: httpx.AsyncClient) -> Headers:
    body = {"email": "ada@library.test", "password": PASSWORD}
    (await api.post("/auth/signup", json=body)).raise_for_status()
    answer = await api.post("/auth/login", json=body)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def added(api: httpx.AsyncClient, reader: Headers, title: str, genre: str) -> str:
    answer = await api.post(
        "/books",
        files={"file": (f"{title}.txt", f"{title} is a book of its own.".encode())},
        data={"title": title, "genre": genre},
        headers=reader,
    )
    answer.raise_for_status()
    return str(answer.json()["id"])
