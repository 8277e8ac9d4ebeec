from datetime import timedelta
from uuid import UUID

import pytest

from app.domains.reviews.jobs import RefreshConsensus, RereadReviews
from app.domains.reviews.model import Analysis, Aspect, AspectCount
from app.ports.llm import (
    CompletionRequest,
    ContextOverflow,
    ModelFailure,
    ModelRefused,
    ModelUnavailable,
    StructureBroken,
)
from app.shared.ids import new_id
from tests.domains.reviews.reading_room import (
    InterruptedLLM,
    ReadingRoom,
    asked,
    by_words,
    model,
    opinion,
    sentence,
    told,
)
from tests.fakes.llm import AbsentLLM
from tests.fakes.reviews import WatchedRun


def is_told(analysis: Analysis) -> bool:
    """Whether its text is a model's."""
    return bool(analysis.consensus and analysis.source and not analysis.source.degraded)


@pytest.fixture
def room() -> ReadingRoom:
    return ReadingRoom()


@pytest.fixture
async def book(room: ReadingRoom) -> UUID:
    return await room.add_book()


async def test_a_book_without_reviews_has_no_consensus(room: ReadingRoom, book: UUID) -> None:
    analysis = await room.analysis(book)
    assert (analysis.status, analysis.consensus, analysis.sentiment) == ("none", None, None)
    assert analysis.ratings.average is None


async def test_the_consensus_is_pending_until_it_is_told(room: ReadingRoom, book: UUID) -> None:
    _, review = await room.review(book, "+plot is clever indeed.", rating=5)
    pending = await room.analysis(book)
    assert (pending.status, pending.consensus) == ("pending", None)
    await room.refresh(book)
    fresh = await room.analysis(book)
    assert (fresh.status, fresh.consensus) == (
        "fresh",
        "On plot they are positive: tolp, posplot (1/1).",
    )
    assert [view.count for view in fresh.aspects] == [AspectCount(Aspect.PLOT, 1, 0, 0)]
    assert [(q.review_id, q.text) for q in fresh.aspects[0].quotes] == [(review.id, review.text)]
    assert fresh.source
    assert (fresh.source.provider, fresh.source.degraded) == ("scripted", False)
    assert fresh.source.prompt.startswith("tell_consensus@2#")
    assert (fresh.reviews_covered, fresh.sentiment) == (1, 1.0)


async def test_each_review_is_read_once_and_by_itself(room: ReadingRoom, book: UUID) -> None:
    for text in ("+plot one.", "-ending two."):
        await room.review(book, text)
        await room.refresh(book)
    first, second = map(asked, room.questions("read_review"))
    assert "one." in first
    assert "two." not in first
    assert "two." in second
    assert "one." not in second


async def test_progress_is_reported_review_by_review(room: ReadingRoom, book: UUID) -> None:
    for _ in range(3):
        await room.review(book, "+plot good.")
    run = await room.refresh(book)
    assert run.reports == [(1, 3), (2, 3), (3, 3)]


async def test_a_second_run_asks_nobody(room: ReadingRoom, book: UUID) -> None:
    await room.review(book, "+plot good.")
    await room.refresh(book)
    before = len(room.questions("read_review")), len(room.questions("tell_consensus"))
    await room.refresh(book)
    assert (len(room.questions("read_review")), len(room.questions("tell_consensus"))) == before


async def test_a_change_of_little_weight_keeps_the_text(room: ReadingRoom, book: UUID) -> None:
    for _ in range(20):
        await room.review(book, "+plot good.")
    await room.refresh(book)
    await room.review(book, "+plot good, too.")
    assert (await room.analysis(book)).status == "stale"
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert (analysis.status, analysis.reviews_covered) == ("fresh", 21)
    assert len(room.questions("tell_consensus")) == 1


@pytest.mark.parametrize(
    ("texts", "rating"),
    [
        (["+plot."] * 10, 4),
        (["-ending."], 4),
        (["-plot."] * 3, 4),
        (["Nothing."] * 5, 1),
    ],
    ids=["half as many again", "a new aspect", "a share moves", "the stars move"],
)
async def test_a_change_that_matters_is_told_anew(
    room: ReadingRoom, book: UUID, texts: list[str], rating: int
) -> None:
    for _ in range(20):
        await room.review(book, "+plot.")
    await room.refresh(book)
    for text in texts:
        await room.review(book, text, rating=rating)
    await room.refresh(book)
    assert len(room.questions("tell_consensus")) == 2
    assert (await room.analysis(book)).status == "fresh"


