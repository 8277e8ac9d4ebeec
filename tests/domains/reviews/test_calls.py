"""What a consensus costs, and that its record is enough to ask again."""

import random
from uuid import UUID

import pytest

from app.domains.reviews.model import Aspect, Polarity, Standing
from app.domains.reviews.prompts import read_review_prompt, read_review_reference
from app.domains.reviews.service.question import question_from, rendered_hash
from app.domains.reviews.service.telling import owed
from app.ports.llm import StructureBroken
from app.shared.sentences import sentences
from tests.domains.reviews.reading_room import Answer, ReadingRoom, asked, model, sentence, told


@pytest.fixture
def room() -> ReadingRoom:
    return ReadingRoom()


async def standing_of(room: ReadingRoom, book: UUID) -> Standing:
    async with room.shelf.begin() as work:
        return await work.reviews.standing(book)


async def heard_of(room: ReadingRoom, book: UUID) -> dict[str, set[str]]:
    async with room.shelf.begin() as work:
        consensus = await work.consensus.find(book)
    assert consensus
    return {aspect: set(sides) for aspect, sides in consensus.basis["heard"].items()}


@pytest.mark.parametrize("seed", [7, 8])
async def test_two_hundred_reviews_cost_a_reading_each_and_few_texts(
    room: ReadingRoom, seed: int
) -> None:
    """One after the other, the job run after each; what must be heard always is."""
    chance, book = random.Random(seed), await room.add_book()
    likes = {aspect: chance.random() for aspect in Aspect}
    for number in range(200):
        about = chance.sample(list(Aspect), chance.choice((0, 1, 1, 2, 2, 3)))
        said = [f"{'+' if chance.random() < likes[a] else '-'}{a} {number}." for a in about]
        await room.review(book, " ".join(said) or f"Nothing {number}.")
        await room.refresh(book)
        heard = await heard_of(room, book)
        for aspect, sides in owed(await standing_of(room, book)).items():
            assert sides <= heard.get(aspect, set())
    assert len(room.questions("read_review")) == 200
    assert len(room.questions("tell_consensus")) <= 50


@pytest.mark.parametrize("answer", [told(sentence("plot", "negative", "No.")), StructureBroken()])
async def test_a_model_that_cannot_tell_is_not_asked_at_every_review(answer: Answer) -> None:
    room = ReadingRoom(model(tells=lambda _: answer))
    book = await room.add_book()
    for number in range(40):
        await room.review(book, f"+plot {number}.")
        await room.refresh(book)
        assert f"{number + 1} of {number + 1} reader" in (
            (await room.analysis(book)).consensus or ""
        )
    assert 2 <= len(room.questions("tell_consensus")) <= 22
    room.staffed(model(name="another"))
    await room.refresh(book)
    assert len(room.questions("tell_consensus")) == 1


async def test_the_same_words_are_read_once(room: ReadingRoom) -> None:
    book, other = await room.add_book(), await room.add_book()
    await room.review(book, "+plot is clever. -ending is not.")
    await room.refresh(book)
    for each in (book, other):
        await room.review(each, "+plot is  clever.\n-ending is not.")
        await room.refresh(each)
    assert len(room.questions("read_review")) == 1
    analysis = await room.analysis(other)
    assert {view.count.aspect for view in analysis.aspects} == {Aspect.PLOT, Aspect.ENDING}
    assert [q.text for view in analysis.aspects for q in view.quotes] == [
        "+plot is  clever.",
        "-ending is not.",
    ]


async def test_another_model_reads_the_same_words_itself(room: ReadingRoom) -> None:
    book = await room.add_book()
    await room.review(book, "+plot is clever.")
    await room.refresh(book)
    room.staffed(model(name="scripted-2"))
    await room.review(book, "+plot is clever.")
    await room.refresh(book)
    assert len(room.questions("read_review")) == 1


async def test_other_stars_and_other_white_space_cost_nothing(room: ReadingRoom) -> None:
    book = await room.add_book()
    author, review = await room.review(book, "+plot is clever. -ending is not.", rating=4)
    await room.refresh(book)
    again = "+plot is\tclever.\n\n-ending   is not."
    await room.service.edit(author, book, review.id, rating=5, text=again)
    at_once = await room.analysis(book)
    assert at_once.ratings.total == 5
    assert [view.count.counts for view in at_once.aspects] == [(1, 0, 0), (0, 1, 0)]
    quotes = [quote.text for view in at_once.aspects for quote in view.quotes]
    assert quotes == ["+plot is\tclever.", "-ending   is not."]
    assert all(quote in again for quote in quotes)
    await room.refresh(book)
    assert len(room.questions("read_review")) == 1


async def test_where_nobody_speaks_of_anything_no_text_is_asked_for(room: ReadingRoom) -> None:
    book = await room.add_book()
    await room.review(book, "Nothing.")
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert analysis.consensus == "1 reader gives 4.0 of 5 stars on average."
    assert room.questions("tell_consensus") == []


@pytest.mark.parametrize("faulty_first", [False, True])
async def test_the_record_of_a_text_is_enough_to_ask_again(faulty_first: bool) -> None:
    wrong = told(sentence("plot", "negative", "Nobody likes what happens in it."))
    right = told(sentence("plot", "positive", "What happens in it is liked a lot."))
    answers = iter([wrong, right] if faulty_first else [right])
    room = ReadingRoom(model(tells=lambda _: next(answers)))
    book = await room.add_book()
    for text in ("+plot in my own words.", "+plot in words of somebody else altogether."):
        await room.review(book, text)
    await room.refresh(book)
    async with room.shelf.begin() as work:
        consensus = await work.consensus.find(book)
        assert consensus
        shown = [(UUID(review), number) for review, number, *_ in consensus.basis["shown"]]
        live = {review: await work.reviews.get(book, review) for review, _ in shown}
    quotes = {place: sentences(live[place[0]].text)[place[1] - 1] for place in shown}
    request = question_from(consensus.basis, quotes).request()
    sent = room.questions("tell_consensus")[-1]
    assert len(shown) == 2
    assert (consensus.basis["asked"], consensus.prompt) == (rendered_hash(sent), sent.prompt)
    assert rendered_hash(request) == rendered_hash(sent)
    assert (request.prompt, request.seed, request.temperature, request.output_schema) == (
        sent.prompt,
        sent.seed,
        sent.temperature,
        sent.output_schema,
    )
    assert all(review.text not in str(consensus.basis) for review in live.values())


async def test_the_record_of_a_reading_is_enough_to_ask_again(room: ReadingRoom) -> None:
    book = await room.add_book()
    _, review = await room.review(book, "+plot is clever. -ending is not.")
    await room.refresh(book)
    async with room.shelf.begin() as work:
        kept = await work.reviews.get(book, review.id)
    (sent,) = room.questions("read_review")
    assert (kept.read_by, kept.read_with) == ("scripted:scripted-1", read_review_reference())
    again = read_review_prompt(sentences=sentences(kept.text))
    assert asked(again) == asked(sent)
    assert again.prompt == kept.read_with


async def test_a_recount_of_sums_that_are_right_finds_nothing(room: ReadingRoom) -> None:
    book = await room.add_book()
    await room.review(book, "+plot is clever.")
    await room.refresh(book)
    assert await room.service.recount() == []
    assert Polarity("positive") in (await heard_of(room, book))["plot"]
