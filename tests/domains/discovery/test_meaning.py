"""Searching by meaning beside words: what it adds, and what it must never take away."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from typing_extensions import override

from app.domains.catalog.model import BookQuery
from app.domains.discovery.model import Answer, PassageHit, Place, Ranked
from app.domains.discovery.service import Meanings, SearchService, Snippets
from app.domains.discovery.service.fusing import fused
from app.ports.embeddings import EmbeddingsRefused, EmbeddingsUnavailable, Kind
from app.shared.ids import new_id
from tests.domains.discovery.test_searching import Library
from tests.fakes.embeddings import HashedWords

BOOK = new_id()


class Paraphrasing(HashedWords):
    """Knows that a bird is a gull; slow while it is told to be."""

    def __init__(self) -> None:
        super().__init__()
        self.awake = asyncio.Event()
        self.awake.set()

    @override
    async def embed(self, texts: Sequence[str], *, kind: Kind) -> Sequence[Sequence[float]]:
        await self.awake.wait()
        return await super().embed([text.replace("birds", "gulls") for text in texts], kind=kind)


class MeaningLibrary(Library):
    def __init__(self) -> None:
        super().__init__(meanings=Paraphrasing())

    async def ask(self, question: str, **kind: Any) -> Answer:
        reader = self.house.librarian
        return await self.search.search(reader, question, "passages", BookQuery(**kind), 9)


@pytest.fixture
async def library() -> MeaningLibrary:
    library = MeaningLibrary()
    storm = "Gulls came with the storm, as they always do."
    await library.add("Rocks", "The rock is cold, and wet. ", storm, chapters=2)
    await library.add("Lamps", "A lamp burns all night. ", "The king of the lamps sleeps.")
    return library


def said(answer: Answer) -> list[str]:
    return [hit.passage.text for hit in answer.hits if isinstance(hit, PassageHit)]


async def test_a_passage_without_a_word_of_the_question_is_found_by_its_meaning(
    library: MeaningLibrary,
) -> None:
    answer = await library.ask("birds")
    assert answer.ways == ["words", "meaning"]
    assert said(answer)[0].startswith("Gulls came")
    assert all(0 <= hit.score <= 1 for hit in answer.hits)


async def test_a_hit_by_meaning_has_a_verbatim_snippet_at_its_place(
    library: MeaningLibrary,
) -> None:
    (hit, *_) = (await library.ask("birds")).hits
    assert isinstance(hit, PassageHit)
    assert (hit.passage.start, hit.snippet.start) == (27, 27)
    assert hit.snippet.text == "Gulls came with the storm, as they always do."


async def test_meaning_is_looked_for_in_books_of_the_kind_only(library: MeaningLibrary) -> None:
    await library.add("Others", "Gulls of another writer.", author="Ida")
    assert said(await library.ask("birds", author="Ida")) == ["Gulls of another writer."]


@pytest.mark.parametrize("failure", [EmbeddingsUnavailable(), EmbeddingsRefused("no such model")])
async def test_without_the_model_words_answer_alone_and_say_so(
    library: MeaningLibrary, failure: Exception
) -> None:
    library.model.failure = failure
    answer = await library.ask("gulls")
    assert (said(answer), answer.ways) == (
        ["Gulls came with the storm, as they always do."], ["words"],
    )  # fmt: skip


async def test_nobody_waits_for_a_slow_model_and_only_one_asks_it() -> None:
    model = Paraphrasing()
    meanings = Meanings(model, patience=0.01)
    model.awake.clear()
    assert await meanings.of("gulls") is None
    assert [await meanings.of("gulls") for _ in range(3)] == [None] * 3
    model.awake.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(model.embedded) == 1
    assert await meanings.of("gulls")


async def test_a_question_of_little_words_only_finds_nothing_by_meaning(
    library: MeaningLibrary,
) -> None:
    for question in ("the and of", "?!", "😀"):
        answer = await library.ask(question)
        assert (list(answer.hits), answer.ways) == ([], ["words"]), question


async def test_a_model_that_has_read_nothing_adds_nothing(library: MeaningLibrary) -> None:
    search = SearchService(
        begin=library.discovery.begin,
        shelving=library.house.shelving,
        snippets=Snippets(),
        meanings=Meanings(HashedWords(model="another")),
    )
    answer = await search.search(library.house.owner, "birds", "all", BookQuery(), 9)
    assert (list(answer.hits), answer.ways) == ([], ["words"])


async def test_one_book_is_searched_by_meaning_too_but_not_in_its_order(
    library: MeaningLibrary,
) -> None:
    book = await library.add("Sea", "Water. ", "A gulls' island. ", "Salt.", chapters=3)
    reader = library.house.stranger
    page = await library.search.search_in(
        reader, book, "birds", by_place=False, after=None, limit=9
    )
    assert page.hits[0].passage.text == "A gulls' island. "
    assert page.ways == ["words", "meaning"]
    page = await library.search.search_in(reader, book, "birds", by_place=True, after=None, limit=9)
    assert (list(page.hits), page.ways) == ([], ["words"])


def test_what_both_ways_find_comes_before_what_one_finds() -> None:
    one, both, other = [Place(BOOK, number) for number in range(3)]
    by_words = [Ranked(one, 0.3), Ranked(both, 0.29)]
    near = [Ranked(other, 0.91), Ranked(both, 0.9), Ranked(Place(BOOK, 9), 0.7)]
    found = fused(by_words, near)
    assert found[0].place == both
    assert {hit.place for hit in found} == {one, both, other, Place(BOOK, 9)}
    assert all(0 <= hit.score <= 1 for hit in found)


def test_meaning_counts_more_where_words_say_little() -> None:
    said, meant = Place(BOOK, 0), Place(BOOK, 5)
    near = [Ranked(meant, 0.9), Ranked(Place(BOOK, 9), 0.7)]
    assert fused([Ranked(said, 0.05)], near)[0].place == meant
    assert fused([Ranked(said, 0.5)], near)[0].place == said


def test_a_passage_beside_a_near_one_is_nearer_than_one_alone() -> None:
    near = [Ranked(Place(BOOK, n), s) for n, s in [(1, 0.9), (7, 0.6), (2, 0.59), (9, 0.5)]]
    assert [hit.place.ordinal for hit in fused([], near)] == [1, 2, 7, 9]


def test_either_way_alone_keeps_its_order() -> None:
    hits = [Ranked(Place(BOOK, number), 0.9 - number / 10) for number in range(4)]
    places = [hit.place for hit in hits]
    assert [hit.place for hit in fused(hits, [])] == places
    assert [hit.place for hit in fused([], hits)] == places
    assert fused([], []) == []
