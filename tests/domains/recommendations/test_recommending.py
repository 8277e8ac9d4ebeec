from datetime import timedelta
from uuid import UUID

import pytest

from app.domains.accounts.model import User
from app.domains.catalog.errors import BookNotFound
from app.domains.recommendations.errors import BookNotShown, ShowingNotFound
from app.domains.recommendations.model import FeedbackAction, Tastes
from app.domains.recommendations.service import Recommended
from app.shared.ids import new_id
from tests.domains.recommendations.conftest import AdviceDesk

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
