"""Files come in over HTTP and become books."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import Drain, Headers, SignIn
from tests.api.forms import FORM, add, announced, form, part, stored_files
from tests.contracts.extraction_samples import ENGLISH, epub3, pdf
from tests.library import api_of, client_of, opened_library, settings_for_tests


@pytest.mark.parametrize(
    ("name", "content", "media_type", "found"),
    [
        ("a.txt", ENGLISH.encode(), "text/plain", {"title": "a", "author": "Unknown"}),
        ("a.md", f"# The Lamp\n\n{ENGLISH}".encode(), "text/markdown", {"title": "The Lamp"}),
        (
            "a.epub",
            epub3(),
            "application/epub+zip",
            {
                "title": "The Lighthouse", "author": "Ada Keeper", "year_published": 1987,
                "isbn": "9780306406157", "genre": "Sea", "description": "A quiet book.",
                "language": "en",
            },
        ),
        ("a.pdf", pdf([ENGLISH]), "application/pdf", {"author": "Ada Keeper"}),
    ],
)  # fmt: skip
async def test_each_kind_of_file_becomes_a_book_that_knows_what_its_file_says(
    api: httpx.AsyncClient, sign_in: SignIn, drain: Drain,
    name: str, content: bytes, media_type: str, found: dict[str, Any],
) -> None:  # fmt: skip
    owner = await sign_in("ada")
    added = await add(api, owner, content, name=name)
    assert added.status_code == 202
    book = added.json()
    assert added.headers["Location"] == f"/books/{book['id']}"
    assert added.headers["ETag"] == f'"{book["version"]}"'
    assert (book["ingestion"]["status"], book["available"]) == ("pending", 1)
    await drain()
    shown = await api.get(added.headers["Location"], headers=owner)
    book = shown.json()
    assert (book["ingestion"]["status"], book["summary"]["status"]) == ("ready", "ready")
    assert book["content"]["media_type"] == media_type
    assert (book["content"]["size"], book["content"]["filename"]) == (len(content), name)
    assert book["content"]["words"] > 20
    assert {field: book[field] for field in found} == found
    assert shown.headers["ETag"] == f'"{book["version"]}"'


async def test_what_the_form_says_stands_before_and_after_the_file_and_is_never_overwritten(
    api: httpx.AsyncClient, sign_in: SignIn, drain: Drain
) -> None:
    owner = await sign_in("ada")
    body = form(
        part("title", "Mine"),
        part("tags", "a, b"),
        part("author", ""),
        part("file", epub3(), filename="a.epub"),
        part("tags", "c"),
        part("genre", "Memoir"),
        part("copies", "3"),
        part("isbn", "0-306-40615-2"),
        part("language", "pt_BR"),
    )
    added = await api.post("/books", content=body, headers={**owner, **FORM})
    assert added.status_code == 202
    await drain()
    book = (await api.get(added.headers["Location"], headers=owner)).json()
    assert (book["title"], book["genres"], book["tags"]) == ("Mine", ["Memoir"], ["a", "b", "c"])
    assert (book["copies"], book["available"], book["isbn"]) == (3, 3, "0306406152")
    assert (book["language"], book["author"]) == ("pt-br", "Ada Keeper")


REFUSED: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "unknown kind": (form(part("file", b"\x7fELF\0\0", filename="a.txt")), FORM, 415,
                     "unsupported_media_type"),
    "empty file": (form(part("file", b"", filename="a.txt")), FORM, 422, "empty_file"),
    "no file": (form(part("title", "A")), FORM, 422, "file_missing"),
    "no parts": (form(), FORM, 422, "file_missing"),
    "two files": (form(part("file", "a", filename="a"), part("file", "b", filename="b")), FORM,
                  422, "validation_failed"),
    "unknown field": (form(part("file", "a", filename="a"), part("colour", "sekrit")), FORM, 422,
                      "validation_failed"),
    "title twice": (form(part("title", "a"), part("title", "b"), part("file", "a", filename="a")),
                    FORM, 422, "validation_failed"),
    "no end": (form(part("file", "a", filename="a"))[:-8], FORM, 422, "validation_failed"),
    "no form": (b"hello", FORM, 422, "validation_failed"),
    "no body": (b"", FORM, 422, "validation_failed"),
    "nameless": (form(part("file", "a").replace(b' name="file"', b"")), FORM, 422,
                 "validation_failed"),
    "long field": (form(part("title", "a" * 70_000), part("file", "a", filename="a")), FORM, 422,
                   "validation_failed"),
    "many parts": (form(*[part("tags", "a")] * 300, part("file", "a", filename="a")), FORM, 422,
                   "validation_failed"),
    "long header": (form(part("x" * 70_000, "a")), FORM, 422, "validation_failed"),
    "not UTF-8": (form(part("title", b"\xff\xfe"), part("file", "a", filename="a")), FORM, 422,
                  "validation_failed"),
    "json": (b"{}", {"Content-Type": "application/json"}, 415, "unsupported_media_type"),
    "no type": (b"a", {}, 415, "unsupported_media_type"),
    "no boundary": (b"a", {"Content-Type": "multipart/form-data"}, 415, "unsupported_media_type"),
}  # fmt: skip


async def test_a_refused_upload_leaves_nothing(
    api: httpx.AsyncClient, sign_in: SignIn, database_url: str, tmp_path: Path,
) -> None:  # fmt: skip
    headers = await sign_in("ada")
    for case, (body, kind, status, code) in REFUSED.items():
        refused = await api.post("/books", content=body, headers={**headers, **kind})
        assert (refused.status_code, refused.json()["code"]) == (status, code), case
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert "sekrit" not in refused.text
        assert await stored_files(tmp_path) == 0, case
        assert await announced(database_url) == 0, case


BAD_VALUES = [
    ("year_published", "sekrit"), ("year_published", "99999999"), ("year_published", "-4001"),
    ("isbn", "978-0-306-40615-8"), ("isbn", "sekrit"), ("language", "sekrit language"),
    ("copies", "-31415"), ("copies", "31415926"), ("copies", "9" * 5000), ("title", "sekrit\nx"),
    ("title", "s" * 501), ("description", "s" * 20_001), ("title", "sek\0rit"),
    ("tags", ",".join(f"sekrit{n}" for n in range(101))),
]  # fmt: skip


async def test_a_bad_value_is_refused_and_not_repeated(
    api: httpx.AsyncClient, sign_in: SignIn, tmp_path: Path
) -> None:
    headers = await sign_in("ada")
    for field, value in BAD_VALUES:
        refused = await add(api, headers, **{field: value})
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed"), field
        assert refused.json()["errors"][0]["loc"][:2] == ["body", field]
        assert value not in refused.text
        assert await stored_files(tmp_path) == 0


@pytest.fixture
async def narrow(database_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A library that takes files of one MiB."""
    settings = settings_for_tests(database_url, tmp_path, catalog={"max_upload_mb": 1})
    async with opened_library(settings) as library:
        api = api_of(library, upload_limit=1 << 20)
        async with client_of(api) as client:
            yield client


