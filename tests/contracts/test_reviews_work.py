"""What every store of reviews promises; above all that its sums equal a recount."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest

from app.adapters.postgres.reviews import SqlReviewsWork
from app.domains.accounts.model import User
from app.domains.catalog.errors import BookNotFound
from app.domains.reviews.errors import AlreadyReviewed, ReviewNotFound
from app.domains.reviews.jobs import RefreshConsensus
from app.domains.reviews.model import (
    FORMER_READER,
    Aspect,
    AspectCount,
    Consensus,
    Opinion,
    Polarity,
    Ratings,
    Reading,
    Review,
    ReviewSort,
    Standing,
)
from app.domains.reviews.ports import ReviewsWork
from app.shared.errors import NotAuthenticated
from app.shared.ids import new_id
from app.shared.pages import InvalidCursor, PageRequest, cursor_for
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.fakes.clock import FrozenClock
from tests.fakes.lending import a_reader
from tests.fakes.reviews import InMemoryReviews

NOW = FrozenClock().now()
GOOD, BAD, BOTH = Polarity


@dataclass
class Room:
    begin: Callable[[], ReviewsWork]
    shelf: SqlShelf | InMemoryReviews

    async def review(
        self,
        book: UUID,
        *,
        rating: int = 4,
        reader: User | None = None,
        day: int = 0,
        text: str = "The plot is clever.",
    ) -> Review:
        reader = reader or await self.shelf.add_reader()
        review = a_review(book, reader.id, rating=rating, day=day, text=text)
        async with self.begin() as work:
            await work.reviews.hold(book)
            await work.reviews.add(review)
        return review

    async def read(self, review: Review, *opinions: Opinion, by: str = "m:1") -> None:
        async with self.begin() as work:
            current = await work.reviews.get(review.book_id, review.id)
            reading = Reading(opinions, by, degraded=by == "stand-in:1", prompt="read@1")
            await work.reviews.read(current, reading)

    async def count_jobs(self) -> int:
        if isinstance(self.shelf, InMemoryReviews):
            return len(self.shelf.shelf.jobs)
        return len(await self.shelf.rows("SELECT id FROM procrastinate_jobs"))

    async def standing(self, book: UUID) -> Standing:
        async with self.begin() as work:
            return await work.reviews.standing(book)


@pytest.fixture(params=["memory", "postgres"])
async def room(request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    if request.param == "memory":
        reviews = InMemoryReviews()
        yield Room(reviews.begin, reviews)
        return
    async with opened_shelf(request.getfixturevalue("database_url")) as shelf:
        yield Room(lambda: SqlReviewsWork(shelf.sessions), shelf)


def a_review(
    book: UUID,
    reader: UUID,
    *,
    rating: int = 4,
    day: int = 0,
    text: str = "The plot is clever.",
) -> Review:
    at = NOW + timedelta(days=day)
    return Review(
        id=new_id(),
        book_id=book,
        user_id=reader,
        rating=rating,
        text=text,
        created_at=at,
        updated_at=at,
    )


def says(aspect: str, polarity: Polarity, *, sentence: int = 1, quote: str = "Yes.") -> Opinion:
    return Opinion(sentence, aspect, polarity, quote)


async def test_a_review_comes_back_as_it_was_kept(room: Room) -> None:
    book, reader = await room.shelf.add_book(), await room.shelf.add_reader("Grace")
    kept = await room.review(book, reader=reader, rating=3)
    async with room.begin() as work:
        view = await work.reviews.view(await work.reviews.get(book, kept.id))
    assert view.reviewer == "Grace"
    assert (view.review.rating, view.review.text) == (3, "The plot is clever.")
    assert (view.review.revision, view.review.is_read) == (1, False)


async def test_nothing_is_kept_of_a_work_that_fails(room: Room) -> None:
    book, reader = await room.shelf.add_book(), await room.shelf.add_reader()

    async def review_and_fail() -> None:
        async with room.begin() as work:
            await work.reviews.add(a_review(book, reader.id))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await review_and_fail()
    assert await room.standing(book) == Standing()


async def test_a_reader_reviews_a_book_once(room: Room) -> None:
    book, reader = await room.shelf.add_book(), await room.shelf.add_reader()
    await room.review(book, reader=reader)
    with pytest.raises(AlreadyReviewed):
        await room.review(book, reader=reader)
    assert (await room.standing(book)).ratings.count == 1


async def test_a_review_is_found_with_its_book_only(room: Room) -> None:
    review = await room.review(await room.shelf.add_book())
    other = await room.shelf.add_book()
    for book, wanted in ((other, review.id), (review.book_id, new_id())):
        with pytest.raises(ReviewNotFound):
            async with room.begin() as work:
                await work.reviews.get(book, wanted)


async def test_a_book_that_is_not_there_is_said_so(room: Room) -> None:
    with pytest.raises(BookNotFound):
        async with room.begin() as work:
            await work.reviews.hold(new_id())
    with pytest.raises(BookNotFound):
        async with room.begin() as work:
            await work.reviews.require_book(new_id())


async def test_the_stars_are_summed_and_taken_back(room: Room) -> None:
    book = await room.shelf.add_book()
    low, high = await room.review(book, rating=2), await room.review(book, rating=5)
    assert (await room.standing(book)).ratings == Ratings(2, 7, (0, 1, 0, 0, 1))
    async with room.begin() as work:
        found = await work.reviews.get(book, low.id)
        await work.reviews.reword(found, rating=4, text="Better.", at=NOW)
    assert (await room.standing(book)).ratings == Ratings(2, 9, (0, 0, 0, 1, 1))
    for review in (low, high):
        async with room.begin() as work:
            await work.reviews.remove(await work.reviews.get(book, review.id))
    assert await room.standing(book) == Standing()


async def test_each_reader_counts_once_for_an_aspect(room: Room) -> None:
    book = await room.shelf.add_book()
    await room.read(
        await room.review(book),
        says(Aspect.PLOT, GOOD, sentence=1),
        says(Aspect.PLOT, GOOD, sentence=2),
        says(Aspect.ENDING, BAD, sentence=2),
    )
    await room.read(
        await room.review(book),
        says(Aspect.PLOT, GOOD, sentence=1),
        says(Aspect.PLOT, BAD, sentence=2),
    )
    standing = await room.standing(book)
    assert standing.aspects == (
        AspectCount(Aspect.PLOT, positive=1, negative=0, mixed=1),
        AspectCount(Aspect.ENDING, positive=0, negative=1, mixed=0),
    )
    assert (standing.readers, standing.all_read, standing.degraded) == (2, True, False)


async def test_a_second_reading_replaces_the_first(room: Room) -> None:
    book = await room.shelf.add_book()
    review = await room.review(book)
    await room.read(review, says(Aspect.PLOT, GOOD), by="stand-in:1")
    assert (await room.standing(book)).degraded
    await room.read(review, says(Aspect.PROSE, BAD))
    standing = await room.standing(book)
    assert standing.aspects == (AspectCount(Aspect.PROSE, 0, 1, 0),)
    assert not standing.degraded


async def test_a_reworded_review_is_unread_and_says_nothing(room: Room) -> None:
    book = await room.shelf.add_book()
    review = await room.review(book)
    await room.read(review, says(Aspect.PLOT, GOOD))
    async with room.begin() as work:
        found = await work.reviews.get(book, review.id)
        await work.reviews.reword(found, rating=1, text="No.", at=NOW)
    standing = await room.standing(book)
    assert (standing.aspects, standing.readers) == ((), 0)
    async with room.begin() as work:
        assert await work.reviews.exemplars(book) == []
        assert await work.reviews.waiting_for("m:1", book) == [review.id]


async def test_unread_reviews_wait_before_those_a_stand_in_read(room: Room) -> None:
    book = await room.shelf.add_book()
    read, stood_in, broken, unread = [await room.review(book) for _ in range(4)]
    await room.read(read)
    await room.read(stood_in, by="stand-in:1")
    async with room.begin() as work:
        current = await work.reviews.get(book, broken.id)
        await work.reviews.read(current, Reading((), "m:1", degraded=True))
    async with room.begin() as work:
        assert await work.reviews.waiting_for("m:1", book) == [unread.id, stood_in.id]
        assert await work.reviews.waiting_for("stand-in:1", book) == [unread.id, broken.id]


async def test_exemplars_are_two_readers_for_each_view_handy_sentences_first(room: Room) -> None:
    book = await room.shelf.add_book()
    handy = "The plot kept me awake for three nights."
    reviews = [await room.review(book) for _ in range(4)]
    for review, quote in zip(reviews, (handy, "Good.", handy, "Fine."), strict=True):
        again = says(Aspect.PLOT, GOOD, sentence=2, quote="Good, too.")
        await room.read(review, says(Aspect.PLOT, GOOD, quote=quote), again)
    await room.read(await room.review(book), says(Aspect.PLOT, BAD, quote="Dull."))
    async with room.begin() as work:
        found = await work.reviews.exemplars(book)
    newest = sorted((reviews[0].id, reviews[2].id), reverse=True)
    assert [(e.polarity, e.review_id) for e in found if e.polarity is GOOD] == [
        (GOOD, newest[0]),
        (GOOD, newest[1]),
    ]
    assert {e.text for e in found} == {handy, "Dull."}


async def test_a_topic_counts_from_five_readers_on(room: Room) -> None:
    book = await room.shelf.add_book()
    tags = ("other:maps", "other:maps", "other:map", "other:maps", "other:maps")
    reviews = [await room.review(book) for _ in tags]
    for review, tag in zip(reviews[:4], tags, strict=False):
        await room.read(review, says(tag, GOOD), says(Aspect.PLOT, BAD))
    assert [count.aspect for count in (await room.standing(book)).aspects] == [Aspect.PLOT]
    await room.read(reviews[4], says("other:maps", BAD), says("other:index", GOOD))
    assert (await room.standing(book)).aspects == (
        AspectCount("other:maps", 4, 1, 0),
        AspectCount(Aspect.PLOT, 0, 4, 0),
    )
    async with room.begin() as work:
        await work.reviews.remove(await work.reviews.get(book, reviews[0].id))
    assert [count.aspect for count in (await room.standing(book)).aspects] == [Aspect.PLOT]


async def test_a_reader_counts_once_for_a_topic_by_whatever_words(room: Room) -> None:
    book = await room.shelf.add_book()
    for _ in range(4):
        await room.read(await room.review(book), says("other:maps", GOOD))
    again = says("other:map", BAD, sentence=2)
    await room.read(await room.review(book), says("other:maps", GOOD), again)
    assert (await room.standing(book)).aspects == (AspectCount("other:maps", 4, 0, 1),)
    async with room.begin() as work:
        found = await work.reviews.exemplars(book)
    assert {each.aspect for each in found} == {"other:maps"}
    assert len([each for each in found if each.polarity is GOOD]) == 2


async def test_no_more_than_four_topics_are_counted(room: Room) -> None:
    book = await room.shelf.add_book()
    names = ("maps", "recipes", "footnotes", "glossary", "playlist")
    for _ in range(5):
        spoken = [says(f"other:{name}", GOOD, sentence=n) for n, name in enumerate(names, 1)]
        await room.read(await room.review(book), *spoken)
    shown = [count.name for count in (await room.standing(book)).aspects]
    assert shown == sorted(names)[:4]


async def test_the_language_is_the_one_most_write_in(room: Room) -> None:
    book = await room.shelf.add_book()
    assert (await room.standing(book)).language is None
    german = "Das Buch ist sehr gut und die Figuren sind nicht flach."
    kept = [await room.review(book, text=german) for _ in range(2)]
    for text in ("The book is very good and it was short.", "Ok!", "Ok!", "Ok!"):
        await room.review(book, text=text)
    assert (await room.standing(book)).language == "de"
    async with room.begin() as work:
        review = await work.reviews.get(book, kept[0].id)
        await work.reviews.reword(review, rating=4, text="It is good and the end is not.", at=NOW)
    assert (await room.standing(book)).language == "en"


async def test_the_same_words_are_found_with_who_read_them_how(room: Room) -> None:
    book, other = await room.shelf.add_book(), await room.shelf.add_book()
    first = await room.review(book, text="Good plot. Bad end.")
    again = await room.review(other, text="Good  plot.\nBad end.")
    unlike = await room.review(other, text="Good plot. Bad End.")
    async with room.begin() as work:
        assert await work.reviews.twin_of(again, reader="m:1", prompt="read@1") is None
    await room.read(first, says(Aspect.PLOT, GOOD), says(Aspect.ENDING, BAD, sentence=2))
    async with room.begin() as work:
        twin = await work.reviews.twin_of(again, reader="m:1", prompt="read@1")
        assert twin
        assert twin.id == first.id
        assert await work.reviews.opinions_of(twin) == [
            says(Aspect.PLOT, GOOD),
            says(Aspect.ENDING, BAD, sentence=2),
        ]
        assert await work.reviews.twin_of(again, reader="m:2", prompt="read@1") is None
        assert await work.reviews.twin_of(again, reader="m:1", prompt="read@2") is None
        assert await work.reviews.twin_of(unlike, reader="m:1", prompt="read@1") is None
        assert await work.reviews.twin_of(twin, reader="m:1", prompt="read@1") is None


async def test_books_with_reviews_are_known(room: Room) -> None:
    reviewed = [await room.shelf.add_book() for _ in range(2)]
    await room.shelf.add_book()
    for book in reviewed:
        await room.review(book)
    async with room.begin() as work:
        assert await work.reviews.books() == sorted(reviewed)


async def test_sums_that_were_tampered_with_are_made_right(database_url: str) -> None:
    async with opened_shelf(database_url) as shelf:
        room = Room(lambda: SqlReviewsWork(shelf.sessions), shelf)
        book = await shelf.add_book()
        await room.read(await room.review(book, rating=5), says(Aspect.PLOT, GOOD))
        right = await room.standing(book)
        for damage in ("UPDATE rating_stats SET total = 9", "DELETE FROM aspect_stats"):
            await shelf.rows(f"{damage} RETURNING book_id")
            assert await room.standing(book) != right
            async with room.begin() as work:
                assert await work.reviews.rebuild(book)
            assert await room.standing(book) == right


@pytest.mark.parametrize("sort", ["-created_at", "created_at", "-rating", "rating"])
async def test_reviews_come_sorted_in_pages(room: Room, sort: ReviewSort) -> None:
    book = await room.shelf.add_book()
    kept = [await room.review(book, rating=1 + n % 3, day=n // 2) for n in range(5)]
    await room.review(await room.shelf.add_book())
    seen, cursor = [], None
    for _ in range(3):
        async with room.begin() as work:
            page = PageRequest(2, cursor)
            found = await work.reviews.of_book(book, sort=sort, page=page)
        seen += [view.review.id for view in found.items]
        cursor = found.next_cursor
        assert found.total == 5
    name = sort.removeprefix("-")
    kept.sort(key=lambda review: (getattr(review, name), review.id), reverse=sort[0] == "-")
    assert seen == [review.id for review in kept]
    assert cursor is None


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        cursor_for(3, "not an id"),
        cursor_for(10**30, str(new_id())),
        cursor_for(None, None),
        cursor_for("2026-01-05", str(new_id())),
    ],
)
async def test_a_cursor_of_another_list_is_refused(room: Room, cursor: str) -> None:
    book = await room.shelf.add_book()
    with pytest.raises(InvalidCursor):
        async with room.begin() as work:
            await work.reviews.of_book(book, sort="rating", page=PageRequest(2, cursor))


async def test_a_review_outlives_its_reader_without_the_name(room: Room) -> None:
    book = await room.shelf.add_book()
    for _ in range(2):
        reader = await room.shelf.add_reader("Grace")
        await room.review(book, reader=reader)
        await room.shelf.erase_reader(reader)
    async with room.begin() as work:
        found = await work.reviews.of_book(book, sort="rating", page=PageRequest())
        view = await work.reviews.view(found.items[0].review)
    assert [each.reviewer for each in found.items] == [FORMER_READER] * 2
    assert view.reviewer == FORMER_READER


async def test_a_consensus_comes_back_as_it_was_kept(room: Room) -> None:
    book = await room.shelf.add_book()
    async with room.begin() as work:
        assert await work.consensus.find(book) is None
        await work.consensus.add(Consensus.untold(book, NOW))
    async with room.begin() as work:
        kept = await work.consensus.find(book)
        assert kept
        kept.basis = {"aspects": [["plot", 1, 2, 3]], "voices": ["a"]}
        kept.retract(new_id(), NOW)
    async with room.begin() as work:
        found = await work.consensus.find(book)
    assert found
    assert found.basis == {"aspects": [["plot", 1, 2, 3]], "voices": ["a"]}
    assert (found.status, found.text, found.retractions) == ("pending", None, 1)


async def test_jobs_are_enqueued_in_the_work(room: Room) -> None:
    book = await room.shelf.add_book()
    async with room.begin() as work:
        await work.reviews.hold(book)
        await work.jobs.enqueue(RefreshConsensus(book))
    assert await room.count_jobs() == 1


async def test_an_erased_reader_reviews_nothing(database_url: str) -> None:
    async with opened_shelf(database_url) as shelf:
        room = Room(lambda: SqlReviewsWork(shelf.sessions), shelf)
        with pytest.raises(NotAuthenticated):
            await room.review(await shelf.add_book(), reader=a_reader())


@pytest.mark.parametrize("seed", range(8))
async def test_the_sums_equal_a_recount_after_any_history(room: Room, seed: int) -> None:
    chance, book = random.Random(seed), await room.shelf.add_book()
    live: list[Review] = []
    for _ in range(60):
        await _something(room, book, live, chance)
        if chance.random() < 0.2:
            await _equals_a_recount(room, book)
    await _equals_a_recount(room, book)


async def test_the_order_of_reviews_does_not_matter(room: Room) -> None:
    chance = random.Random(11)
    said = [(chance.randint(1, 5), _opinions(chance)) for _ in range(16)]
    standings = []
    for _ in range(3):
        book = await room.shelf.add_book()
        chance.shuffle(said)
        for rating, opinions in said:
            await room.read(await room.review(book, rating=rating), *opinions)
        standings.append(await room.standing(book))
    assert standings[0] == standings[1] == standings[2]
    assert {count.is_free for count in standings[0].aspects} == {True, False}


async def _something(room: Room, book: UUID, live: list[Review], chance: random.Random) -> None:
    if not live or chance.random() < 0.4:
        live.append(await room.review(book, rating=chance.randint(1, 5)))
        return
    review = chance.choice(live)
    if chance.random() < 0.5:
        await room.read(review, *_opinions(chance))
        return
    async with room.begin() as work:
        await work.reviews.hold(book)
        found = await work.reviews.get(book, review.id)
        if chance.random() < 0.5:
            await work.reviews.reword(found, rating=chance.randint(1, 5), text="New.", at=NOW)
        else:
            await work.reviews.remove(found)
            live.remove(review)


async def _equals_a_recount(room: Room, book: UUID) -> None:
    before = await room.standing(book)
    async with room.begin() as work:
        assert not await work.reviews.rebuild(book)
    assert await room.standing(book) == before


def _opinions(chance: random.Random) -> list[Opinion]:
    spoken_of = [*list(Aspect)[:4], "other:maps", "other:map", "other:index"]
    places = {(chance.randint(1, 3), str(chance.choice(spoken_of))) for _ in range(5)}
    return [
        says(aspect, chance.choice(list(Polarity)), sentence=sentence, quote=f"{aspect} {sentence}")
        for sentence, aspect in sorted(places)[: chance.randint(0, 5)]
    ]


async def test_of_three_hundred_free_topics_the_hundred_most_used_count(room: Room) -> None:
    chance = random.Random(7)
    words = ["".join(chance.choices("acdefghijklmnopqrstuvwx", k=9)) for _ in range(297)]
    # By how many readers; of those two speak of, the first by name has the hundredth place.
    said_by = {
        **dict.fromkeys((f"other:b{word}" for word in words[97:]), range(3, 5)),
        **dict.fromkeys((f"other:y{word}" for word in words[:97]), range(3)),
        "other:aloe": range(3, 5),
        "other:aloes": range(3),
        "other:zmaps": range(5),
    }
    book = await room.shelf.add_book()
    for reader in range(5):
        tags = [tag for tag, readers in said_by.items() if reader in readers]
        views = [says(tag, GOOD, sentence=n) for n, tag in enumerate(tags, start=1)]
        await room.read(await room.review(book), *views)
    assert len(said_by) == 300
    shown = [count for count in (await room.standing(book)).aspects if count.is_free]
    assert {count.aspect: count.readers for count in shown} == {"other:zmaps": 5, "other:aloes": 5}
    async with room.begin() as work:
        heard = {exemplar.aspect for exemplar in await work.reviews.exemplars(book)}
    assert heard == {"other:zmaps", "other:aloes"}


async def test_who_holds_the_reviews_of_a_book_has_them_alone(room: Room) -> None:
    book = await room.shelf.add_book()

    async def hold() -> None:
        async with room.begin() as work:
            await work.reviews.hold(book)

    async with room.begin() as work:
        await work.reviews.hold(book)
        waiting = asyncio.create_task(hold())
        await asyncio.wait({waiting}, timeout=0.5)
        assert not waiting.done()
    await waiting
