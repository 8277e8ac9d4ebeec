"""A stored file that was damaged, seen from the API and from the jobs."""

from pathlib import Path

import httpx
import pytest

from app.bootstrap.library import Library
from tests.api.conftest import Drain, Headers, Shelve, SignIn

TEXT = "The keeper lit the lamp and the storm came at night. " * 20_000


def stored_files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "files" / "books+").iterdir() if path.is_file()]


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.fixture
async def reader(sign_in: SignIn) -> Headers:
    return await sign_in("ada")


async def test_a_damaged_file_is_not_fed_to_the_parser(
    api: httpx.AsyncClient, reader: Headers, drain: Drain, tmp_path: Path
) -> None:
    file = {"file": ("lamp.txt", TEXT.encode())}
    book = (await api.post("/books", files=file, headers=reader)).json()["id"]
    (stored,) = stored_files(tmp_path)
    flip(stored, len(TEXT) - 5)
    await drain()
    shown = (await api.get(f"/books/{book}", headers=reader)).json()
    assert shown["ingestion"]["status"] == "failed"
    assert shown["ingestion"]["error"]["code"] == "object_damaged"
    assert shown["content"].get("words") is None
    # A good file in its place, and all is well again.
    again = {"file": ("lamp.txt", TEXT.encode() + b"And then it was morning.")}
    await api.put(f"/books/{book}/content", files=again, headers=reader)
    await drain()
    shown = (await api.get(f"/books/{book}", headers=reader)).json()
    assert shown["ingestion"]["status"] == "ready"
    whole = await api.get(f"/books/{book}/content", headers=reader)
    assert whole.content == again["file"][1]


@pytest.mark.parametrize("wanted", [None, "bytes=0-9", "bytes=-1"])
async def test_a_damaged_first_block_is_a_refusal(
    api: httpx.AsyncClient, reader: Headers, shelve: Shelve, tmp_path: Path, wanted: str | None
) -> None:
    book = await shelve("Lamp", headers=reader)
    (stored,) = stored_files(tmp_path)
    flip(stored, 3)
    headers = {**reader, "Range": wanted} if wanted else reader
    for _ in range(2):
        answer = await api.get(f"/books/{book['id']}/content", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "object_damaged")


async def test_a_part_that_is_whole_is_handed_out_of_a_file_that_is_not(
    api: httpx.AsyncClient, reader: Headers, drain: Drain, tmp_path: Path
) -> None:
    file = {"file": ("lamp.txt", TEXT.encode())}
    book = (await api.post("/books", files=file, headers=reader)).json()["id"]
    await drain()
    (stored,) = stored_files(tmp_path)
    flip(stored, 600_000)
    for wanted, status in (("bytes=0-99", 206), ("bytes=599990-599999", 404), ("bytes=0-9", 404)):
        answer = await api.get(f"/books/{book}/content", headers={**reader, "Range": wanted})
        assert answer.status_code == status, wanted
    # The text and the summary were made from the right bytes, and stay.
    shown = (await api.get(f"/books/{book}", headers=reader)).json()
    assert shown["ingestion"]["status"] == "ready"


async def test_a_file_that_is_gone_is_said_to_be(
    api: httpx.AsyncClient, reader: Headers, shelve: Shelve, library: Library, tmp_path: Path
) -> None:
    book = await shelve("Lamp", headers=reader)
    (stored,) = stored_files(tmp_path)
    stored.unlink()
    answer = await api.get(f"/books/{book['id']}/content", headers=reader)
    assert (answer.status_code, answer.json()["code"]) == (404, "object_missing")
    (damaged,) = await library.adapters.file_records.damaged()
    assert (damaged.damage, str(damaged.book_id), damaged.title) == (
        "missing", book["id"], "Lamp",
    )  # fmt: skip


async def test_a_withdrawn_book_leaves_neither_file_nor_record(
    api: httpx.AsyncClient, reader: Headers, shelve: Shelve, drain: Drain, library: Library
) -> None:
    book = await shelve("Lamp", headers=reader)
    assert (await library.adapters.file_records.count(library.adapters.clock.now()))[1] >= 1
    await api.delete(f"/books/{book['id']}", headers=reader)
    await drain()
    keys = [each.key async for each in library.adapters.storage.listing()]
    assert [key for key in keys if key.startswith("books/")] == []
    assert await library.adapters.file_records.damaged() == []
