"""What every index of passages promises."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from app.adapters.postgres.catalog import SqlCatalogWork
from app.adapters.postgres.discovery import SqlDiscoveryWork
from app.domains.catalog.model import BookQuery, Passage
from app.domains.catalog.ports import CatalogWork
from app.domains.discovery.model import Candidate, Place
from app.domains.discovery.ports import DiscoveryWork, Within
from app.domains.discovery.service.ranking import pairs_of
from app.ports.text import Chapter
from app.shared.ids import new_id
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.contracts.test_catalog_work import a_book
from tests.fakes.catalog import InMemoryCatalog
from tests.fakes.discovery import InMemoryDiscovery
from tests.fakes.lending import a_reader

SAID = [
    "The keeper lights the lamp every evening. ",
    "A storm came from the north and the lamp went dark.\n\n",
    "In spring the gulls returned to the keeper's tower.",
]


@dataclass
class Room:
    begin: Callable[[], DiscoveryWork]
    catalog: Callable[[], CatalogWork]
    store: SqlShelf | InMemoryCatalog

    async def add(self, *texts: str, title: str = "Gulls", **said: Any) -> UUID:
        book = a_book(title, **{"language": "en", **said})
        async with self.catalog() as work:
            await work.books.add(book)
            await work.books.stock(book.id, 1)
        await self.say(book.id, *texts)
        return book.id

    async def say(self, book_id: UUID, *texts: str) -> None:
        starts = [sum(map(len, texts[:n])) for n in range(len(texts))]
        passages = [Passage(0, at, text) for at, text in zip(starts, texts, strict=True)]
        chapters = [Chapter("The Lamp", 0, sum(map(len, texts)), 7)]
        async with self.catalog() as work:
            await work.texts.keep(book_id, chapters, passages)

    async def index(self, book_id: UUID) -> None:
        async with self.begin() as work:
            await work.indexed.write(book_id, 0, await work.indexed.size(book_id))

    async def found(self, question: str, within: Within | None = None) -> list[Candidate]:
        async with self.begin() as work:
            terms = await work.index.terms(question)
            if not terms:
                return []
            found = await work.index.candidates(terms, pairs_of(terms), within or Within())
        return sorted(found, key=lambda candidate: candidate.place)


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


async def test_passages_are_found_by_any_of_the_words(room: Room) -> None:
    book = await room.add(*SAID)
    await room.index(book)
    found = await room.found("lamps of the storms")
    assert [candidate.place for candidate in found] == [Place(book, 0), Place(book, 1)]
    one, both = found
    assert [strength > 0 for strength in one.strengths] == [True, False]
    assert [strength > 0 for strength in both.strengths] == [True, True]
    assert 0 < max(both.strengths) <= 1


async def test_words_that_stand_together_are_told_apart(room: Room) -> None:
    book = await room.add("Gulls returned.", "The gulls slept and nobody returned.")
    await room.index(book)
    assert [list(c.together) for c in await room.found("gulls returned")] == [[True], [False]]


async def test_a_word_said_often_is_stronger(room: Room) -> None:
    book = await room.add("A gull.", "A gull and a gull beside a gull.")
    await room.index(book)
    once, often = await room.found("gull")
    assert once.strengths[0] < often.strengths[0]


async def test_little_words_are_no_terms(room: Room) -> None:
    await room.index(await room.add(*SAID))
    async with room.begin() as work:
        terms = await work.index.terms("And the lamp of the keeper")
    assert [term.position for term in terms] == [3, 6]


async def test_of_a_long_question_some_words_are_kept(room: Room) -> None:
    await room.index(await room.add(*SAID))
    async with room.begin() as work:
        terms = await work.index.terms(" ".join(f"word{chr(97 + n % 26)}{n}" for n in range(90)))
    assert 0 < len({term.position for term in terms}) <= 24


async def test_common_words_tell_less_once_they_are_counted(room: Room) -> None:
    await room.index(await room.add(*[f"A gull sees rock number {n}." for n in range(9)], "A cat."))
    async with room.begin() as work:
        assert await work.indexed.has_grown()
        assert await work.indexed.count_words() > 0
        assert not await work.indexed.has_grown()
    async with room.begin() as work:
        gull, cat = await work.index.terms("gull cat")
    assert gull.share == pytest.approx(0.9)
    assert gull.weight < cat.weight


async def test_only_books_of_the_kind_are_looked_into(room: Room) -> None:
    gulls = await room.add(*SAID, author="Ida", genres=["Sea"], year_published=1900)
    other = await room.add("The lamp.", title="Lamp", author="Otto", year_published=2000)
    for book in (gulls, other):
        await room.index(book)
    for query in (
        BookQuery(author="IDA"),
        BookQuery(genre="sea"),
        BookQuery(year_to=1950),
        BookQuery(author="Ida", language="en"),
    ):
        found = await room.found("lamp", Within(query))
        assert {candidate.place.book_id for candidate in found} == {gulls}, query
    found = await room.found("lamp", Within(book_id=other))
    assert [candidate.place for candidate in found] == [Place(other, 0)]
    assert await room.found("lamp", Within(BookQuery(language="fr"))) == []


async def test_a_text_comes_with_what_surrounds_it(room: Room) -> None:
    book = await room.add(*SAID)
    await room.index(book)
    async with room.begin() as work:
        terms = await work.index.terms("the lamps of a keeper")
        texts = await work.index.texts([Place(book, 1), Place(book, 9), Place(new_id(), 0)], terms)
    (text,) = texts.values()
    assert (text.place, text.title, text.author) == (Place(book, 1), "Gulls", "Jane Austen")
    assert (text.heading, text.page, text.chapter) == ("The Lamp", 7, 0)
    assert (text.start, text.text) == (len(SAID[0]), SAID[1])
    assert text.forms == {"lamp": 2}


async def test_signs_are_found_literally(room: Room) -> None:
    book = await room.add(*SAID)
    async with room.begin() as work:
        assert await work.index.literally("THE LAMP", book) == [Place(book, 0), Place(book, 1)]
        assert await work.index.literally("%", book) == []


async def test_what_is_missing_is_known_until_it_is_written(room: Room) -> None:
    book = await room.add(*SAID)
    async with room.begin() as work:
        assert await work.indexed.missing(book) == await work.indexed.size(book) == 3
        assert list(await work.indexed.unfinished(None, 10)) == [book]
        await work.indexed.write(book, 1, 9)
    async with room.begin() as work:
        assert await work.indexed.missing(book) == 1
        assert list(await work.indexed.unfinished(None, 10)) == [book]
        await work.indexed.write(book, 0, 1)
    async with room.begin() as work:
        assert await work.indexed.missing(book) == 0
        assert list(await work.indexed.unfinished(None, 10)) == []
        assert list(await work.indexed.all(None, 10)) == [book]
        assert list(await work.indexed.all(book, 10)) == []
        assert await work.indexed.size(new_id()) == await work.indexed.missing(new_id()) == 0


async def test_a_new_text_replaces_the_old_one_in_the_index(room: Room) -> None:
    book = await room.add(*SAID)
    await room.index(book)
    await room.say(book, "An owl went to sea.")
    assert await room.found("lamp") == []
    async with room.begin() as work:
        assert await work.indexed.missing(book) == 1
    await room.index(book)
    assert [candidate.place for candidate in await room.found("owl")] == [Place(book, 0)]


async def test_a_book_in_another_language_is_indexed_anew(room: Room) -> None:
    book = await room.add(*SAID)
    await room.index(book)
    async with room.catalog() as work:
        (await work.books.get(book, for_change=True)).language = "de"
    async with room.begin() as discovery:
        assert await discovery.indexed.missing(book) == 3


async def test_a_book_that_is_gone_is_not_found(room: Room) -> None:
    book = await room.add(*SAID)
    await room.index(book)
    async with room.catalog() as work:
        await work.books.remove(await work.books.get(book, for_change=True))
    assert await room.found("lamp") == []


async def test_books_are_known_by_their_exact_names(room: Room) -> None:
    book = await room.add("x", title="Zoë", author="Anaïs", isbn="9780306406157")
    async with room.begin() as work:
        for words, isbns, route in [
            (" ZOE ", [], "title"), ("anais", [], "author"), ("?", ["9780306406157"], "isbn"),
        ]:  # fmt: skip
            assert list(await work.shelves.named(words, isbns, BookQuery(), 9)) == [(book, route)]
        assert list(await work.shelves.named("Zo", [], BookQuery(), 9)) == []
        assert list(await work.shelves.named("Zoe", [], BookQuery(language="fr"), 9)) == []


async def test_a_stranger_may_read_nothing(room: Room) -> None:
    book = await room.add(*SAID)
    async with room.begin() as work:
        assert set(await work.shelves.readable_by(a_reader().id, [book])) == set()
