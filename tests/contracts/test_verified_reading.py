"""Stored bytes that are not what was stored: on every store, of every kind of damage, whole or
in part, nothing wrong ever comes out."""

from collections.abc import AsyncIterator
from random import Random

import pytest

from app.adapters.storage.verifying import BLOCK_SIZE, VerifyingStorage
from app.ports.files import FileRecord, ObjectDamaged
from app.ports.storage import ByteRange, ObjectMissing, StorageProvider
from app.shared.errors import RangeNotSatisfiable
from tests.contracts.storage_adapters import ADAPTERS, stream
from tests.fakes.clock import FrozenClock
from tests.fakes.files import InMemoryFileRecords

KEY = "books/one"
SIZE = 3 * BLOCK_SIZE + 1000
WHOLE = Random(7).randbytes(SIZE)
# A bit at both ends, on both sides of an edge between blocks, and in the middle of one.
PLACES = [
    0,
    1,
    BLOCK_SIZE - 1,
    BLOCK_SIZE,
    BLOCK_SIZE + 77,
    3 * BLOCK_SIZE - 1,
    SIZE - 1000,
    SIZE - 1,
]
PARTS = [
    (0, 0),
    (0, BLOCK_SIZE - 1),
    (BLOCK_SIZE - 1, BLOCK_SIZE),
    (BLOCK_SIZE + 10, 3 * BLOCK_SIZE + 5),
    (SIZE - 1, SIZE - 1),
    (SIZE - 500, SIZE + 500),
    (0, SIZE - 1),
]


class Store:
    """A verifying store, and the one behind it, where damage is done."""

    def __init__(self, raw: StorageProvider) -> None:
        self.raw = raw
        self.records = InMemoryFileRecords()
        self.storage = VerifyingStorage(raw, self.records, FrozenClock())

    async def damage(self, content: bytes) -> None:
        await self.raw.write(KEY, stream(content))

    async def read(self, part: ByteRange | None = None) -> tuple[bytes, Exception | None]:
        """What came out before the end, or before the failure."""
        came = bytearray()
        try:
            async for chunk in await self.storage.read(KEY, part):
                came += chunk
        except ObjectMissing as error:
            return bytes(came), error
        return bytes(came), None


