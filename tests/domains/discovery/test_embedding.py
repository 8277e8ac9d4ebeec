"""Books get their vectors: once, in turns, and again only when something changed."""

from uuid import UUID

import pytest

from app.domains.discovery.jobs import EmbedBook
from app.domains.discovery.model import Place
from app.domains.discovery.service import EmbeddingService
from app.ports.embeddings import EmbeddingsUnavailable
from tests.domains.discovery.test_searching import Library, WatchedRun
from tests.fakes.embeddings import HashedWords


@pytest.fixture
def library() -> Library:
    return Library(meanings=HashedWords())


async def embed(library: Library, book: UUID) -> list[int]:
    """Run the job once; how far it said to be."""
    run = WatchedRun()
    await library.embedding.embed(book, run)
    return run.reports


def embedded(library: Library) -> list[Place]:
    return sorted(place for made in library.discovery.embedded.vectors.values() for place in made)


def asked_for(library: Library) -> list[UUID]:
    return [job.book_id for job in library.house.board.jobs if isinstance(job, EmbedBook)]


def rocks(number: int) -> list[str]:
    return [f"Rock {n}. " for n in range(number)]


async def test_a_book_is_embedded_once_its_words_are_indexed() -> None:
    library = Library(meanings=HashedWords())
    book = await library.add("Rocks", "A rock.", embed=False)
    assert asked_for(library) == [book]
    assert embedded(library) == []


async def test_without_a_model_nothing_is_asked_for() -> None:
    library = Library()
    book = await library.add("Rocks", "A rock.")
    assert await library.embedding.ask_for_unfinished() == 0
    assert asked_for(library) == []
    assert await embed(library, book) == []


async def test_without_a_place_for_vectors_nothing_is_done(library: Library) -> None:
    library.discovery.embedded.possible = False
    book = await library.add("Rocks", "A rock.", embed=False)
    assert await embed(library, book) == []
    assert await library.embedding.ask_for_unfinished() == 0
    assert library.model.embedded == []


async def test_a_long_book_is_embedded_in_turns_from_its_end(library: Library) -> None:
    book = await library.add("Rocks", *rocks(100), embed=False)
    library.house.board.stored.clear()
    assert await embed(library, book) == [16, 32, 48, 64]
    assert embedded(library) == [Place(book, number) for number in range(36, 100)]
    assert asked_for(library) == [book]
    library.house.board.stored.clear()
    assert await embed(library, book) == [16, 32, 36]
    assert asked_for(library) == []
    assert await embed(library, book) == []


async def test_a_turn_that_fails_keeps_what_was_done(library: Library) -> None:
    book = await library.add("Rocks", *rocks(20), embed=False)
    await embed(library, book)
    library.model.embedded.clear()
    made = library.discovery.embedded.vectors[1]
    for number in range(18):
        del made[Place(book, number)]
    library.model.failure = EmbeddingsUnavailable()
    with pytest.raises(EmbeddingsUnavailable):
        await embed(library, book)
    library.model.failure = None
    await embed(library, book)
    assert [text for _, text in library.model.embedded] == [*rocks(20)[2:18], *rocks(20)[:2]]


async def test_equal_passages_are_embedded_once(library: Library) -> None:
    one = await library.add("One", "The same. ", "Another. ", "The same. ")
    two = await library.add("Two", "The same. ", "Nothing else.")
    assert sorted(text for _, text in library.model.embedded) == [
        "Another. ", "Nothing else.", "The same. ",
    ]  # fmt: skip
    assert len(embedded(library)) == 5
    assert {place.book_id for place in embedded(library)} == {one, two}


async def test_a_book_that_went_meanwhile_is_no_work(library: Library) -> None:
    book = await library.add("Rocks", "A rock.", embed=False)
    del library.house.catalog.shelf.books[book]
    assert await embed(library, book) == []
    assert library.model.embedded == []


async def test_unfinished_books_are_asked_for_and_not_while_the_model_is_away(
    library: Library,
) -> None:
    await library.add("Done", "A gull.")
    left = await library.add("Left", "A rock.", embed=False)
    library.house.board.stored.clear()
    library.model.failure = EmbeddingsUnavailable()
    assert await library.embedding.ask_for_unfinished() == 0
    library.model.failure = None
    assert await library.embedding.ask_for_unfinished() == 1
    assert asked_for(library) == [left]


async def test_another_model_is_built_beside_the_old_one_which_goes_when_all_is_done(
    library: Library,
) -> None:
    book = await library.add("Rocks", "A rock.", "A gull.")
    after = EmbeddingService(begin=library.discovery.begin, model=HashedWords(model="newer"))
    assert await after.ask_for_unfinished() == 1
    library.discovery.embedded.unused.add(1)
    assert [len(made) for made in library.discovery.embedded.vectors.values()] == [2, 0]
    await after.embed(book, WatchedRun())
    assert [len(made) for made in library.discovery.embedded.vectors.values()] == [2, 2]
    assert await after.ask_for_unfinished() == 0
    assert [len(made) for made in library.discovery.embedded.vectors.values()] == [0, 2]


async def test_indexing_anew_embeds_what_is_missing_and_words_do_not_wait_for_it(
    library: Library,
) -> None:
    one = await library.add("One", "A gull.", embed=False)
    two = await library.add("Two", "A rock.", embed=False)
    library.discovery.indexed.passages.clear()
    library.model.failure = EmbeddingsUnavailable()
    seen = []

    async def reindex() -> None:
        async for each, _ in library.indexing.reindex():
            seen.append(each)

    with pytest.raises(EmbeddingsUnavailable):
        await reindex()
    assert sorted(seen) == sorted([one, two])
    assert len(library.discovery.indexed.passages) == 2
    library.model.failure = None
    await reindex()
    assert len(embedded(library)) == 2
