"""Search over HTTP: what is found, what of it is shown to whom, and questions without sense."""

from typing import Any

import httpx
import pytest

from tests.api.conftest import Drain, Headers, Shelve, SignIn

TALE = (
    "The keeper of the lighthouse polished the great lamp every evening. "
    "One night a storm came in from the north and the lamp went dark. "
    "He rowed out to the wreck and saved eleven sailors from drowning.\n\n"
    "In spring the gulls returned, and the keeper planted cabbages behind the tower."
)
GERMAN = (
    "Der alte Müller hatte drei Söhne, und die Mühlen klapperten am rauschenden Bach. "
    "Die Kinder liefen durch die Wälder und suchten nach verlorenen Häusern, die es nicht gab."
)


async def found(api: httpx.AsyncClient, headers: Headers, **query: Any) -> list[dict[str, Any]]:
    answer = await api.get("/search", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_a_question_finds_the_passage_that_answers_it(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    tale = await shelve("The Lighthouse", author="Ida Storm", text=TALE)
    await shelve("Cookery", text="Boil the cabbages for an hour, and the potatoes for half of it.")
    hits = await found(
        api, await sign_in("ada"), q="How many drowning sailors did he save?", scope="passages"
    )
    assert hits[0]["book"] == {"id": tale["id"], "title": "The Lighthouse", "author": "Ida Storm"}
    assert hits[0]["kind"] == "passage"
    assert 0 < hits[0]["score"] <= 1


async def test_a_snippet_is_verbatim_and_its_words_are_marked(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    await shelve("The Lighthouse", text=TALE)
    (hit,) = await found(api, await sign_in("ada"), q="saving sailors", scope="passages")
    snippet = hit["snippet"]
    assert TALE[snippet["start"] : snippet["end"]] == snippet["text"]
    marked = [snippet["text"][start:end] for start, end in snippet["highlights"]]
    assert marked == ["saved", "sailors"]


async def test_who_may_not_read_a_book_sees_less_of_it(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, librarian: Headers
) -> None:
    owner, stranger, borrower = [await sign_in(name) for name in ("olga", "sam", "bea")]
    book = await shelve("The Lighthouse", text=TALE, headers=owner)
    await api.post(f"/books/{book['id']}/borrow", headers=borrower)
    for reader, may in [(owner, True), (borrower, True), (librarian, True), (stranger, False)]:
        (hit,) = await found(api, reader, q="storm lamp", scope="passages")
        assert hit["readable"] is may
        assert (len(hit["snippet"]["text"]) > 90) is may
        assert TALE[hit["snippet"]["start"] : hit["snippet"]["end"]] == hit["snippet"]["text"]
    await api.post(f"/books/{book['id']}/return", headers=borrower)
    (hit,) = await found(api, borrower, q="storm lamp", scope="passages")
    assert hit["readable"] is False


async def test_a_book_is_first_by_its_title_author_or_isbn(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    book = await shelve("Zoë's Café", author="Ida Ångström", isbn="9780306406157", text=TALE)
    await shelve("A Guide to Zoe's Cafe", text="Zoë's café is a café of Ida Angstrom. " * 3)
    reader = await sign_in("ada")
    for q, route in [
        ("zoe's cafe", "title"), ("IDA ANGSTROM", "author"), ("978-0-306-40615-7", "isbn"),
        ("0-306-40615-2", "isbn"),
    ]:  # fmt: skip
        first, *_ = await found(api, reader, q=q)
        assert (first["kind"], first["route"]) == ("book", route), q
        assert (first["book"]["id"], first["score"] > 0.99) == (book["id"], True)


async def test_a_typo_in_a_title_is_forgiven(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    book = await shelve("The Lighthouse Keeper", text="Nothing of the kind.")
    await shelve("The Greenhouse Sleeper", text="Nothing of that kind.")
    for q in ("The Lighthuose Keeper", "lighthouse kepper", "Lighthouse Keepe"):
        first, *_ = await found(api, await sign_in(f"ada{len(q)}"), q=q)
        assert (first["kind"], first["book"]["id"]) == ("book", book["id"]), q


async def test_words_are_found_in_their_other_forms_in_the_language_of_the_book(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    english = await shelve("Tale", text=TALE, language="en")
    german = await shelve("Mühlen", text=GERMAN, language="de")
    reader = await sign_in("ada")
    for q, book in [
        ("polishing", english), ("lamps", english), ("Mühle", german), ("muhle", german),
        ("Wald Walder", german), ("Haus", german), ("verlorener", german),
    ]:  # fmt: skip
        hits = await found(api, reader, q=q, scope="passages")
        assert [hit["book"]["id"] for hit in hits] == [book["id"]], q


async def test_scopes_and_filters_narrow_the_search(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    tale = await shelve("Gulls", text=TALE, genre="Sea", author="Ida", year_published=1900)
    other = await shelve("Of gulls", text="Gulls are birds.", author="Otto", year_published=2000)
    reader = await sign_in("ada")

    async def books(**query: Any) -> set[tuple[str, str]]:
        return {(h["kind"], h["book"]["id"]) for h in await found(api, reader, q="gulls", **query)}

    assert await books(scope="books") == {("book", tale["id"]), ("book", other["id"])}
    assert await books(scope="passages") == {("passage", tale["id"]), ("passage", other["id"])}
    for filters in ({"genre": "sea"}, {"author": "IDA"}, {"year_to": 1950}):
        assert await books(**filters) == {("book", tale["id"]), ("passage", tale["id"])}, filters
    assert await books(language="fr") == set()


async def test_facets_count_the_books_that_are_called_so(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    await shelve("Gulls", text=TALE, genre="Sea", author="Ida", language="en")
    await shelve("Of gulls", text="Gulls are birds.", genre="Sea", author="Otto", language="en")
    answer = await api.get(
        "/search", params={"q": "gulls", "facets": True}, headers=await sign_in("ada")
    )
    facets = answer.json()["facets"]
    assert facets["genre"] == [{"value": "Sea", "count": 2}]
    assert {each["value"] for each in facets["author"]} == {"Ida", "Otto"}
    assert facets["language"] == [{"value": "en", "count": 2}]


async def test_one_book_is_searched_in_its_own_order(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    chapters = [
        f"Chapter {n}\n\n" + f"The {'dragon slept' if n % 2 else 'knight rode'} on. " * 30
        for n in range(1, 9)
    ]
    text = "\n\n".join(chapters)
    book = await shelve("Dragons", text=text, language="en")
    await shelve("More dragons", text="A dragon of another book.")
    reader, places, after = await sign_in("ada"), [], None
    for _ in range(9):
        query: dict[str, Any] = {"q": "dragons", "sort": "place", "limit": 1}
        if after is not None:
            query["after"] = after
        page = (await api.get(f"/books/{book['id']}/search", params=query, headers=reader)).json()
        places += [item["start"] for item in page["items"]]
        after = page["next_after"]
        if after is None:
            break
    assert places == sorted(set(places))
    assert len(places) == page["total"] > 1
    assert all("dragon" in text[start : start + 1600] for start in places)


async def test_little_words_are_found_literally_in_one_book(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    said = "Ham. To be, or not to be, that is the question."
    book = await shelve("Hamlet", language="en", text=said)
    reader = await sign_in("ada")
    path = f"/books/{book['id']}/search"
    hit = (await api.get(path, params={"q": "to be, or not"}, headers=reader)).json()["items"][0]
    assert "To be, or not to be" in hit["snippet"]["text"]
    assert hit["snippet"]["highlights"]
    assert (await api.get(path, params={"q": "not or be to"}, headers=reader)).json()["total"] == 0


async def test_a_book_that_goes_is_no_longer_found(
    api: httpx.AsyncClient, sign_in: SignIn, drain: Drain, shelve: Shelve
) -> None:
    owner = await sign_in("olga")
    book = await shelve("The Lighthouse", text=TALE, headers=owner)
    file = {"file": ("new.txt", b"The owl and the pussycat went to sea in a pea green boat.")}
    (await api.put(f"/books/{book['id']}/content", files=file, headers=owner)).raise_for_status()
    await drain()
    assert await found(api, owner, q="gulls", scope="passages") == []
    assert len(await found(api, owner, q="pussycat", scope="passages")) == 1
    await api.delete(f"/books/{book['id']}", headers=owner)
    assert await found(api, owner, q="pussycat") == []


ODD = [
    "%", "_", "%_%", "\\", '"', "'", '"unclosed', "' OR 1=1 --", "&|!()", "a:*", "a <-> b", "!",
    "(", "-a", "the and of", "a", "  ", "😀", "🏳️‍🌈", "الكتاب", "\u202e", "книга", "本",
    "吾輩は猫である", "หนังสือ", "e\u0301", "<script>", "1984", "x" * 1000, "word " * 200,
    "ﷺ" * 300, "½", "\n\t",
]  # fmt: skip


async def test_any_question_is_answered(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    book = await shelve("Plain", text="A word of the plain: 吾輩は猫である。 Книга и الكتاب. 1984.")
    reader = await sign_in("ada")
    for q in ODD:
        for path in ("/search", f"/books/{book['id']}/search"):
            answer = await api.get(path, params={"q": q}, headers=reader)
            assert answer.status_code == 200, (path, q)
    for q in ("книга", "الكتاب", "猫", "1984"):
        assert len(await found(api, reader, q=q, scope="passages")) == 1, q


@pytest.mark.parametrize(
    "query",
    [{"q": ""}, {}, {"q": "x" * 1_001}, {"q": "x", "scope": "all books"},
     {"q": "x", "limit": "51"}, {"q": "x", "year_from": "x"}],
)  # fmt: skip
async def test_a_question_without_sense_is_refused(
    api: httpx.AsyncClient, sign_in: SignIn, query: dict[str, str]
) -> None:
    refused = await api.get("/search", params=query, headers=await sign_in("ada"))
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [({"q": "\0"}, 400, "malformed_request"),
     ({"q": "x", "author": "a\0b"}, 400, "malformed_request"),
     ({"q": "x" * 10_000}, 414, "address_too_long")],
)  # fmt: skip
async def test_a_question_no_address_can_hold_is_refused_at_the_gate(
    api: httpx.AsyncClient, sign_in: SignIn, query: dict[str, str], status: int, code: str
) -> None:
    refused = await api.get("/search", params=query, headers=await sign_in("ada"))
    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_a_book_that_is_not_there_is_not_searched(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    nowhere = "01890000-0000-7000-8000-000000000000"
    path = f"/books/{nowhere}/search"
    answer = await api.get(path, params={"q": "x"}, headers=await sign_in("ada"))
    assert (answer.status_code, answer.json()["code"]) == (404, "book_not_found")