async def test_who_withdraws_is_no_longer_heard_at_once(room: ReadingRoom, book: UUID) -> None:
    for _ in range(3):
        await room.review(book, "+plot good.")
    author, review = await room.review(book, "-ending ruins it for me, alas, alas.", rating=1)
    await room.refresh(book)
    assert any("ruins it" in asked(q) for q in room.questions("tell_consensus"))
    await room.service.withdraw(author, book, review.id)
    analysis = await room.analysis(book)
    assert analysis.status == "stale"
    assert analysis.consensus == (
        "3 readers give 4.0 of 5 stars on average. 3 of 3 readers praise the plot."
    )
    assert analysis.source
    assert analysis.source.degraded
    assert all(quote.review_id != review.id for view in analysis.aspects for quote in view.quotes)
    await room.refresh(book)
    assert "ruins it" not in asked(room.questions("tell_consensus")[-1])
    assert is_told(await room.analysis(book))


async def test_a_text_that_survives_a_withdrawal_is_shown_again(
    room: ReadingRoom, book: UUID
) -> None:
    reviews = [await room.review(book, "+plot good.") for _ in range(20)]
    await room.refresh(book)
    shown = {q.review_id for view in (await room.analysis(book)).aspects for q in view.quotes}
    author, review = next(pair for pair in reviews if pair[1].id not in shown)
    await room.service.withdraw(author, book, review.id)
    assert not is_told(await room.analysis(book))
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert (analysis.status, is_told(analysis)) == ("fresh", True)
    assert len(room.questions("tell_consensus")) == 1


async def test_an_edit_replaces_what_was_said(room: ReadingRoom, book: UUID) -> None:
    author, review = await room.review(book, "+plot good.", rating=5)
    await room.refresh(book)
    await room.service.edit(author, book, review.id, rating=1, text="-prose bad.")
    assert (await room.analysis(book)).aspects == []
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert [view.count for view in analysis.aspects] == [AspectCount(Aspect.PROSE, 0, 1, 0)]
    assert analysis.sentiment == -1.0


async def test_with_the_last_review_everything_goes(room: ReadingRoom, book: UUID) -> None:
    author, review = await room.review(book, "+plot good.")
    await room.refresh(book)
    await room.service.withdraw(author, book, review.id)
    for _ in range(2):
        analysis = await room.analysis(book)
        assert (analysis.status, analysis.consensus, analysis.source) == ("none", None, None)
        await room.refresh(book)
    await room.review(book, "-ending bad.")
    pending = await room.analysis(book)
    assert (pending.status, pending.consensus) == ("pending", None)


async def test_a_text_told_from_a_review_that_went_meanwhile_is_not_kept(
    room: ReadingRoom, book: UUID
) -> None:
    author, review = await room.review(book, "-ending ruins it for me, alas, alas.")
    await room.review(book, "+plot good.")
    room.staffed(InterruptedLLM(lambda: room.service.withdraw(author, book, review.id)))
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert (analysis.status, analysis.consensus) == ("pending", None)
    assert room.jobs == [(RefreshConsensus(book), None)]


async def test_a_text_told_before_a_review_came_is_kept_and_stale(
    room: ReadingRoom, book: UUID
) -> None:
    await room.review(book, "+plot good.")

    async def another_comes() -> None:
        await room.review(book, "+plot good, too.")

    room.staffed(InterruptedLLM(another_comes))
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert (analysis.status, is_told(analysis)) == ("stale", True)
    assert analysis.reviews_covered == 1


async def test_a_text_told_from_other_stars_is_stale(room: ReadingRoom, book: UUID) -> None:
    author, review = await room.review(book, "+plot is clever.", rating=5)

    async def edit() -> None:
        await room.service.edit(author, book, review.id, rating=1, text=review.text)

    room.staffed(InterruptedLLM(edit))
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert analysis.consensus
    assert (analysis.status, analysis.ratings.total) == ("stale", 1)


async def test_a_book_that_goes_meanwhile_ends_the_work_quietly(
    room: ReadingRoom, book: UUID
) -> None:
    await room.review(book, "+plot good.")
    room.shelf.shelf.books.clear()
    await room.refresh(book)
    await room.service.refresh_consensus(new_id(), WatchedRun())


async def test_without_a_model_the_numbers_are_there_and_the_words_are_ours() -> None:
    room = ReadingRoom(AbsentLLM())
    book = await room.add_book()
    await room.review(book, "The plot is brilliant. The ending is terrible.", rating=4)
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert analysis.status == "fresh"
    assert {view.count.aspect for view in analysis.aspects} == {Aspect.PLOT, Aspect.ENDING}
    assert analysis.consensus == (
        "1 reader gives 4.0 of 5 stars on average. 1 of 1 reader praises the plot."
        " 1 of 1 reader criticises the ending."
    )
    assert analysis.source
    assert analysis.source.degraded
    ((job, delay),) = room.jobs
    assert job == RereadReviews(book)
    assert delay
    assert delay > timedelta(0)
    assert job.dedupe != RefreshConsensus(book).dedupe
    assert job.lock == RefreshConsensus(book).lock


