import pytest

from app.domains.discovery.model import Candidate, Place, Term
from app.domains.discovery.service.likeness import isbns_in, likeness
from app.domains.discovery.service.ranking import coverage, pairs_of, ranked
from app.shared.ids import new_id
from tests.contracts.test_catalog_work import a_book

ONE, OTHER = sorted([new_id(), new_id()])
COMMON, RARE = Term("king", 1, 0.5), Term("zyzzyva", 2, 0.001)


def candidate(
    king: float, zyzzyva: float, *, together: bool = False, number: int = 0, length: int = 100
) -> Candidate:
    return Candidate(Place(ONE, number), [king, zyzzyva], [together], length)


def order(*candidates: Candidate) -> list[int]:
    terms = [COMMON, RARE]
    return [hit.place.ordinal for hit in ranked(candidates, terms, pairs_of(terms))]


def test_a_rare_word_tells_more_than_a_common_one() -> None:
    assert order(candidate(1, 0, number=0), candidate(0, 0.6, number=9)) == [9, 0]


def test_words_side_by_side_tell_more_than_words_apart() -> None:
    apart, together = candidate(1, 1, number=0), candidate(1, 1, together=True, number=9)
    assert order(apart, together) == [9, 0]


def test_a_short_passage_tells_more_than_a_long_one() -> None:
    long, short = candidate(1, 1, length=300), candidate(1, 1, number=9, length=80)
    assert order(long, short) == [9, 0]


def test_a_passage_beside_a_good_one_comes_before_one_that_stands_alone() -> None:
    best, beside, alone = [candidate(1, s, number=n) for s, n in [(1, 5), (0, 6), (0, 90)]]
    assert order(alone, beside, best) == [5, 6, 90]


def test_a_book_that_says_the_rest_of_the_question_comes_first() -> None:
    told = Candidate(Place(OTHER, 0), [0.6, 0], [False], 100)
    rest = Candidate(Place(OTHER, 50), [0, 0.6], [False], 100)
    alone = Candidate(Place(ONE, 0), [0.6, 0], [False], 100)
    terms = [COMMON, RARE]
    places = [hit.place for hit in ranked([alone, told, rest], terms, pairs_of(terms))]
    assert places.index(told.place) < places.index(alone.place)


def test_scores_lie_between_nothing_and_everything() -> None:
    terms = [COMMON, RARE]
    parts = [candidate(1, 1, together=True), candidate(1, 1, together=True, number=1)]
    hits = ranked(parts, terms, pairs_of(terms))
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert hits[0].score == pytest.approx(1)
    assert ranked([], terms, []) == []


def test_coverage_is_the_weight_of_what_is_said() -> None:
    terms = [COMMON, RARE]
    assert coverage(candidate(0.1, 0.1), terms) == pytest.approx(1)
    assert coverage(candidate(1, 0), terms) < 0.2 < 0.8 < coverage(candidate(0, 1), terms)


def test_forms_of_one_word_are_one_word() -> None:
    forms = [Term("castl", 1, 0.1), Term("castles", 1, 0.1), Term("rare", 2, 0.1)]
    pairs = pairs_of(forms)
    assert [(a.lexeme, b.lexeme) for a, b in pairs] == [("castl", "rare"), ("castles", "rare")]
    whole = Candidate(Place(ONE, 0), [1, 0, 1], [True, False], 9)
    assert ranked([whole], forms, pairs)[0].score == pytest.approx(1, abs=0.35)


@pytest.mark.parametrize(
    ("asked", "at_least", "below"),
    [
        ("the lighthouse keeper", 0.9, 1.0), ("lighthuose keeper", 0.75, 1.0),
        ("keeper ida storm", 0.85, 1.0), ("What did the old man say to the king?", 0.0, 0.6),
        ("a", 0.0, 0.6), ("!?", 0.0, 0.01), ("greenhouse sleeper", 0.0, 0.7),
    ],
)  # fmt: skip
def test_a_name_is_known_in_spite_of_typos(asked: str, at_least: float, below: float) -> None:
    book = a_book("The Lighthouse Keeper", author="Ida Storm")
    assert at_least <= likeness(asked, book) < below


def test_an_isbn_is_known_in_both_lengths() -> None:
    both = {"0306406152", "9780306406157"}
    assert set(isbns_in("0-306-40615-2")) == set(isbns_in("978 0306406157")) == both
    assert isbns_in("9780306406158") == isbns_in("1984") == isbns_in("978030640615٧") == []
