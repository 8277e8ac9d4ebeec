import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from app.domains.accounts.model import User
from app.domains.catalog.errors import BookNotFound
from app.domains.recommendations.errors import BookNotShown, ShowingNotFound
from app.domains.recommendations.model import FeedbackAction, Tastes
from app.domains.recommendations.service import Recommended
from app.domains.recommendations.service.current_model import Small
from app.shared.ids import new_id
from tests.domains.recommendations.conftest import AdviceDesk, untold

LIKE, CLICK, DISMISS = FeedbackAction.LIKE, FeedbackAction.CLICK, FeedbackAction.DISMISS


async def test_an_empty_library_recommends_nothing(desk: AdviceDesk) -> None:
    answer = await desk.service().recommend(await desk.library.add_reader(), 10)
    assert (list(answer.items), answer.model) == ([], "overlap")


async def test_who_is_new_gets_what_others_read_and_is_told_so(desk: AdviceDesk) -> None:
    reader, other = await desk.library.add_reader(), await desk.library.add_reader()
    unread, read = await desk.library.add_book(), await desk.library.add_book()
    await desk.library.borrow(other, read, desk.clock.now())
    answer = await desk.service().recommend(reader, 10)
    assert books(answer) == [read, unread]
    assert kinds(answer) == [["popular"], ["popular"]]
    # Nobody ever borrowed the second: it would not be true to call it popular.
    first, second = (item.reasons[0].text for item in answer.items)
    assert "Popular" in first
    assert "Popular" not in second


async def test_what_somebody_says_they_like_comes_first_with_that_reason(desk: AdviceDesk) -> None:
    reader = await desk.library.add_reader()
    await desk.library.add_book("Emma", genres=["Romance"])
    wizard = await desk.library.add_book("Earthsea", "Le Guin", genres=["Fantasy"])
    service = desk.service()
    await service.prefer(reader, Tastes(genres={"FANTASY": 1.0}, authors={"le guin": 0.5}))
    first = (await service.recommend(reader, 10)).items[0]
    assert first.book.book.id == wizard
    assert [(reason.kind, reason.value) for reason in first.reasons] == [
        ("you_like_genre", "Fantasy"),
        ("you_like_author", "Le Guin"),
    ]


