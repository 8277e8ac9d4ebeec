"""Which passages a question looks at."""

from app.adapters.postgres.candidates import rare_of
from app.domains.discovery.model import Term


def test_rare_words_are_looked_up_alone_and_common_ones_together() -> None:
    terms = [Term("king", 1, 0.2), Term("queen", 2, 0.1), Term("o'x\\", 3, 0.0001)]
    query = rare_of(terms, passages=400_000, most=30_000)
    assert query == "('o''x\\\\') | (('queen') & ('king'))"
    assert rare_of(terms[:1], passages=400_000, most=3000) == "('king')"
    assert rare_of(terms, passages=0, most=3000).count("|") == 2


def test_a_word_nobody_uses_does_not_keep_the_others_from_being_looked_up() -> None:
    terms = [Term("dschou", 1, 0.0001), Term("blame", 2, 0.2), Term("take", 3, 0.2)]
    query = rare_of(terms, passages=400_000, most=1000)
    assert query.startswith("('dschou') | (('blame') & ('take'))")
