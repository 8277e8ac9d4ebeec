"""Lists of books over HTTP: questions, orders, pages."""

from typing import Any

import httpx
import pytest

from tests.api.conftest import Drain, Shelve, SignIn
from tests.api.forms import add

HOSTILE = [
    "'; DROP TABLE books; --",
    '"quoted" \\ back\\slash %s %_ {0} {{x}}',
    "😀🏳️‍🌈 emoji",
    "مرحبا بالعالم",
    "\u202eright to left",
    "<script>alert(1)</script>",
    "a" * 500,
    "㌀㍍㎯㏂" * 125,
    "Ω≈ç√∫˜µ≤≥÷ ﬃ ½",
    "../../etc/passwd",
    "İıŞşĞğ",
    "𝕌𝕟𝕚𝕔𝕠𝕕𝕖",
]


async def test_any_title_is_kept_found_and_listed(
    api: httpx.AsyncClient, sign_in: SignIn, drain: Drain
) -> None:
    reader = await sign_in("ada")
    for title in HOSTILE:
        added = await add(api, reader, f"Of {title}", title=title, author=title, tags=title)
        assert (added.status_code, added.json()["title"]) == (202, title)
        for query in ({"q": title}, {"author": title}, {"tag": title.split(",")[0]}):
            listed = await api.get("/books", params={**query, "limit": 1}, headers=reader)
            assert listed.status_code == 200
            assert [item["id"] for item in listed.json()["items"]] == [added.json()["id"]], query
    await drain()
    for sort in ("title", "-author"):
        listed = await api.get("/books", params={"sort": sort}, headers=reader)
        assert {item["title"] for item in listed.json()["items"]} == set(HOSTILE)


