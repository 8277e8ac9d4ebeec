"""Opinions of a text, quoted from another one of the same words."""

import threading
from collections.abc import Iterator
from typing import SupportsIndex
from uuid import UUID

import pytest
from typing_extensions import override

from app.domains.reviews.model import Opinion, Polarity
from app.domains.reviews.service.reading import carried_over
from tests.domains.reviews.reading_room import InterruptedLLM, ReadingRoom

FIRST = "The ending is awful. Maps help."
SECOND = "The ending\n\nis awful. Maps help."
THIRD = "The\n\nending is awful.   Maps   help."


def test_opinions_survive_white_space_that_changes_twice() -> None:
    found = [
        Opinion(1, "ending", Polarity.NEGATIVE, "The ending is awful."),
        Opinion(2, "other:maps", Polarity.POSITIVE, "Maps help."),
    ]
    once = carried_over(found, FIRST, SECOND)
    assert [opinion.quote for opinion in once] == ["The ending\n\nis awful.", "Maps help."]
    twice = carried_over(once, SECOND, THIRD)
    assert [opinion.quote for opinion in twice] == ["The\n\nending is awful.", "Maps   help."]


class WatchedText(str):
    """A text that notes where it is taken apart: on which threads, and how often while the
    shelf is held."""

    def watched_in(self, room: ReadingRoom) -> "WatchedText":
        self.room = room
        self.threads: set[int] = set()
        self.while_held = 0
        return self

    @override
    def __iter__(self) -> Iterator[str]:
        self._note()
        return super().__iter__()

    @override
    def __getitem__(self, key: SupportsIndex | slice) -> str:
        self._note()
        return super().__getitem__(key)

    def _note(self) -> None:
        self.threads.add(threading.get_ident())
        self.while_held += self.room.shelf.turn.locked()

    @property
    def was_taken_apart_aside(self) -> bool:
        return bool(self.threads) and threading.get_ident() not in self.threads


@pytest.fixture
def room() -> ReadingRoom:
    return ReadingRoom()


@pytest.fixture
async def book(room: ReadingRoom) -> UUID:
    return await room.add_book()


async def test_a_review_is_taken_apart_off_the_loop_and_holds_nobody_up(
    room: ReadingRoom, book: UUID
) -> None:
    text = WatchedText("+plot is clever. -ending is not.").watched_in(room)
    await room.review(book, text)
    await room.refresh(book)
    assert (await room.analysis(book)).aspects
    assert text.was_taken_apart_aside
    assert not text.while_held


async def test_words_read_before_are_carried_over_off_the_loop_and_hold_nobody_up(
    room: ReadingRoom, book: UUID
) -> None:
    await room.review(book, "+plot is clever. -ending is not.")
    await room.refresh(book)
    text = WatchedText("+plot is  clever. -ending is\tnot.").watched_in(room)
    await room.review(book, text)
    await room.refresh(book)
    assert len(room.questions("read_review")) == 1
    assert text.was_taken_apart_aside
    assert not text.while_held


async def test_an_edit_carries_over_off_the_loop_and_holds_nobody_up(
    room: ReadingRoom, book: UUID
) -> None:
    author, review = await room.review(book, "+plot is clever. -ending is not.")
    await room.refresh(book)
    text = WatchedText("+plot is  clever. -ending is\tnot.").watched_in(room)
    await room.service.edit(author, book, review.id, rating=5, text=text)
    quotes = [q.text for view in (await room.analysis(book)).aspects for q in view.quotes]
    assert quotes == ["+plot is  clever.", "-ending is\tnot."]
    assert text.was_taken_apart_aside
    assert not text.while_held


async def test_white_space_that_changes_while_the_model_reads_costs_no_second_question(
    room: ReadingRoom, book: UUID
) -> None:
    author, review = await room.review(book, "+plot is clever.")
    again = "+plot   is clever."

    async def edit() -> None:
        await room.service.edit(author, book, review.id, rating=3, text=again)

    room.staffed(InterruptedLLM(edit, at="read_review"))
    await room.refresh(book)
    assert len(room.questions("read_review")) == 1
    (view,) = (await room.analysis(book)).aspects
    assert [quote.text for quote in view.quotes] == [again]


async def test_a_reading_that_comes_between_is_not_taken_for_the_old_one(
    room: ReadingRoom, book: UUID
) -> None:
    """Another model reads the review while an edit of its stars is on its way."""
    author, review = await room.review(book, "+plot is clever.")
    await room.refresh(book)
    before = await room.service.edit(author, book, review.id, rating=3, text="+plot is clever.")
    assert before.review.is_read

    class SlowText(WatchedText):
        @override
        def __iter__(self) -> Iterator[str]:
            room.shelf.shelf.reviews[review.id].read_by = "scripted:another"
            return super().__iter__()

    text = SlowText("+plot is clever.").watched_in(room)
    after = await room.service.edit(author, book, review.id, rating=4, text=text)
    assert not after.review.is_read
