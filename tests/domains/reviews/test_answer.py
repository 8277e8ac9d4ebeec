"""A model's text is held against the counts."""

from typing import Any

import pytest

from app.domains.reviews.model import Aspect, AspectCount, Exemplar, Polarity
from app.domains.reviews.service.answer import faults, text_of, told_in
from app.shared.ids import new_id
from tests.domains.reviews.reading_room import ReadingRoom, asked, model, sentence, told
from tests.domains.reviews.test_telling import a_standing

STANDING = a_standing(20, AspectCount(Aspect.PLOT, 12, 3, 0), AspectCount(Aspect.ENDING, 0, 4, 2))
PLOT = sentence("plot", "positive", "Readers are held by the plot.")
TWISTS = sentence("plot", "negative", "A few find its twists forced.")
ENDING = sentence("ending", "negative", "Some call the ending abrupt")
GOOD = (PLOT, TWISTS, ENDING)


def wrong_with(
    *sentences: dict[str, Any], voice: str = "Words.", language: str = "en"
) -> list[str]:
    standing = a_standing(20, *STANDING.aspects, language=language)
    voices = [Exemplar(new_id(), Aspect.PLOT, Polarity.POSITIVE, voice)]
    return faults(told_in(told(*sentences), standing), standing, voices)


def test_an_answer_that_says_what_is_counted_is_shown_with_our_numbers() -> None:
    assert wrong_with(*GOOD) == []
    assert text_of(told_in(told(ENDING, TWISTS, PLOT), STANDING), STANDING) == (
        "A few find its twists forced (3/20). Readers are held by the plot (12/20)."
        " Some call the ending abrupt (4/20)."
    )


def test_who_says_that_readers_are_divided_has_told_both_sides() -> None:
    assert wrong_with(sentence("plot", "mixed", "The plot divides its readers."), ENDING) == []


def test_numbers_that_were_counted_may_stand_in_the_text() -> None:
    said = sentence("plot", "positive", "12 of 20 readers are held by the plot.")
    assert wrong_with(said, TWISTS, ENDING) == []
    assert "(12/20)" not in text_of(told_in(told(said), STANDING), STANDING)


@pytest.mark.parametrize(
    ("sentences", "fault"),
    [
        ((PLOT, TWISTS), "nothing is said of ending"),
        ((PLOT, ENDING), "the negative side of plot is not told"),
        ((TWISTS, ENDING), "the positive side of plot is not told"),
        (
            (*GOOD, sentence("ending", "positive", "The ending is a joy.")),
            "not positive about ending",
        ),
        (
            (*GOOD, sentence("overall", "negative", "It is a bad book.")),
            "not negative about overall",
        ),
        ((*GOOD, sentence("plot", "positive", "9 readers love it.")), "a number about plot"),
        (
            (*GOOD, sentence("ending", "negative", "Most readers hate how it ends.")),
            "not that many",
        ),
        ((*GOOD, sentence("plot", "positive", "See https://example.org now.")), "addresses"),
        ((*GOOD, sentence("plot", "positive", "It has {braces} in it.")), "addresses"),
        (
            (sentence("plot", "mixed", "Good good."), ENDING | {"text": "Good good."}),
            "again and again",
        ),
    ],
)
def test_an_answer_that_does_not_agree_with_the_counts_is_faulty(
    sentences: tuple[dict[str, Any], ...], fault: str
) -> None:
    assert any(fault in each for each in wrong_with(*sentences))


def test_what_nobody_speaks_of_is_left_out() -> None:
    humour = sentence("humour", "positive", "The humour is lovely.")
    assert len(told_in(told(*GOOD, humour), STANDING)) == 3


def test_a_reader_is_not_repeated_word_for_word() -> None:
    voice = "This plot kept me awake for three long nights in a row."
    copied = sentence("plot", "positive", "The plot kept me awake for three long nights.")
    assert any("word for word" in each for each in wrong_with(copied, *GOOD, voice=voice))
    assert wrong_with(*GOOD, sentence("plot", "positive", "It kept them awake."), voice=voice) == []


def test_an_answer_in_another_language_than_the_readers_is_faulty() -> None:
    assert any("not written in German" in each for each in wrong_with(*GOOD, language="de"))


async def test_a_faulty_answer_is_asked_for_once_more_with_what_was_wrong() -> None:
    answers = iter([told(PLOT), told(PLOT, ENDING)])
    room = ReadingRoom(model(tells=lambda _: next(answers)))
    book = await room.add_book()
    await room.review(book, "+plot the. -ending the.")
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert analysis.consensus == (
        "Readers are held by the plot (1/1). Some call the ending abrupt (1/1)."
    )
    first, second = room.questions("tell_consensus")
    assert "nothing is said of ending" not in asked(first)
    assert "nothing is said of ending" in asked(second)
    assert first.seed != second.seed


async def test_after_a_second_faulty_answer_the_numbers_speak() -> None:
    room = ReadingRoom(model(tells=lambda _: told(PLOT)))
    book = await room.add_book()
    await room.review(book, "+plot the. -ending the.")
    await room.refresh(book)
    analysis = await room.analysis(book)
    assert analysis.status == "fresh"
    assert analysis.source
    assert analysis.source.degraded
    assert "1 of 1 reader criticises the ending" in (analysis.consensus or "")
    assert len(room.questions("tell_consensus")) == 2
