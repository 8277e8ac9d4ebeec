from datetime import datetime, timedelta
from uuid import UUID

import pytest

from app.domains.recommendations.model import Deed, DeedKind, Tastes, deeds_of_loan
from app.domains.recommendations.service.learning import (
    EVIDENCE,
    books_liked,
    profile_of,
    tastes_learnt,
)
from app.ports.recommender import Item
from app.shared.ids import new_id
from tests.fakes.clock import FrozenClock

NOW = FrozenClock().now()
BOOK, OTHER = new_id(), new_id()
YEAR = timedelta(days=365)


@pytest.mark.parametrize(("stars", "weight"), [(1, -1.0), (2, -0.5), (3, 0.0), (4, 0.5), (5, 1.0)])
def test_a_rating_speaks_instead_of_the_loan_it_came_from(stars: int, weight: float) -> None:
    assert liked(deed("borrowed"), deed("rated", stars=stars)) == {BOOK: weight}


def test_a_rating_outweighs_all_that_its_loan_says() -> None:
    loan = [deed(kind) for kind in ("borrowed", "renewed", "finished")]
    assert liked(*loan, deed("rated", stars=1)) == {BOOK: -1.0}


def test_deeds_add_up_and_never_beyond_one() -> None:
    assert liked(deed("borrowed"), deed("renewed")) == {BOOK: pytest.approx(0.7)}
    assert liked(*[deed("borrowed")] * 5) == {BOOK: 1.0}


def test_a_loan_given_back_at_once_says_hardly_anything_and_a_long_one_more() -> None:
    assert liked(deed("borrowed"), deed("returned_early")) == {BOOK: pytest.approx(0.2)}
    assert liked(deed("borrowed"), deed("finished")) == {BOOK: pytest.approx(0.7)}
    assert liked(deed("borrowed"), deed("returned_early"), deed("rated", stars=5)) == {BOOK: 1.0}


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        (None, ["borrowed"]),
        (timedelta(hours=47), ["borrowed", "returned_early"]),
        (timedelta(days=2), ["borrowed"]),
        (timedelta(days=7), ["borrowed", "finished"]),
    ],
)
def test_when_a_loan_ended_says_how_it_was_read(kept: timedelta | None, says: list[str]) -> None:
    back = None if kept is None else NOW + kept
    deeds = deeds_of_loan(BOOK, borrowed_at=NOW, returned_at=back, renewals=0)
    assert [each.kind for each in deeds] == says
    assert [each.at for each in deeds[1:]] == [back] * (len(says) - 1)


def test_every_kind_of_deed_has_a_weight_and_a_half_life() -> None:
    assert set(EVIDENCE) == set(DeedKind)
    assert all(-1 <= evidence.weight <= 1 for evidence in EVIDENCE.values())


def test_the_latest_book_comes_first_and_age_counts_only_where_there_is_a_now() -> None:
    old, new = Deed(DeedKind.BORROWED, BOOK, NOW - 3 * YEAR), Deed(DeedKind.LIKED, OTHER, NOW)
    assert list(books_liked([old, new], NOW)) == [OTHER, BOOK]
    assert books_liked([old, new], None) == {OTHER: 0.9, BOOK: 0.5}


def test_older_deeds_say_less() -> None:
    old = deed("borrowed", at=NOW - timedelta(days=365))
    assert liked(old) == {BOOK: pytest.approx(0.25)}


def test_the_oldest_deed_still_says_something_finite() -> None:
    assert liked(deed("clicked", at=datetime.min.replace(tzinfo=NOW.tzinfo))) == {BOOK: 0.0}


def test_of_like_and_dismiss_the_last_word_counts() -> None:
    before = NOW - timedelta(seconds=1)
    assert liked(deed("liked"), deed("dismissed", at=before))[BOOK] > 0
    assert liked(deed("liked", at=before), deed("dismissed"))[BOOK] < 0


def test_no_deeds_say_nothing() -> None:
    assert books_liked([], NOW) == {}
    assert tastes_learnt({}, {}) == Tastes()


def test_few_books_teach_less_than_many_and_cases_are_one_name() -> None:
    items = {BOOK: item(BOOK, genres=("Sci-Fi",)), OTHER: item(OTHER, genres=("sci-fi", "Noir"))}
    learnt = tastes_learnt({BOOK: 1.0, OTHER: 1.0}, items)
    assert learnt.genres == {"Sci-Fi": 0.667, "Noir": 0.5}


def test_what_is_hardly_known_is_not_claimed() -> None:
    assert tastes_learnt({BOOK: 0.09}, {BOOK: item(BOOK, genres=("SF",))}).genres == {}


def test_a_book_that_is_gone_teaches_nothing() -> None:
    assert tastes_learnt({BOOK: 1.0}, {}) == Tastes()


def test_a_book_without_author_teaches_none() -> None:
    assert tastes_learnt({BOOK: 1.0}, {BOOK: item(BOOK, author="")}).authors == {}


def test_a_profile_holds_what_was_had_and_what_was_refused() -> None:
    items = {BOOK: item(BOOK, genres=("SF",)), OTHER: item(OTHER, genres=("Noir",))}
    profile = profile_of(Tastes(), {BOOK: 0.5, OTHER: -0.6}, {BOOK}, items)
    assert profile.items == {BOOK: 0.5, OTHER: -0.6}
    assert (profile.genres, profile.authors) == ({}, {})


def test_what_is_liked_unread_becomes_a_taste_unless_something_was_said() -> None:
    items = {BOOK: item(BOOK, author="A", genres=("SF", "Noir"))}
    said = Tastes(genres={"NOIR": -0.5}, languages={"EN": 1.0})
    profile = profile_of(said, {BOOK: 0.9}, set(), items)
    assert profile.items == {}
    assert profile.genres == {"sf": 0.45, "noir": -0.5}
    assert (profile.authors, profile.languages) == ({"a": 0.45}, {"en": 1.0})


def liked(*deeds: Deed) -> dict[UUID, float]:
    return books_liked(deeds, NOW)


def deed(kind: str, *, at: datetime = NOW, stars: int | None = None) -> Deed:
    return Deed(DeedKind(kind), BOOK, at, stars)


def item(book: UUID, *, author: str = "Somebody", genres: tuple[str, ...] = ()) -> Item:
    return Item(book, "A book", author, genres)
