import random

from app.domains.discovery.model import PassageText, Place, Ranked
from app.domains.discovery.service.variety import Read, to_read, varied
from app.shared.ids import new_id

say = random.Random(0)


def words(number: int) -> list[str]:
    return ["".join(say.choices("abcdefghijk", k=7)) for _ in range(number)]


def a_hit(said: list[str], score: float) -> Read:
    place = Place(new_id(), 0)
    text = PassageText(place, "T", "A", 0, "H", None, 0, " ".join(said), {})
    return text, Ranked(place, score)


def test_editions_of_one_passage_do_not_fill_the_page() -> None:
    tale = words(100)
    editions = [a_hit([*tale[:95], *words(5)], 0.5 - n / 1000) for n in range(20)]
    others = [a_hit(words(100), 0.4 - n / 100) for n in range(5)]
    chosen = varied([*editions, *others], 8)
    assert chosen[0][0] == editions[0][0]
    assert {text.place for text, _ in chosen[1:6]} == {text.place for text, _ in others}


def test_what_is_chosen_is_in_order_of_its_score_and_the_first_keeps_its_own() -> None:
    tale = words(50)
    hits = [a_hit([*tale[: 50 - n], *words(n)], 0.9 - n / 100) for n in range(20)]
    chosen = varied(hits, 20)
    scores = [hit.score for _, hit in chosen]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 0.9
    assert all(score >= 0 for score in scores)
    assert {text.place for text, _ in chosen} == {text.place for text, _ in hits}


def test_passages_with_some_words_in_common_keep_order_and_score() -> None:
    common = words(20)
    hits = [a_hit([*common, *words(80)], 0.9 - n / 1000) for n in range(9)]
    assert varied(hits, 9) == hits


def test_there_is_more_to_choose_from_than_is_chosen() -> None:
    hits = [Ranked(Place(new_id(), 0), 1.0)] * 99
    assert len(to_read(hits, 10)) > 10
    assert varied([], 5) == []
    assert len(varied([a_hit([], 0.1), a_hit([], 0.1)], 5)) == 2
