from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from typing_extensions import override

from app.domains.catalog.errors import BookNotFound
from app.domains.catalog.model import BookQuery, Passage
from app.domains.discovery.jobs import CountWords, IndexBook
from app.domains.discovery.model import BookHit, PassageHit, Scope
from app.domains.discovery.service import (
    EmbeddingService,
    IndexingService,
    Meanings,
    SearchService,
    Snippets,
)
from app.ports.text import Chapter
from app.shared.ids import new_id
from tests.contracts.test_catalog_work import a_book
from tests.domains.catalog.reading_house import House
from tests.fakes.discovery import InMemoryDiscovery
from tests.fakes.embeddings import HashedWords
from tests.fakes.jobs import InlineRun


class Library:
    """The house, its index, and books that are read already."""

    def __init__(self, *, meanings: HashedWords | None = None, **snippets: Any) -> None:
        self.house = House()
        self.discovery = InMemoryDiscovery(self.house.catalog)
        self.model = meanings or HashedWords()
        begin = self.discovery.begin
        self.embedding = EmbeddingService(begin=begin, model=meanings)
        self.indexing = IndexingService(begin=begin, embedding=self.embedding)
        self.search = SearchService(
            begin=self.discovery.begin,
            shelving=self.house.shelving,
            snippets=Snippets(**snippets),
            meanings=Meanings(meanings),
        )

    async def add(
        self, title: str, *texts: str, chapters: int = 1, embed: bool = True, **said: Any
    ) -> UUID:
        book = a_book(title, **{"language": "en", **said})
        book.added_by = self.house.owner.id
        starts = [sum(map(len, texts[:n])) for n in range(len(texts))]
        passages = [
            Passage(n % chapters, at, text)
            for n, (at, text) in enumerate(zip(starts, texts, strict=True))
        ]
        async with self.house.catalog.begin() as work:
            await work.books.add(book)
            await work.texts.keep(book.id, [Chapter("One", 0, 1)] * chapters, passages)
        await self.index(book.id)
        if embed:
            await self.embedding.embed_whole(book.id)
        return book.id

    async def index(self, book_id: UUID) -> list[int]:
        """Run the job; how far it said to be."""
        run = WatchedRun()
        await self.indexing.index(book_id, run)
        return run.reports

    async def find(
        self, question: str, scope: Scope = "all", limit: int = 20
    ) -> Sequence[BookHit | PassageHit]:
        stranger = self.house.stranger
        return (await self.search.search(stranger, question, scope, BookQuery(), limit)).hits


class WatchedRun(InlineRun):
    def __init__(self) -> None:
        self.reports: list[int] = []

    @override
    async def report(self, done: int, planned: int) -> None:
        self.reports.append(done)


@pytest.fixture
def library() -> Library:
    return Library()


def book_of(hit: BookHit | PassageHit) -> UUID:
    return hit.view.book.id if isinstance(hit, BookHit) else hit.passage.first.book_id


async def test_books_and_places_stand_in_one_list_the_best_first(library: Library) -> None:
    emma = await library.add("Emma", "A girl of the village.")
    other = await library.add("Letters", "Emma wrote a letter.", "Nobody answered it.")
    hits = await library.find("emma")
    assert [(type(hit), book_of(hit)) for hit in hits] == [(BookHit, emma), (PassageHit, other)]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits[0].score == 1


async def test_beside_books_no_book_takes_more_than_three_places(library: Library) -> None:
    far = [text for n in range(8) for text in (f"Gull number {n}.", "Nothing at all.")]
    await library.add("Rocks", *far)
    assert len(await library.find("gull")) == 3
    assert len(await library.find("gull", "passages")) == 8


async def test_neighbours_are_found_as_one_place(library: Library) -> None:
    book = await library.add("Rocks", "A gull came. ", "The gull sat. ", "It slept.")
    (hit,) = await library.find("gull", "passages")
    assert isinstance(hit, PassageHit)
    assert (hit.passage.start, hit.passage.text) == (0, "A gull came. The gull sat. ")
    single = await library.search.passages_for("gull", BookQuery(), 5)
    assert [(p.first.book_id, p.first.ordinal) for p in single] == [(book, 0), (book, 1)]


