"""What every store promises, whatever it is made of."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from app.ports.storage import ByteRange, ObjectMissing, StorageProvider, StoredObject
from app.shared.errors import RangeNotSatisfiable
from tests.contracts.storage_adapters import ADAPTERS, broken_stream, content, stream

pytest_plugins = ["tests.integration.seaweedfs"]

CHUNK = 64 << 10
PART = 8 << 20
BAD_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../up",
    "books/../../up",
    "books/..",
    "books//a",
    "books/",
    "./a",
    "a/./b",
    "bücher/a",
    "a b",
    "a\\b",
    "a\0b",
    "a\n",
    "~incoming/a",
    "+incoming/a",
    "a" * 201,
    "a/" * 256 + "a",
]


@pytest.fixture(params=ADAPTERS)
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[StorageProvider]:
    async with ADAPTERS[request.param](request) as opened:
        yield opened


@pytest.fixture
def key() -> str:
    return f"contract/{uuid4().hex}/book.epub"


async def repeated(chunk: bytes, times: int) -> AsyncIterator[bytes]:
    for _ in range(times):
        await asyncio.sleep(0)
        yield chunk


async def test_what_is_written_is_read(storage: StorageProvider, key: str) -> None:
    stored = await storage.write(key, stream(b"Call me ", b"", b"Ishmael."))
    assert stored == StoredObject(16, hashlib.sha256(b"Call me Ishmael.").hexdigest())
    assert await content(storage, key) == b"Call me Ishmael."
    assert await storage.exists(key)


async def test_an_empty_stream_is_an_empty_object(storage: StorageProvider, key: str) -> None:
    assert await storage.write(key, stream()) == StoredObject(0, hashlib.sha256().hexdigest())
    assert await storage.exists(key)
    assert await content(storage, key) == b""


@pytest.mark.parametrize("size", [20 << 20, PART - 1, PART, PART + 1, 2 * PART])
async def test_a_long_stream_is_kept_whole(storage: StorageProvider, key: str, size: int) -> None:
    chunk = bytes(range(256)) * (CHUNK // 256)
    whole = chunk * (size // CHUNK) + chunk[: size % CHUNK]
    stored = await storage.write(
        key, stream(*(whole[at : at + CHUNK] for at in range(0, size, CHUNK)))
    )
    assert stored == StoredObject(size, hashlib.sha256(whole).hexdigest())
    assert await content(storage, key) == whole
    part = ByteRange(size - CHUNK - 1, size - 2)
    tail = b"".join([piece async for piece in await storage.read(key, part)])
    assert tail == whole[-CHUNK - 1 : -1]


async def test_writing_again_replaces(storage: StorageProvider, key: str) -> None:
    await storage.write(key, stream(b"first edition"))
    await storage.write(key, stream(b"second"))
    assert await content(storage, key) == b"second"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (ByteRange(0, 0), b"0"),
        (ByteRange(9, 9), b"9"),
        (ByteRange(0, 9), b"0123456789"),
        (ByteRange(3, 5), b"345"),
        (ByteRange(8, 500), b"89"),
    ],
)
async def test_a_part_has_both_of_its_ends(
    storage: StorageProvider, key: str, part: ByteRange, expected: bytes
) -> None:
    await storage.write(key, stream(b"0123456789"))
    assert b"".join([chunk async for chunk in await storage.read(key, part)]) == expected


async def test_a_part_behind_the_end_is_refused(storage: StorageProvider, key: str) -> None:
    await storage.write(key, stream(b"0123456789"))
    with pytest.raises(RangeNotSatisfiable):
        await storage.read(key, ByteRange(10, 12))


async def test_a_missing_object_fails_before_its_first_byte(
    storage: StorageProvider, key: str
) -> None:
    assert not await storage.exists(key)
    with pytest.raises(ObjectMissing):
        await storage.read(key)
    with pytest.raises(ObjectMissing):
        await storage.read(key, ByteRange(0, 1))


async def test_deleting_twice_is_no_error(storage: StorageProvider, key: str) -> None:
    await storage.write(key, stream(b"gone soon"))
    await storage.delete(key)
    await storage.delete(key)
    assert not await storage.exists(key)
    with pytest.raises(ObjectMissing):
        await storage.read(key)


async def test_deleting_one_object_leaves_its_neighbours(
    storage: StorageProvider, key: str
) -> None:
    await storage.write(key, stream(b"one"))
    await storage.write(f"{key}.notes", stream(b"two"))
    await storage.delete(key)
    assert await content(storage, f"{key}.notes") == b"two"


async def test_an_open_object_is_read_to_its_end_though_it_is_replaced(
    storage: StorageProvider, key: str
) -> None:
    old = b"o" * (1 << 20)
    await storage.write(key, stream(old))
    chunks = await storage.read(key)
    await storage.write(key, stream(b"new"))
    assert b"".join([chunk async for chunk in chunks]) == old


async def test_a_key_may_continue_another(storage: StorageProvider, key: str) -> None:
    await storage.write(key, stream(b"the book"))
    await storage.write(f"{key}/cover", stream(b"the cover"))
    assert await content(storage, key) == b"the book"
    assert await content(storage, f"{key}/cover") == b"the cover"
    assert not await storage.exists(key.rpartition("/")[0])


async def test_a_key_may_have_512_characters(storage: StorageProvider, key: str) -> None:
    long = "/".join([key, "x" * 200, "y" * 200, "z" * 200])[:512]
    await storage.write(long, stream(b"far"))
    assert await content(storage, long) == b"far"
    assert not await storage.exists(long[:-1])
    await storage.delete(long)


@pytest.mark.parametrize("bad", BAD_KEYS)
async def test_a_bad_key_is_refused(storage: StorageProvider, bad: str) -> None:
    with pytest.raises(ValueError, match="not a storage key"):
        await storage.write(bad, stream(b"x"))
    with pytest.raises(ValueError, match="not a storage key"):
        await storage.read(bad)
    with pytest.raises(ValueError, match="not a storage key"):
        await storage.delete(bad)
    with pytest.raises(ValueError, match="not a storage key"):
        await storage.exists(bad)


@pytest.mark.parametrize("size", [CHUNK, PART + CHUNK])
async def test_a_broken_stream_leaves_what_was_there(
    storage: StorageProvider, key: str, size: int
) -> None:
    await storage.write(key, stream(b"old"))
    with pytest.raises(ConnectionResetError):
        await storage.write(key, broken_stream(b"n" * size))
    assert await content(storage, key) == b"old"
    with pytest.raises(ConnectionResetError):
        await storage.write(f"{key}.new", broken_stream(b"n" * size))
    assert not await storage.exists(f"{key}.new")


@pytest.mark.parametrize("size", [CHUNK, PART + CHUNK])
async def test_a_cancelled_write_leaves_what_was_there(
    storage: StorageProvider, key: str, size: int
) -> None:
    stalled = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield b"n" * size
        stalled.set()
        await asyncio.Event().wait()

    await storage.write(key, stream(b"old"))
    writing = asyncio.create_task(storage.write(key, stalling()))
    await stalled.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await content(storage, key) == b"old"


async def test_of_writes_at_once_one_is_kept_whole(storage: StorageProvider, key: str) -> None:
    letters = [b"a", b"b", b"c", b"d"]
    await asyncio.gather(
        *(
            storage.write(key, repeated(letter * CHUNK, 130 + number))
            for number, letter in enumerate(letters)
        )
    )
    kept = await content(storage, key)
    number = letters.index(kept[:1])
    assert kept == letters[number] * CHUNK * (130 + number)


async def test_readers_see_an_old_or_a_new_object_but_no_mixture(
    storage: StorageProvider, key: str
) -> None:
    async def rewrite() -> None:
        for letter in (b"a", b"b") * 5:
            await storage.write(key, stream(letter * CHUNK))

    await storage.write(key, stream(b"a" * CHUNK))
    writing = asyncio.create_task(rewrite())
    while not writing.done():
        assert await content(storage, key) in (b"a" * CHUNK, b"b" * CHUNK)
    await writing


async def test_objects_come_and_go_beside_each_other(storage: StorageProvider, key: str) -> None:
    async def come_and_go(number: int) -> None:
        mine = f"{key}/{number}"
        for _ in range(10):
            await storage.write(mine, stream(b"here"))
            assert await content(storage, mine) == b"here"
            await storage.delete(mine)
            assert not await storage.exists(mine)

    await asyncio.gather(*(come_and_go(number) for number in range(8)))


async def test_an_opened_object_need_not_be_read(storage: StorageProvider, key: str) -> None:
    await storage.write(key, repeated(b"x" * CHUNK, 16))
    await storage.read(key)
    async for _ in await storage.read(key):
        break
    assert len(await content(storage, key)) == 16 * CHUNK
