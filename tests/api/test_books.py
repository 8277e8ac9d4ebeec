"""Books over HTTP: described, replaced, handed out, withdrawn."""

from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import httpx

from tests.api.conftest import Drain, Headers, Shelve, SignIn
from tests.api.forms import FORM, add, form, part, raw, stored_files


async def test_who_brought_a_book_and_librarians_describe_it(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, librarian: Headers
) -> None:
    owner, stranger = await sign_in("ada"), await sign_in("grace")
    book = await shelve("Emma", headers=owner)
    path = f"/books/{book['id']}"
    changed = await api.put(path, json={"title": "Emma!", "isbn": None}, headers=owner)
    assert (changed.status_code, changed.json()["title"]) == (200, "Emma!")
    assert changed.json()["version"] == book["version"] + 1
    assert (await api.put(path, json={"tags": ["A", "a"]}, headers=librarian)).json()["tags"] == [
        "A"
    ]
    refused = await api.put(path, json={"title": "Mine"}, headers=stranger)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    missing = await api.put(f"/books/{uuid4()}", json={}, headers=stranger)
    assert (missing.status_code, missing.json()["code"]) == (404, "book_not_found")
    unknown = await api.put(path, json={"colour": "red"}, headers=owner)
    assert unknown.status_code == 422


async def test_a_change_holds_only_for_the_version_it_names(
    api: httpx.AsyncClient, shelve: Shelve, sign_in: SignIn
) -> None:
    owner = await sign_in("ada")
    book = await shelve("Emma", headers=owner)
    path, version = f"/books/{book['id']}", book["version"]
    for tag in ('"7777"', "garbage", '"-1"', '"٣"', "", f'"{"9" * 30}"', f'"{version - 1}"'):
        refused = await api.put(path, json={"title": "No"}, headers=raw(owner, "If-Match", tag))
        assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed"), tag
    for shape in ('"{}"', 'W/"{}"', "*", "{}"):
        headers = raw(owner, "If-Match", shape.format(version))
        changed = await api.put(path, json={"title": shape}, headers=headers)
        assert (changed.status_code, changed.headers["ETag"]) == (200, f'"{version + 1}"'), shape
        version += 1