async def test_when_the_model_is_back_it_reads_what_the_stand_in_read() -> None:
    room = ReadingRoom(AbsentLLM())
    book = await room.add_book()
    await room.review(book, "+plot is brilliant.")
    await room.refresh(book)
    room.staffed(model(reads=lambda _: {"opinions": [opinion(1, "humour", "mixed")]}))
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert [view.count for view in analysis.aspects] == [AspectCount(Aspect.HUMOUR, 0, 0, 1)]
    assert is_told(analysis)
    assert room.jobs == []


async def test_a_model_that_is_away_is_asked_once_a_run() -> None:
    room = ReadingRoom(model(reads=lambda _: ModelUnavailable()))
    book = await room.add_book()
    for _ in range(4):
        await room.review(book, "The plot is brilliant.")
    await room.refresh(book)
    assert len(room.questions("read_review")) == 1
    assert room.questions("tell_consensus") == []
    await room.refresh(book)
    assert len(room.questions("read_review")) == 2


async def test_a_model_that_refuses_is_not_waited_for() -> None:
    room = ReadingRoom(model(reads=lambda _: ModelRefused()))
    book = await room.add_book()
    await room.review(book, "The plot is brilliant.")
    await room.refresh(book)
    assert room.jobs == []
    assert (await room.analysis(book)).aspects


async def test_a_review_the_model_cannot_read_is_read_by_the_stand_in_for_good() -> None:
    room = ReadingRoom(model(reads=lambda _: StructureBroken()))
    book = await room.add_book()
    await room.review(book, "The plot is brilliant.")
    for _ in range(2):
        await room.refresh(book)
    assert len(room.questions("read_review")) == 1
    analysis = await room.analysis(book)
    assert [view.count.aspect for view in analysis.aspects] == [Aspect.PLOT]
    assert is_told(analysis)
    assert room.jobs == []


async def test_a_review_too_long_for_the_window_is_read_in_part() -> None:
    def narrow(request: CompletionRequest) -> dict[str, object] | ModelFailure:
        return ContextOverflow() if len(asked(request)) > 600 else by_words(request)

    room = ReadingRoom(model(reads=narrow))
    book = await room.add_book()
    await room.review(book, " ".join(["+plot is good."] + ["It rains."] * 200))
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert [view.count for view in analysis.aspects] == [AspectCount(Aspect.PLOT, 1, 0, 0)]


@pytest.mark.parametrize(
    "text",
    [
        "Good.",
        "Of all readers 97 percent love the plot.",
        "Buy it at https://example.org today, everybody.",
        "good good good good good good good good good.",
    ],
)
async def test_a_text_that_is_no_consensus_gives_way_to_the_numbers(text: str) -> None:
    room = ReadingRoom(model(tells=lambda _: told(sentence("plot", "positive", text))))
    book = await room.add_book()
    await room.review(book, "+plot good.")
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert analysis.consensus == (
        "1 reader gives 4.0 of 5 stars on average. 1 of 1 reader praises the plot."
    )
    assert analysis.source
    assert analysis.source.degraded


async def test_opinions_about_sentences_that_are_not_there_are_dropped() -> None:
    said = [opinion(7, "plot", "positive"), opinion(1, "prose", "positive")]
    room = ReadingRoom(model(reads=lambda _: {"opinions": said}))
    book = await room.add_book()
    await room.review(book, "One sentence only.")
    await room.refresh(book)
    assert [v.count.aspect for v in (await room.analysis(book)).aspects] == [Aspect.PROSE]


async def test_a_sentence_that_says_both_of_one_aspect_is_mixed() -> None:
    said = [opinion(1, "plot", "positive"), opinion(1, "plot", "negative")]
    room = ReadingRoom(model(reads=lambda _: {"opinions": said}))
    book = await room.add_book()
    await room.review(book, "Clever and silly.")
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert [view.count for view in analysis.aspects] == [AspectCount(Aspect.PLOT, 0, 0, 1)]


async def test_a_reviewer_has_one_voice_however_often_they_say_it(
    room: ReadingRoom, book: UUID
) -> None:
    await room.review(book, "-plot bad. " * 20)
    await room.review(book, "+plot good.")
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert [view.count for view in analysis.aspects] == [AspectCount(Aspect.PLOT, 1, 1, 0)]
    quotes = analysis.aspects[0].quotes
    assert len({quote.review_id for quote in quotes}) == 2
