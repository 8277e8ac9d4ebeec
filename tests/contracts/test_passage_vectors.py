"""What every place for the vectors of passages promises."""

from collections.abc import AsyncIterator, Sequence
from math import sqrt
from uuid import UUID

import pytest

from app.adapters.postgres.catalog import SqlCatalogWork
from app.adapters.postgres.discovery import SqlDiscoveryWork
from app.domains.catalog.model import BookQuery
from app.domains.discovery.model import Place, Ranked, Space, Unembedded
from app.domains.discovery.ports import Within
from app.shared.ids import new_id
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.contracts.test_discovery_work import Room
from tests.fakes.discovery import InMemoryDiscovery

EAST, NORTH, WEST = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]
BETWEEN = [sqrt(0.5), sqrt(0.5), 0.0]
REFERENCE = "fake:compass:3"
SAID = ["To the east. ", "To the north. ", "To the west."]


@pytest.fixture(params=["memory", "postgres"])
async def room(request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    if request.param == "memory":
        discovery = InMemoryDiscovery()
        yield Room(discovery.begin, discovery.catalog.begin, discovery.catalog)
        return
    async with opened_shelf(request.getfixturevalue("database_url")) as shelf:
        yield Room(
            lambda: SqlDiscoveryWork(shelf.sessions), lambda: SqlCatalogWork(shelf.sessions), shelf
        )


async def opened(room: Room, reference: str = REFERENCE, dimensions: int = 3) -> Space:
    async with room.begin() as work:
        space = await work.vectors.open(reference, dimensions)
    assert space
    return space


async def missing(room: Room, space: Space, book: UUID, at_most: int = 9) -> list[Unembedded]:
    async with room.begin() as work:
        return list(await work.vectors.missing(space, book, at_most))


async def give(room: Room, space: Space, book: UUID, *vectors: Sequence[float] | None) -> int:
    """The vectors to the passages that have none, in order."""
    left = await missing(room, space, book)
    async with room.begin() as work:
        return await work.vectors.write(space, book, dict(zip(left, vectors, strict=True)))


async def nearest(
    room: Room, space: Space, vector: Sequence[float], k: int = 9, within: Within | None = None
) -> list[Ranked]:
    async with room.begin() as work:
        return list(await work.vectors.nearest(space, vector, k, within or Within()))


def places(found: Sequence[Ranked]) -> list[Place]:
    return [hit.place for hit in found]


async def test_the_nearest_come_first_with_their_cosines(room: Room) -> None:
    book, space = await room.add(*SAID), await opened(room)
    assert await give(room, space, book, EAST, NORTH, WEST) == 3
    found = await nearest(room, space, [0.8, 0.6, 0.0])
    assert places(found) == [Place(book, 0), Place(book, 1), Place(book, 2)]
    assert [hit.score for hit in found] == pytest.approx([0.8, 0.6, -0.8], abs=1e-3)
    assert places(await nearest(room, space, WEST, k=1)) == [Place(book, 2)]


async def test_a_model_has_a_place_of_its_own(room: Room) -> None:
    book, space = await room.add(*SAID), await opened(room)
    await give(room, space, book, EAST, NORTH, WEST)
    async with room.begin() as work:
        assert await work.vectors.space_of("nobody") is None
        assert await work.vectors.space_of(REFERENCE) == space
        assert await work.vectors.open(REFERENCE, 3) == space
    other = await opened(room, "fake:clock:2", 2)
    assert other.number != space.number
    assert len(await missing(room, other, book)) == 3
    assert await nearest(room, other, [1.0, 0.0]) == []
    await give(room, other, book, [0.0, 1.0], [1.0, 0.0], [-1.0, 0.0])
    assert places(await nearest(room, other, [1.0, 0.0], k=1)) == [Place(book, 1)]
    assert places(await nearest(room, space, EAST, k=1)) == [Place(book, 0)]


async def test_what_is_missing_is_known_from_the_end(room: Room) -> None:
    book, space = await room.add(*SAID), await opened(room)
    last = await missing(room, space, book, 2)
    assert last == [Unembedded(1, SAID[1], known=False), Unembedded(2, SAID[2], known=False)]
    async with room.begin() as work:
        assert await work.vectors.left(space, book) == 3
        assert list(await work.vectors.unfinished(space, None, 9)) == [book]
        await work.vectors.write(space, book, dict(zip(last, [NORTH, WEST], strict=True)))
    async with room.begin() as work:
        assert await work.vectors.left(space, book) == 1
        assert list(await work.vectors.unfinished(space, None, 9)) == [book]
    assert await give(room, space, book, EAST) == 1
    async with room.begin() as work:
        assert await work.vectors.left(space, book) == await work.vectors.left(space, new_id()) == 0
        assert list(await work.vectors.unfinished(space, None, 9)) == []
        assert list(await work.vectors.missing(space, new_id(), 9)) == []


async def test_books_that_are_unfinished_come_some_at_a_time(room: Room) -> None:
    space = await opened(room)
    books = sorted([await room.add(f"Book {n}.", title=f"{n}") for n in range(3)])
    async with room.begin() as work:
        assert list(await work.vectors.unfinished(space, None, 2)) == books[:2]
        assert list(await work.vectors.unfinished(space, books[1], 2)) == books[2:]


async def test_an_equal_passage_lends_its_vector(room: Room) -> None:
    book, space = await room.add(*SAID), await opened(room)
    await give(room, space, book, EAST, NORTH, WEST)
    copy = await room.add(SAID[1], "Somewhere else.", title="Copy")
    left = await missing(room, space, copy)
    assert [each.known for each in left] == [True, False]
    assert await give(room, space, copy, None, WEST) == 2
    assert set(places(await nearest(room, space, NORTH, k=2))) == {Place(book, 1), Place(copy, 0)}


async def test_nobody_lends_what_nobody_has(room: Room) -> None:
    book, space = await room.add(*SAID), await opened(room)
    assert await give(room, space, book, None, None, WEST) == 1
    assert len(await missing(room, space, book)) == 2


async def test_a_vector_of_another_text_is_not_kept(room: Room) -> None:
    book, space = await room.add(*SAID), await opened(room)
    left = await missing(room, space, book)
    await room.say(book, "To the moon. ", SAID[1])
    async with room.begin() as work:
        said = dict(zip(left, [EAST, NORTH, WEST], strict=True))
        assert await work.vectors.write(space, book, said) == 1
    assert [each.text for each in await missing(room, space, book)] == ["To the moon. "]


async def test_a_text_goes_with_its_vectors(room: Room) -> None:
    book, space = await room.add(*SAID), await opened(room)
    left = await missing(room, space, book)
    await give(room, space, book, EAST, NORTH, WEST)
    await room.say(book, "Nothing of the kind.")
    assert await nearest(room, space, EAST) == []
    async with room.catalog() as work:
        await work.books.remove(await work.books.get(book, for_change=True))
    async with room.begin() as discovery:
        said = dict(zip(left, [EAST, NORTH, WEST], strict=True))
        assert await discovery.vectors.write(space, book, said) == 0


async def test_only_books_of_the_kind_are_near(room: Room) -> None:
    space = await opened(room)
    far = await room.add(*SAID, author="Ida", year_published=1900)
    near = await room.add("To the sun.", title="Sun", author="Otto", year_published=2000)
    await give(room, space, far, NORTH, BETWEEN, WEST)
    await give(room, space, near, EAST)
    assert places(await nearest(room, space, EAST, k=1)) == [Place(near, 0)]
    for within in (
        Within(BookQuery(author="IDA")),
        Within(BookQuery(year_to=1950)),
        Within(book_id=far),
    ):
        found = await nearest(room, space, EAST, 9, within)
        assert places(found) == [Place(far, n) for n in (1, 0, 2)], within


async def test_signs_of_all_kinds_are_embedded(room: Room) -> None:
    book, space = await room.add("吾輩は猫である 😀", "e\u0301 ' \\ \" 100 %"), await opened(room)
    assert await give(room, space, book, EAST, NORTH) == 2


@pytest.fixture
async def shelf(database_url: str) -> AsyncIterator[SqlShelf]:
    async with opened_shelf(database_url) as shelf:
        yield shelf


def room_of(shelf: SqlShelf) -> Room:
    sessions = shelf.sessions
    return Room(lambda: SqlDiscoveryWork(sessions), lambda: SqlCatalogWork(sessions), shelf)


async def test_a_model_nobody_used_for_a_day_is_forgotten(shelf: SqlShelf) -> None:
    room = room_of(shelf)
    book, old = await room.add(*SAID), await opened(room, "fake:old:3")
    await give(room, old, book, EAST, NORTH, WEST)
    space = await opened(room)
    async with room.begin() as work:
        assert await work.vectors.forget_others(space, 2) == 0
    aged = "UPDATE embedding_models SET used_at = used_at - interval '25 hours' RETURNING id"
    assert len(await shelf.rows(aged)) == 2
    gone = []
    for _ in range(4):
        async with room.begin() as work:
            gone.append(await work.vectors.forget_others(space, 2))
    assert gone == [2, 1, 0, 0]
    async with room.begin() as work:
        assert await work.vectors.space_of("fake:old:3") is None
        assert await work.vectors.space_of(REFERENCE) == space
    indexes = "SELECT indexname FROM pg_indexes WHERE indexname LIKE 'ix_passage_vectors_nearest%'"
    assert await shelf.rows(indexes) == [(f"ix_passage_vectors_nearest_{space.number}",)]


async def test_vectors_too_long_for_an_index_are_compared_all_the_same(shelf: SqlShelf) -> None:
    room = room_of(shelf)
    book, space = await room.add(*SAID), await opened(room, "fake:long:5000", 5000)
    rest = [0.0] * 4997
    await give(room, space, book, EAST + rest, NORTH + rest, WEST + rest)
    assert places(await nearest(room, space, NORTH + rest, k=1)) == [Place(book, 1)]