async def test_copies_come_and_go_but_not_while_they_are_out(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    owner, reader = await sign_in("ada"), await sign_in("grace")
    book = await shelve("Emma", headers=owner, copies=2)
    path = f"/books/{book['id']}"
    for who in (owner, reader):
        await api.post(f"{path}/borrow", headers=who)
    more = await api.put(path, json={"copies": 5}, headers=owner)
    assert (more.json()["copies"], more.json()["available"]) == (5, 3)
    assert (await api.put(path, json={"copies": 2}, headers=owner)).json()["available"] == 0
    refused = await api.put(path, json={"copies": 1}, headers=owner)
    assert (refused.status_code, refused.json()["code"]) == (409, "open_loans")
    assert (await api.get(path, headers=owner)).json()["copies"] == 2


async def test_a_new_file_replaces_the_old_one_its_text_and_its_summary(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, drain: Drain,
    tmp_path: Path,
) -> None:  # fmt: skip
    owner, stranger = await sign_in("ada"), await sign_in("grace")
    book = await shelve("Emma", headers=owner, text="The zyzzyva sat in the grass.")
    path = f"/books/{book['id']}"
    file = {"file": ("new.txt", b"A quokka came by in the evening.")}
    refused = await api.put(f"{path}/content", files=file, headers=stranger)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    stale = {**owner, "If-Match": '"7777"'}
    assert (await api.put(f"{path}/content", files=file, headers=stale)).status_code == 412
    extra = await api.put(f"{path}/content", files=file, data={"title": "B"}, headers=owner)
    assert extra.status_code == 422
    replaced = await api.put(f"{path}/content", files=file, headers=owner)
    assert (replaced.status_code, replaced.json()["ingestion"]["status"]) == (202, "pending")
    assert replaced.json()["version"] > book["version"]
    assert (await api.get(f"{path}/summary", headers=owner)).json()["summary"] is None
    await drain()
    assert await stored_files(tmp_path) == 1
    assert "quokka" in (await api.get(f"{path}/summary", headers=owner)).json()["summary"]
    assert (await api.get("/books?q=quokka", headers=owner)).json()["total"] == 1
    assert (await api.get("/books?q=zyzzyva", headers=owner)).json()["total"] == 0
    missing = await api.put(f"/books/{uuid4()}/content", files=file, headers=owner)
    assert missing.status_code == 404


async def test_a_withdrawn_book_is_gone_with_its_file(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, drain: Drain,
    tmp_path: Path,
) -> None:  # fmt: skip
    owner, reader = await sign_in("ada"), await sign_in("grace")
    book = await shelve("Emma", headers=owner)
    path = f"/books/{book['id']}"
    assert (await api.delete(path, headers=reader)).status_code == 403
    await api.post(f"{path}/borrow", headers=reader)
    refused = await api.delete(path, headers=owner)
    assert (refused.status_code, refused.json()["code"]) == (409, "open_loans")
    await api.post(f"{path}/return", headers=reader)
    assert (await api.delete(path, headers=owner)).status_code == 204
    await drain()
    assert await stored_files(tmp_path) == 0
    for gone in (path, f"{path}/summary", f"{path}/content"):
        assert (await api.get(gone, headers=owner)).status_code == 404


async def test_the_file_is_for_its_borrower_its_owner_and_librarians(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, librarian: Headers
) -> None:
    owner, reader = await sign_in("ada"), await sign_in("grace")
    content = bytes(range(32, 127)) * 5000
    added = await add(api, owner, content, name="a.txt")
    path = f"/books/{added.json()['id']}"
    refused = await api.get(f"{path}/content", headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_borrowed")
    await api.post(f"{path}/borrow", headers=reader)
    for who in (owner, reader, librarian):
        fetched = await api.get(f"{path}/content", headers=who)
        assert (fetched.status_code, fetched.content == content) == (200, True)
        assert fetched.headers["Accept-Ranges"] == "bytes"
        assert fetched.headers["Content-Length"] == str(len(content))
        assert fetched.headers["ETag"] == f'"{added.json()["content"]["sha256"]}"'


PARTS = [
        ("bytes=0-0", 206, 0, 1), ("bytes=2-5", 206, 2, 6), ("bytes=5-", 206, 5, 10),
        ("bytes=-3", 206, 7, 10), ("bytes=-99", 206, 0, 10), ("bytes=8-99", 206, 8, 10),
        ("Bytes=2-5", 206, 2, 6), ("bytes=0-9", 206, 0, 10),
        ("bytes=10-", 416, 0, 0), ("bytes=99-100", 416, 0, 0), ("bytes=-0", 416, 0, 0),
        ("bytes=0-1,4-5", 200, 0, 10), ("bytes=5-2", 200, 0, 10), ("bytes=-", 200, 0, 10),
        ("bytes=a-b", 200, 0, 10), ("lines=1-2", 200, 0, 10), ("bytes=²-3", 200, 0, 10),
        (f"bytes=0-{'9' * 40}", 200, 0, 10),
]  # fmt: skip


async def test_a_part_of_a_file_is_handed_out(api: httpx.AsyncClient, sign_in: SignIn) -> None:
    owner, content = await sign_in("ada"), b"0123456789"
    path = f"/books/{(await add(api, owner, content)).json()['id']}/content"
    places = {206: "bytes {}-{}/10", 416: "bytes */10"}
    for wanted, status, start, end in PARTS:
        fetched = await api.get(path, headers=raw(owner, "Range", wanted))
        assert fetched.status_code == status, wanted
        assert status == 416 or fetched.content == content[start:end], wanted
        place = places[status].format(start, end - 1) if status in places else None
        assert fetched.headers.get("Content-Range") == place, wanted


async def test_a_part_of_another_version_is_not_handed_out(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    owner = await sign_in("ada")
    added = (await add(api, owner, b"0123456789")).json()
    path, tag = f"/books/{added['id']}/content", added["content"]["sha256"]
    ranged = {**owner, "Range": "bytes=0-1"}
    same = await api.get(path, headers={**ranged, "If-Range": f'"{tag}"'})
    other = await api.get(path, headers={**ranged, "If-Range": '"another"'})
    dated = await api.get(path, headers={**ranged, "If-Range": "Wed, 21 Oct 2015 07:28:00 GMT"})
    assert [same.status_code, other.status_code, dated.status_code] == [206, 200, 200]


NAMES = [
    ("plain.txt", "plain.txt"), ("Été 😀.txt", "Été 😀.txt"), ("a;b=c.txt", "a;b=c.txt"),
    ("../../etc/passwd.txt", "passwd.txt"), ("C:\\\\dir\\\\a.txt", "a.txt"), ("..", "book"),
    ("مرحبا.txt", "مرحبا.txt"), ("100%.txt", "100%.txt"), ('a\\"b.txt', None), ("a%22b.txt", None),
    ("a%0D%0AX-Evil: 1.txt", None), ("a\tb.txt", "ab.txt"),
]  # fmt: skip


async def test_a_file_keeps_its_name_and_the_name_breaks_no_header(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    owner = await sign_in("ada")
    for name, shown in NAMES:
        body = form(part("file", f"Text {name}", filename=name))
        added = await api.post("/books", content=body, headers={**owner, **FORM})
        filename = added.json()["content"]["filename"]
        assert shown in (None, filename)
        fetched = await api.get(f"/books/{added.json()['id']}/content", headers=owner)
        said = fetched.headers["Content-Disposition"]
        assert said.startswith('attachment; filename="'), name
        assert said.endswith(f"filename*=UTF-8''{quote(filename, safe='')}"), name
        assert said.count('"') == 2, name
        assert "x-evil" not in fetched.headers


async def test_nobody_sees_books_without_signing_in(api: httpx.AsyncClient) -> None:
    for verb, path in [
        ("GET", "/books"), ("POST", "/books"), ("GET", f"/books/{uuid4()}"),
        ("GET", f"/books/{uuid4()}/content"), ("DELETE", f"/books/{uuid4()}"),
    ]:  # fmt: skip
        assert (await api.request(verb, path)).status_code == 401


async def test_what_is_no_id_is_refused(api: httpx.AsyncClient, sign_in: SignIn) -> None:
    headers = await sign_in("ada")
    for path in ("/books/1", "/books/x/content", "/jobs/x"):
        assert (await api.get(path, headers=headers)).status_code == 422
    assert (await api.get("/books/%00", headers=headers)).status_code == 400