async def test_a_loan_changes_the_next_answer_and_never_comes_back(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    read = await desk.library.add_book("Earthsea", genres=["Fantasy"])
    alike = await desk.library.add_book("Tehanu", genres=["Fantasy"])
    await desk.library.add_book("Emma", genres=["Romance"])
    before = await service.recommend(reader, 10)
    await desk.library.borrow(reader, read, desk.clock.now())
    after = await service.recommend(reader, 10)
    assert read in books(before)
    assert read not in books(after)
    first = after.items[0]
    assert first.book.book.id == alike
    assert [(r.kind, r.book_id, r.text) for r in first.reasons] == [
        ("because_you_borrowed", read, "Because you borrowed “Earthsea”")
    ]


async def test_where_history_is_not_used_it_only_keeps_books_away(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service(learns=False)
    read, alike = [await desk.library.add_book(title, genres=["SF"]) for title in ("One", "Two")]
    await desk.library.borrow(reader, read, desk.clock.now())
    await desk.library.rate(reader, read, 5, desk.clock.now())
    answer = await service.recommend(reader, 10)
    assert (books(answer), kinds(answer)) == ([alike], [["popular"]])
    assert (await service.preferences_of(reader)).learnt == Tastes()


async def test_a_badly_rated_loan_recommends_nothing_like_it(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    read, alike = [await desk.library.add_book(title, genres=["SF"]) for title in ("One", "Two")]
    other = await desk.library.add_book("Three")
    await desk.library.borrow(reader, read, desk.clock.now())
    await desk.library.rate(reader, read, 1, desk.clock.now())
    answer = await service.recommend(reader, 10)
    assert books(answer) == [other, alike]
    assert kinds(answer) == [["popular"], ["popular"]]


async def test_what_was_liked_but_not_borrowed_is_never_said_to_be(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    liked = await desk.library.add_book("Earthsea", "Le Guin", genres=["Fantasy"])
    alike = await desk.library.add_book("Mort", "Pratchett", genres=["Fantasy"])
    await desk.library.add_book("Emma", genres=["Romance"])
    await react(desk, reader, liked, LIKE)
    answer = await service.recommend(reader, 2)
    assert books(answer) == [liked, alike]
    assert kinds(answer) == [["you_like_genre", "you_like_author"], ["you_like_genre"]]


async def test_what_somebody_says_overrules_what_they_did(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    liked = await desk.library.add_book("Earthsea", "A", genres=["Fantasy"])
    await desk.library.add_book("Mort", "B", genres=["Fantasy"])
    await react(desk, reader, liked, LIKE)
    await service.prefer(reader, Tastes(genres={"fantasy": -1.0}, authors={"a": -1.0}))
    assert kinds(await service.recommend(reader, 2)) == [["popular"], ["popular"]]


async def test_what_was_dismissed_does_not_come_back(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    gone, alike, kept = [
        await desk.library.add_book(title, genres=["SF"]) for title in ("One", "Two", "Three")
    ]
    await react(desk, reader, gone, DISMISS)
    await react(desk, reader, gone, LIKE)
    assert gone not in books(await service.recommend(reader, 10))
    assert books(await service.similar(reader, alike, 1)) == [kept]
    assert gone in books(await service.recommend(await desk.library.add_reader(), 10))


async def test_feedback_is_about_a_showing_of_ones_own(desk: AdviceDesk) -> None:
    reader, other = await desk.library.add_reader(), await desk.library.add_reader()
    book, service = await desk.library.add_book(), desk.service()
    shown = await service.recommend(reader, 10)
    for asking, showing in ((other, shown.recommendation_id), (reader, new_id())):
        with pytest.raises(ShowingNotFound):
            await service.take_feedback(asking, showing, book_id=book, action=CLICK)


async def test_feedback_is_about_a_book_that_was_shown(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    await desk.library.add_book()
    shown = await service.recommend(reader, 10)
    unseen = await desk.library.add_book()
    with pytest.raises(BookNotShown):
        await service.take_feedback(reader, shown.recommendation_id, book_id=unseen, action=LIKE)


async def test_similar_books_claim_nothing_of_the_reader(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    seed, alike = [await desk.library.add_book(title, genres=["SF"]) for title in ("One", "Two")]
    await desk.library.add_book("Three", "Somebody else")
    answer = await service.similar(reader, seed, 10)
    assert books(answer) == [alike]
    assert [reason.text for reason in answer.items[0].reasons] == ["Like “One”"]


async def test_nothing_is_similar_to_a_book_that_is_not_there(desk: AdviceDesk) -> None:
    with pytest.raises(BookNotFound):
        await desk.service().similar(await desk.library.add_reader(), new_id(), 10)


async def test_what_was_learnt_stands_beside_what_was_said(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    said = Tastes(genres={"Horror": -1.0})
    await service.prefer(reader, said)
    book = await desk.library.add_book("Earthsea", "Le Guin", genres=["Fantasy"])
    await desk.library.borrow(reader, book, desk.clock.now())
    both = await service.preferences_of(reader)
    assert both.stated == said
    assert (both.learnt.genres, both.learnt.authors) == ({"Fantasy": 0.25}, {"Le Guin": 0.25})
    desk.clock.advance(timedelta(days=365))
    assert (await service.preferences_of(reader)).learnt.genres == {"Fantasy": 0.125}


async def test_books_without_a_free_copy_come_last_but_come(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    shelf = [await desk.library.add_book(f"SF {n}", genres=["SF"] * (3 - n)) for n in range(3)]
    await service.prefer(reader, Tastes(genres={"sf": 1.0}))
    await desk.library.borrow(
        await desk.library.add_reader(), shelf[0], desk.clock.now(), kept=None
    )
    answer = await service.recommend(reader, 3)
    assert books(answer)[-1] == shelf[0]
    assert set(books(answer)) == set(shelf)


async def test_what_is_shown_is_kept_with_its_propensities(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service(explore=0.4)
    for _ in range(20):
        await desk.library.add_book()
    answer = await service.recommend(reader, 9)
    showing = desk.library.shelf.showings[answer.recommendation_id]
    assert showing.book_ids == books(answer)
    assert showing.propensities[:6] == [1.0] * 6
    assert all(p in (pytest.approx(0.6), pytest.approx(0.4 / 9)) for p in showing.propensities[6:])
    assert all(item.reasons for item in answer.items)


async def test_feedback_carries_the_propensity_and_the_same_twice_is_one(
    desk: AdviceDesk,
) -> None:
    reader, service = await desk.library.add_reader(), desk.service(explore=0.4)
    for _ in range(20):
        await desk.library.add_book()
    answer = await service.recommend(reader, 9)
    for _ in range(2):
        await service.take_feedback(
            reader, answer.recommendation_id, book_id=books(answer)[-1], action=LIKE
        )
    (noted,) = desk.library.shelf.feedback
    showing = desk.library.shelf.showings[answer.recommendation_id]
    assert noted.showing_id == answer.recommendation_id
    assert noted.propensity == showing.propensities[-1] != 1.0


async def test_books_somebody_looked_at_speak_for_their_kind(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    for number in range(4):
        await service.note_view(
            reader, await desk.library.add_book(f"SF {number}", f"Author {number}", genres=["SF"])
        )
    await desk.library.add_book("Emma", genres=["Romance"])
    answer = await service.recommend(reader, 10)
    assert [found[0] for found in kinds(answer)] == ["you_like_genre"] * 4 + ["popular"]


async def test_a_look_at_what_is_gone_fails_nothing(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    await service.note_view(reader, new_id())
    await desk.library.erase_reader(reader)
    await service.note_view(reader, await desk.library.add_book())
    assert desk.library.shelf.views == {}


async def test_where_history_is_off_nothing_is_kept_but_what_was_dismissed(
    desk: AdviceDesk,
) -> None:
    reader, service = await desk.library.add_reader(), desk.service(learns=False)
    book, refused = await desk.library.add_book(), await desk.library.add_book()
    await service.note_view(reader, book)
    answer = await service.recommend(reader, 10)
    for about, action in ((book, CLICK), (book, LIKE), (refused, DISMISS)):
        await service.take_feedback(reader, answer.recommendation_id, book_id=about, action=action)
    shelf = desk.library.shelf
    assert shelf.views == {}
    assert [(each.book_id, each.action) for each in shelf.feedback] == [(refused, "dismiss")]
    assert [showing.propensities for showing in shelf.showings.values()] == [[]]
    assert books(await service.recommend(reader, 10)) == [book]


async def test_forgotten_history_teaches_nothing_and_open_loans_stay_away(
    desk: AdviceDesk,
) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    read, alike, open_ = [
        await desk.library.add_book(title, title, genres=["SF"])
        for title in ("One", "Two", "Three")
    ]
    await desk.library.borrow(reader, read, desk.clock.now() - timedelta(days=9))
    await desk.library.borrow(reader, open_, desk.clock.now(), kept=None)
    assert kinds(await service.recommend(reader, 10)) == [["because_you_borrowed"] * 2]
    await service.forget_history(reader)
    answer = await service.recommend(reader, 10)
    assert set(books(answer)) == {read, alike}
    assert kinds(answer) == [["popular"], ["popular"]]
    assert (await service.preferences_of(reader)).learnt == Tastes()


async def test_what_a_reader_had_is_not_shown_though_no_loan_says_so(desk: AdviceDesk) -> None:
    """A long past of loans that forgot their reader, and every book of it comes first."""
    reader, other = await desk.library.add_reader(), await desk.library.add_reader()
    had = [await desk.library.add_book(f"SF {n}", genres=["SF"]) for n in range(40)]
    new = [await desk.library.add_book(f"Salt {n}", genres=["Cooking"]) for n in range(3)]
    await desk.service().prefer(reader, Tastes(genres={"SF": 1.0}))
    for book in had:
        await desk.library.keep_mark(desk.marker.mark(reader.id, book), book)
    service = desk.service(learns=False, explore=0.5)
    assert set(books(await service.recommend(reader, 5))) == set(new)
    await service.prefer(other, Tastes(genres={"SF": 1.0}))
    assert set(books(await service.recommend(other, 5))) <= set(had)


async def test_what_just_arrived_and_was_had_is_not_shown(large_desk: AdviceDesk) -> None:
    desk, reader = large_desk, await large_desk.library.add_reader()
    for number in range(9):
        await desk.library.add_book(f"Salt {number}", genres=["Cooking"])
    await desk.fitting().fit(untold)
    model = desk.model()
    service = desk.service(learns=False, model=model)
    await service.prefer(reader, Tastes(genres={"SF": 1.0}))
    had, new = [await desk.library.add_book(f"SF {n}", genres=["SF"]) for n in range(2)]
    await desk.library.keep_mark(desk.marker.mark(reader.id, had), had)
    for _ in range(100):
        await service.recommend(reader, 10)
        await asyncio.sleep(0)
    assert len(model.arrivals) == 2
    shown = books(await service.recommend(reader, 10))
    assert (had in shown, new in shown) == (False, True)


async def test_showings_nobody_reacted_to_are_swept_after_a_month(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    book = await desk.library.add_book()
    await service.note_view(reader, book)
    answers = [await service.recommend(reader, 1) for _ in range(3)]
    told = answers[0].recommendation_id
    await service.take_feedback(reader, told, book_id=book, action=CLICK)
    desk.clock.advance(timedelta(days=29))
    assert await service.sweep() == 0
    desk.clock.advance(timedelta(days=2))
    assert await service.sweep() == 2
    assert list(desk.library.shelf.showings) == [told]
    assert desk.library.shelf.views
    desk.clock.advance(timedelta(days=90))
    await service.sweep()
    assert desk.library.shelf.views == {}


async def test_only_dismissals_still_end_in_an_answer(desk: AdviceDesk) -> None:
    reader, service = await desk.library.add_reader(), desk.service()
    refused = [await desk.library.add_book(f"SF {n}", genres=["SF"]) for n in range(3)]
    left = await desk.library.add_book("Emma", genres=["Romance"])
    for book in refused:
        await react(desk, reader, book, DISMISS)
    answer = await service.recommend(reader, 10)
    assert (books(answer), kinds(answer)) == ([left], [["popular"]])


async def test_who_did_everything_gets_an_answer_from_what_they_did_last(
    desk: AdviceDesk,
) -> None:
    desk.small = Small(loans=100_000)
    reader, service = await desk.library.add_reader(), desk.service()
    had = [await desk.library.add_book(f"SF {n}", genres=["SF"]) for n in range(50)]
    for number in range(50_000):
        at = desk.clock.now() + timedelta(seconds=number)
        await desk.library.borrow(reader, had[number % 50], at)
    desk.clock.advance(timedelta(days=1))
    fresh = await desk.library.add_book("The latest", genres=["SF"])
    answer = await service.recommend(reader, 10)
    assert (books(answer), kinds(answer)) == ([fresh], [["because_you_borrowed"] * 3])


@pytest.mark.parametrize("books_there", [0, 1, 3])
@pytest.mark.parametrize("events", [0, 1])
async def test_the_smallest_libraries_answer(
    desk: AdviceDesk, books_there: int, events: int
) -> None:
    reader, service = await desk.library.add_reader(), desk.service(explore=0.5, diversity=0.5)
    shelf = [await desk.library.add_book("", "") for _ in range(books_there)]
    for book in shelf[:events]:
        await desk.library.borrow(reader, book, desk.clock.now())
    answer = await service.recommend(reader, 10)
    assert set(books(answer)) == set(shelf[events:])
    assert all(item.reasons[0].text for item in answer.items)


def books(answer: Recommended) -> list[UUID]:
    return [item.book.book.id for item in answer.items]


def kinds(answer: Recommended) -> list[list[str]]:
    return [[reason.kind for reason in item.reasons] for item in answer.items]


async def react(desk: AdviceDesk, reader: User, book: UUID, action: FeedbackAction) -> None:
    """Feedback on a book by a showing from before anything was known of the reader."""
    showing = desk.showings.get(reader.id) or await desk.show_all(reader)
    desk.clock.advance(timedelta(seconds=1))
    service = desk.service()
    await service.take_feedback(reader, showing, book_id=book, action=action)
