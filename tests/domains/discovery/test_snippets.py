from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.domains.discovery.model import FoundPassage, Place, words_of
from app.domains.discovery.service.neighbours import joined
from app.domains.discovery.service.snippets import snippet_of
from app.shared.ids import new_id
from app.shared.words import folded

BOOK = new_id()
texts = st.text(st.sampled_from("aab Éß. \n\t,“”!?-_本猫 ال\u0301😀1"), min_size=1, max_size=600)


def passage(text: str, *, start: int = 0, number: int = 0, **forms: int) -> FoundPassage:
    return FoundPassage(
        Place(BOOK, number), number, "T", "A", 0, "H", None, start, text, forms, 1.0
    )


@given(texts, texts, st.integers(1, 200), st.sets(st.integers(0, 50)))
def test_every_snippet_and_highlight_is_verbatim_in_the_text(
    before: str, text: str, length: int, chosen: set[int]
) -> None:
    words = sorted({folded(text[start:end]) for start, end in words_of(text)} - {""})
    forms = {word: number for number, word in enumerate(words) if number in chosen}
    found = replace(passage(text, start=len(before)), forms=forms)
    snippet = snippet_of(found, length, text)
    assert (before + text)[snippet.start : snippet.end] == snippet.text
    assert len(snippet.text) <= length
    ends = [0]
    for start, end in snippet.highlights:
        assert ends[-1] <= start < end <= len(snippet.text)
        assert folded(snippet.text[start:end]) in forms
        ends.append(end)


def test_a_snippet_is_where_most_of_the_question_is() -> None:
    filler = "Nothing happens here at all. " * 20
    text = f"A lamp. {filler}The storm put out the lamp of the tower. {filler}"
    snippet = snippet_of(passage(text, lamp=1, storm=2, tower=3), 80, "")
    assert snippet.text.startswith("The storm put out the lamp of the tower.")
    assert len(snippet.highlights) == 3


def test_a_snippet_tears_no_words() -> None:
    text = "wonderful " * 60
    assert set(snippet_of(passage(text), 83, "").text.split()) == {"wonderful"}


def test_neighbours_are_shown_as_one_place() -> None:
    one, two, three = "One. ", "Two. ", "Three."
    parts = [
        passage(two, start=5, number=1, two=2),
        passage(three, start=10, number=2),
        passage(one, number=0, one=1),
        passage("Far away.", start=900, number=40),
    ]
    place, far = joined(parts)
    assert (place.start, place.end, place.text) == (0, 16, one + two + three)
    assert (place.first.ordinal, place.last, far.first.ordinal) == (0, 2, 40)
    assert place.forms == {"one": 1, "two": 2}


def test_a_place_is_three_passages_long_at_most() -> None:
    parts = [passage("x", start=n, number=n) for n in range(5)]
    assert [(p.first.ordinal, p.last) for p in joined(parts)] == [(0, 2), (3, 4)]


def test_neighbours_of_other_chapters_stay_apart() -> None:
    parts = [passage("x"), replace(passage("y", start=1, number=1), chapter=1)]
    assert len(joined(parts)) == 2