async def test_books_are_found_by_typo_word_accent_and_isbn(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    tale = await shelve("The Lighthouse Keeper", isbn="9780306406157", text="A zyzzyva at sea.")
    cafe = await shelve("Le Café de Besançon", author="Zoë Ångström", tags="français")
    reader = await sign_in("ada")
    for q, book in [
        ("Lighthuose Keeper", tale), ("lighthose", tale), ("LIGHTHOUSE", tale),
        ("zyzzyva", tale), ("978-0-306-40615-7", tale), ("sea zyzzyva", tale),
        ("cafe de besancon", cafe), ("zoe angstrom", cafe), ("FRANCAIS", cafe), ("Café", cafe),
    ]:  # fmt: skip
        listed = (await api.get("/books", params={"q": q}, headers=reader)).json()
        assert [item["id"] for item in listed["items"]] == [book["id"]], q
        assert listed["total"] == 1


QUESTIONS = [
    "%", "_", "\\", "＼", "％", '"', "'", "' OR 1=1 --", "😀", "  ", "!", "(", "a:*", "-a", "<->",
    "or", '"unclosed', "&|!()", "الكتاب", "\u202e", *(sign * 500 for sign in "aﷺ𝕏㍿½"),
]  # fmt: skip


async def test_any_question_is_answered(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    await shelve("Plain", text="Nothing of that kind is written in here")
    reader = await sign_in("ada")
    for q in QUESTIONS:
        listed = await api.get("/books", params={"q": q}, headers=reader)
        assert listed.status_code == 200, q
        assert q not in "%_\\＼％😀" or listed.json()["total"] == 0, q


async def test_a_percent_sign_finds_percent_signs(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    book = await shelve("100% wool")
    await shelve("1000 wool")
    listed = await api.get("/books", params={"q": "0%"}, headers=await sign_in("ada"))
    assert [item["id"] for item in listed.json()["items"]] == [book["id"]]


SENSELESS: list[dict[str, str]] = [
    {"q": ""}, {"q": "a" * 501}, {"sort": "colour"}, {"limit": "0"},
    {"limit": "101"}, {"year_from": "never"}, {"year_to": "99999999999999999999"},
    {"available": "perhaps"},
]  # fmt: skip


async def test_a_question_without_sense_is_refused(api: httpx.AsyncClient, sign_in: SignIn) -> None:
    reader = await sign_in("ada")
    for query in SENSELESS:
        refused = await api.get("/books", params=query, headers=reader)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed"), query


@pytest.mark.parametrize("path", ["/books", "/books/facets"])
async def test_an_address_no_program_means_is_malformed(
    api: httpx.AsyncClient, sign_in: SignIn, path: str
) -> None:
    reader = await sign_in("ada")
    for query in ({"q": "\0"}, {"author": "a\0b"}, {"cursor": "\0"}):
        refused = await api.get(path, params=query, headers=reader)
        assert (refused.status_code, refused.json()["code"]) == (400, "malformed_request"), query


async def test_a_junk_cursor_is_refused(api: httpx.AsyncClient, sign_in: SignIn) -> None:
    reader = await sign_in("ada")
    for cursor in ("x", "!!", "W10", "e30", "bnVsbA", "a" * 1999, "[]", "é"):
        refused = await api.get("/books", params={"cursor": cursor}, headers=reader)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor"), cursor


@pytest.mark.parametrize("sort", ["title", "-created_at", "-rating", "year_published", "relevance"])
async def test_paging_visits_each_book_once_while_others_are_added(
    api: httpx.AsyncClient, sign_in: SignIn, sort: str
) -> None:
    reader = await sign_in("ada")
    first = {(await add(api, reader, f"Text {n}", title="Same")).json()["id"] for n in range(7)}
    query: dict[str, Any] = {"sort": sort, "limit": 2, "q": "same"}
    seen: list[str] = []
    for n in range(20):
        page = (await api.get("/books", params=query, headers=reader)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
        if n < 3:
            await add(api, reader, f"More {n}", title="Same")
    assert len(seen) == len(set(seen))
    assert first <= set(seen)
    other = "author" if sort == "title" else "title"
    if "cursor" in query:
        refused = await api.get("/books", params={**query, "sort": other}, headers=reader)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")


async def test_a_listed_book_is_the_book(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    book = await shelve("Emma", author="Jane Austen", tags="a,b", year_published="1815")
    listed = (await api.get("/books", headers=await sign_in("ada"))).json()
    assert listed == {"items": [book], "next_cursor": None, "total": 1, "total_estimated": False}


async def test_facets_say_what_a_list_holds(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    await shelve("Emma", author="Jane Austen", genre="Novel", year_published="1815", language="en")
    await shelve("Faust", author="Goethe", genre="Drama", year_published="1808", language="de")
    reader = await sign_in("ada")
    whole = (await api.get("/books/facets", headers=reader)).json()
    assert {one["value"]: one["count"] for one in whole["genre"]} == {"Drama": 1, "Novel": 1}
    some = (await api.get("/books/facets", params={"genre": "novel"}, headers=reader)).json()
    assert some == {
        "genre": [{"value": "Novel", "count": 1}],
        "author": [{"value": "Jane Austen", "count": 1}],
        "language": [{"value": "en", "count": 1}],
        "year": [{"value": "1810", "count": 1}],
        "tag": [],
        "estimated": False,
    }
    asked = (await api.get("/books/facets", params={"q": "fuast"}, headers=reader)).json()
    assert asked["author"] == [{"value": "Goethe", "count": 1}]
    for query in SENSELESS[:2]:
        refused = await api.get("/books/facets", params=query, headers=reader)
        assert refused.status_code == 422, query


async def test_the_names_a_reader_means_come_first(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    for n in range(8):
        await shelve(f"The Road to Somewhere {n}", author=f"Emma Road {n}", tags="emma, the road")
    road = await shelve("The Road", author="Cormac McCarthy")
    emma = await shelve("Emma", author="Jane Austen")
    reader = await sign_in("ada")
    for q, book in (
        ("the road", road), ("EMMA", emma), ("jane austen", emma), ("jnae austen", emma),
        ("cormac mcarthy", road), ("mccarthy raod", road), ("austen emna", emma),
    ):  # fmt: skip
        found = (await api.get("/books", params={"q": q}, headers=reader)).json()
        assert found["items"][0]["id"] == book["id"], q


async def test_a_part_of_a_name_and_a_single_sign_are_found(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    house = await shelve("The Lighthouse", author="V. Woolf")
    war = await shelve("Война и мир", author="Лев Толстой")
    library = await shelve("図書館戦争", author="有川浩")
    sharp = await shelve("Programming in C#", author="A. B.")
    reader = await sign_in("ada")
    for q, book in (
        ("ghthou", house), ("v", house), ("ойна", war), ("Толстой", war), ("и", war),
        ("書館", library), ("戦", library), ("c#", sharp), ("#", sharp),
    ):  # fmt: skip
        found = (await api.get("/books", params={"q": q}, headers=reader)).json()
        assert [item["id"] for item in found["items"]] == [book["id"]], q


async def test_the_head_of_a_list_and_of_a_book_can_be_asked_for(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    book = await shelve("Emma")
    reader = await sign_in("ada")
    for path in ("/books", f"/books/{book['id']}"):
        assert (await api.head(path, headers=reader)).status_code == 200, path