@pytest.mark.parametrize("size", [(1 << 20) + 1, 4 << 20])
@pytest.mark.parametrize("announcing", [True, False])
async def test_a_file_too_large_is_refused_and_leaves_nothing(
    narrow: httpx.AsyncClient, database_url: str, tmp_path: Path, sign_in: SignIn,
    size: int, announcing: bool,
) -> None:  # fmt: skip
    async def chunks() -> AsyncIterator[bytes]:
        body = io.BytesIO(form(part("file", b"a" * size, filename="a.txt")))
        while chunk := body.read(65_536):
            yield chunk

    content: Any = form(part("file", b"a" * size, filename="a.txt")) if announcing else chunks()
    headers = {**await sign_in("ada"), **FORM}
    refused = await narrow.post("/books", content=content, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")
    assert await stored_files(tmp_path) == 0
    assert await announced(database_url) == 0


async def test_the_same_bytes_again_name_the_book_that_has_them(
    api: httpx.AsyncClient, sign_in: SignIn, tmp_path: Path
) -> None:
    ada, grace = await sign_in("ada"), await sign_in("grace")
    answers = await asyncio.gather(
        *[add(api, who, "The very same bytes.", title=f"T{n}") for n in range(10)
          for who in (ada, grace)]
    )  # fmt: skip
    taken = [answer for answer in answers if answer.status_code == 202]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert (len(taken), len(refused)) == (1, 19)
    assert {answer.json()["code"] for answer in refused} == {"duplicate_content"}
    assert {answer.json()["book_id"] for answer in refused} == {taken[0].json()["id"]}
    assert await stored_files(tmp_path) == 1


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.pdf", pdf([ENGLISH], password="sesame"), "encrypted"),
        ("a.pdf", b"%PDF-1.7\n" + b"garbage " * 99, "corrupt"),
        ("a.epub", epub3()[:-200], "corrupt"),
        ("a.txt", b" \n\t \n", "no_text"),
    ],
)
async def test_a_file_that_cannot_be_read_leaves_the_book_and_says_why(
    api: httpx.AsyncClient, sign_in: SignIn, drain: Drain, name: str, content: bytes, code: str
) -> None:
    owner = await sign_in("ada")
    added = await add(api, owner, content, name=name, title="Sealed")
    assert added.status_code == 202
    await drain()
    book = (await api.get(added.headers["Location"], headers=owner)).json()
    assert (book["title"], book["ingestion"]["status"]) == ("Sealed", "failed")
    assert book["ingestion"]["error"]["code"] == code
    assert len(book["ingestion"]["error"]["detail"]) > 10
    assert book["summary"]["status"] == "failed"
    fetched = await api.get(f"{added.headers['Location']}/content", headers=owner)
    assert fetched.content == content


async def test_where_librarians_add_books_members_do_not(
    database_url: str, tmp_path: Path, sign_in: SignIn, librarian: Headers
) -> None:
    settings = settings_for_tests(database_url, tmp_path, catalog={"contributors": "librarians"})
    async with opened_library(settings) as strict, client_of(api_of(strict)) as client:
        refused = await add(client, await sign_in("ada"))
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert (await add(client, librarian)).status_code == 202