async def test_passages_for_come_whole_and_at_their_place(library: Library) -> None:
    await library.add("Rocks", "Nothing at all. ", "A gull sat on the rock.")
    (found,) = await library.search.passages_for("Where did the gulls sit?", BookQuery(), 5)
    assert (found.start, found.end, found.text) == (16, 39, "A gull sat on the rock.")
    assert (found.title, found.heading) == ("Rocks", "One")


@pytest.mark.parametrize(("everything", "length"), [(False, 20), (True, 60)])
async def test_who_may_not_read_the_book_sees_little_of_it(everything: bool, length: int) -> None:
    library = Library(length=60, taste=20, everything=everything)
    await library.add("Rocks", "A gull sat on the rock. " * 9)
    (hit,) = await library.find("gull", "passages")
    assert isinstance(hit, PassageHit)
    assert not hit.readable
    assert length / 2 < len(hit.snippet.text) <= length
    for reader in (library.house.owner, library.house.librarian):
        answer = await library.search.search(reader, "gull", "passages", BookQuery(), 9)
        (hit,) = answer.hits
        assert isinstance(hit, PassageHit)
        assert hit.readable
        assert 30 < len(hit.snippet.text) <= 60


async def test_in_one_book_what_says_much_less_than_the_best_is_no_hit(library: Library) -> None:
    book = await library.add("Rocks", "A gull sat.", "Cold.", "A gull on a lamp.", "A rock, cold.")
    page = await library.search.search_in(
        library.house.stranger, book, "gull lamp", by_place=True, after=None, limit=9
    )
    assert [hit.passage.first.ordinal for hit in page.hits] == [0, 2]
    page = await library.search.search_in(
        library.house.stranger, book, "gull lamp", by_place=False, after=None, limit=1
    )
    assert [hit.passage.first.ordinal for hit in page.hits] == [2]
    assert (page.total, page.next_ordinal) == (2, None)


async def test_a_book_that_is_not_there_is_not_searched(library: Library) -> None:
    with pytest.raises(BookNotFound):
        await library.search.search_in(
            library.house.stranger, new_id(), "gull", by_place=True, after=None, limit=9
        )


async def test_a_long_book_is_indexed_in_stretches_and_words_are_counted_after(
    library: Library,
) -> None:
    book = await library.add("Rocks", *[f"Rock {n}. " for n in range(600)])
    assert isinstance(library.house.board.jobs[-1], CountWords)
    assert await library.index(book) == []
    library.discovery.indexed.passages.clear()
    assert await library.index(book) == [250, 500, 600]
    assert len(library.discovery.indexed.passages) == 600


async def test_indexing_goes_on_where_it_ended(library: Library) -> None:
    book = await library.add("Rocks", *[f"Rock {n}. " for n in range(600)])
    for place in [p for p in library.discovery.indexed.passages if p.ordinal < 100]:
        del library.discovery.indexed.passages[place]
    assert await library.index(book) == [100]


async def test_unfinished_books_are_asked_for(library: Library) -> None:
    await library.add("Done", "A gull.")
    left = await library.add("Left", "A gull.")
    library.house.board.stored.clear()
    library.discovery.indexed.passages = {
        p: made for p, made in library.discovery.indexed.passages.items() if p.book_id != left
    }
    assert await library.indexing.ask_for_unfinished() == 1
    assert library.house.board.jobs == [IndexBook(left)]


async def test_one_book_or_all_are_indexed_anew(library: Library) -> None:
    one = await library.add("One", "A gull.", "A rock.")
    two = await library.add("Two", "A lamp.")
    library.discovery.indexed.passages.clear()
    assert [done async for done in library.indexing.reindex(two)] == [(two, 1)]
    assert len(library.discovery.indexed.passages) == 1
    assert {done async for done in library.indexing.reindex()} == {(one, 2), (two, 1)}
    assert len(library.discovery.indexed.passages) == 3
    with pytest.raises(BookNotFound):
        [done async for done in library.indexing.reindex(new_id())]