@pytest.fixture(params=["memory", "local", "s3"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    async with ADAPTERS[request.param](request) as raw:
        store = Store(raw)
        await store.storage.write(KEY, stream(WHOLE[:100], WHOLE[100:]))
        yield store


@pytest.fixture
async def quick() -> Store:
    async with ADAPTERS["memory"](None) as raw:  # type: ignore[arg-type]
        store = Store(raw)
        await store.storage.write(KEY, stream(WHOLE))
        return store


async def test_what_is_whole_is_read_whole_and_in_part(store: Store) -> None:
    assert await store.read() == (WHOLE, None)
    for start, end in PARTS:
        assert await store.read(ByteRange(start, end)) == (WHOLE[start : end + 1], None)
    with pytest.raises(RangeNotSatisfiable):
        await store.storage.read(KEY, ByteRange(SIZE, SIZE + 1))


@pytest.mark.parametrize("place", PLACES)
async def test_a_bit_that_flipped_is_never_read(store: Store, place: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[place] ^= 1
    await store.damage(bytes(damaged))
    came, error = await store.read()
    assert isinstance(error, ObjectDamaged)
    # All before the block, and nothing of it.
    assert came == WHOLE[: place // BLOCK_SIZE * BLOCK_SIZE]
    assert store.records.kept[KEY].record.damage == "changed"


@pytest.mark.parametrize("place", PLACES)
async def test_a_part_comes_out_right_or_not_at_all(quick: Store, place: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[place] ^= 0x80
    for start, end in PARTS:
        await quick.damage(bytes(damaged))
        await quick.records.judge(KEY, None, FrozenClock().now())
        came, error = await quick.read(ByteRange(start, end))
        first, last = start // BLOCK_SIZE, min(end, SIZE - 1) // BLOCK_SIZE
        hit = first <= place // BLOCK_SIZE <= last
        assert isinstance(error, ObjectDamaged) == hit
        assert WHOLE[start : end + 1].startswith(came)
        assert hit or came == WHOLE[start : end + 1]


async def test_ten_thousand_flips_are_ten_thousand_refusals(quick: Store) -> None:
    """On small objects, so that it takes no time; the arithmetic is the same."""
    chance = Random(11)
    for number in range(10_000):
        content = chance.randbytes(chance.randrange(1, 200))
        key = f"books/{number}"
        await quick.storage.write(key, stream(content))
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        await quick.raw.write(key, stream(bytes(damaged)))
        with pytest.raises(ObjectDamaged):
            await quick.storage.read(key)
        await quick.storage.delete(key)


@pytest.mark.parametrize("length", [0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, 2 * BLOCK_SIZE, SIZE - 1])
async def test_of_a_truncated_object_no_end_is_made_up(store: Store, length: int) -> None:
    await store.damage(WHOLE[:length])
    came, error = await store.read()
    assert isinstance(error, ObjectDamaged)
    assert came == WHOLE[: length // BLOCK_SIZE * BLOCK_SIZE]
    assert (await store.read(ByteRange(SIZE - 1, SIZE - 1)))[0] == b""


async def test_what_was_added_to_an_object_is_not_handed_out_and_a_check_finds_it(
    store: Store,
) -> None:
    await store.damage(WHOLE + b"more")
    assert await store.read() == (WHOLE, None)
    assert await store.storage.check(KEY) == "changed"
    assert isinstance((await store.read())[1], ObjectDamaged)


async def test_a_missing_object_is_marked_so(store: Store) -> None:
    await store.raw.delete(KEY)
    with pytest.raises(ObjectMissing) as refusal:
        await store.storage.read(KEY)
    assert refusal.value.code == "object_missing"
    assert store.records.kept[KEY].record.damage == "missing"


async def test_what_is_known_to_be_damaged_is_refused_before_the_first_byte(store: Store) -> None:
    await store.damage(WHOLE[:-1] + b"?")
    await store.read()
    with pytest.raises(ObjectDamaged):
        await store.storage.read(KEY)
    with pytest.raises(ObjectDamaged):
        await store.storage.read(KEY, ByteRange(0, 0))


async def test_an_object_that_is_brought_back_is_good_again_once_it_is_checked(
    store: Store,
) -> None:
    await store.damage(b"?" + WHOLE[1:])
    assert isinstance((await store.read())[1], ObjectDamaged)
    await store.damage(WHOLE)
    assert await store.storage.check(KEY) is None
    assert await store.read() == (WHOLE, None)


async def test_an_object_from_before_there_were_digests_gets_them_at_its_first_reading(
    quick: Store,
) -> None:
    known = quick.records.kept[KEY].record
    await quick.records.keep(FileRecord(KEY, known.total, None), FrozenClock().now())
    assert await quick.read(ByteRange(5, 9)) == (WHOLE[5:10], None)
    assert quick.records.kept[KEY].record == known
    await quick.records.keep(FileRecord(KEY, known.total, None), FrozenClock().now())
    await quick.damage(WHOLE[:-1] + b"?")
    with pytest.raises(ObjectDamaged):
        await quick.storage.read(KEY, ByteRange(5, 9))


async def test_a_removed_object_leaves_no_record(store: Store) -> None:
    await store.storage.delete(KEY)
    assert store.records.kept == {}
    assert not await store.storage.exists(KEY)


async def test_an_empty_object_is_empty(store: Store) -> None:
    await store.storage.write("books/empty", stream())
    assert [chunk async for chunk in await store.storage.read("books/empty")] == []
    assert await store.storage.check("books/empty") is None
    await store.raw.delete("books/empty")
    with pytest.raises(ObjectMissing):
        await store.storage.read("books/empty")


async def test_every_store_lists_what_lies_in_it(request: pytest.FixtureRequest) -> None:
    for name in ("memory", "local", "s3"):
        async with ADAPTERS[name](request) as raw:
            for key in ("books/a", "books/a/b", "models/x/y.1", "texts/t"):
                await raw.write(key, stream(key.encode()))
            found = {each.key: each.size async for each in raw.listing()}  # type: ignore[attr-defined]
            wanted = {key: len(key) for key in ("books/a", "books/a/b", "models/x/y.1", "texts/t")}
            assert {key: found.get(key) for key in wanted} == wanted, name
