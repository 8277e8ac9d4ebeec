"""What only the content model promises: how it reads names, languages and weights."""

from dataclasses import replace
from uuid import UUID

import pytest

from app.adapters.recommender.fields import author_names, name_key, series_names
from app.adapters.recommender.tfidf import TfidfRecommender
from app.ports.recommender import Item, Profile, Reason, Recommendation, Snapshot


def item(number: int, title: str = "", author: str = "", *genres: str) -> Item:
    return Item(UUID(int=number), title, author, genres, popularity=100 - number)


def asked(profile: Profile, *items: Item) -> list[Recommendation]:
    model = TfidfRecommender()
    model.fit(Snapshot(version="1", items=items))
    return model.recommend(profile, profile.items, len(items))


def order(found: list[Recommendation]) -> list[int]:
    return [each.item_id.int for each in found]


@pytest.mark.parametrize(
    ("line", "people"),
    [
        ("J.K. Rowling, Mary GrandPré", ["J.K. Rowling", "Mary GrandPré"]),
        ("Terry Pratchett and Neil Gaiman", ["Terry Pratchett", "Neil Gaiman"]),
        ("King, Stephen", ["King, Stephen"]),
        ("Alexandra Anderson", ["Alexandra Anderson"]),
        (" ", []),
    ],
)
def test_an_author_line_names_its_people(line: str, people: list[str]) -> None:
    assert author_names(line) == people


@pytest.mark.parametrize(
    ("title", "series"),
    [
        ("Leviathan Wakes (The Expanse, #1)", ["The Expanse"]),
        ("Mort (Death, #1; Discworld, #4)", ["Death", "Discworld"]),
        ("The Light Fantastic (Rincewind #2)", ["Rincewind"]),
        ("Foundation (Foundation, #1-3)", ["Foundation"]),
        ("Emma (Annotated)", []),
        ("((((#1", []),
    ],
)
def test_a_title_names_its_series(title: str, series: list[str]) -> None:
    assert series_names(title) == series


def test_spellings_of_one_name_are_one_name() -> None:
    assert name_key("J.K. Rowling") == name_key("j. k. rowling")
    assert name_key("King, Stephen") == name_key("Stephen King")
    assert name_key("Sci-Fi") == name_key("sci fi")
    assert name_key("C++") != name_key("C")


def test_a_taste_finds_an_author_spelt_otherwise_and_names_them_as_the_book_does() -> None:
    found = asked(
        Profile(authors={"stephen king": 1.0}), item(1, "Emma"), item(2, "It", "King, Stephen")
    )
    assert found[0].reasons == (Reason("you_like_author", value="King, Stephen"),)
    assert order(found) == [2, 1]


def test_the_next_of_a_series_beats_another_book_of_its_genre() -> None:
    found = asked(
        Profile(items={UUID(int=1): 1.0}),
        item(1, "Leviathan Wakes (The Expanse, #1)", "James S.A. Corey", "Science Fiction"),
        item(2, "Dune", "Frank Herbert", "Science Fiction"),
        item(3, "Caliban's War (The Expanse, #2)", "James S.A. Corey", "Science Fiction"),
    )
    assert order(found) == [3, 2]


def test_books_are_alike_by_their_words_alone() -> None:
    whales = replace(item(1), text="A captain hunts a white whale across the ocean")
    garden = replace(item(2), text="Roses and herbs for a small garden")
    sea = replace(item(3), text="Sailors lost on the ocean see a whale")
    found = asked(Profile(items={whales.id: 1.0}), whales, garden, sea)
    assert order(found) == [3, 2]
    assert found[0].reasons == (Reason("because_you_borrowed", item_id=whales.id),)


def test_several_near_books_outweigh_what_lies_between_all() -> None:
    """A mean profile would prefer the book that is a little like everything."""
    history = [
        item(1, "A", "Ann", "Horror"),
        item(2, "B", "Bob", "Garden"),
        item(3, "C", "Cy", "War"),
    ]
    between = item(4, "D", "Dee", "Horror", "Garden", "War")
    near = item(5, "E", "Ann", "Horror")
    found = asked(Profile(items={each.id: 1.0 for each in history}), *history, between, near)
    assert order(found) == [5, 4]


def test_wanted_languages_come_before_others_and_regions_count_as_their_language() -> None:
    english, british, german, unknown = (
        replace(item(number, "", "", "Crime"), language=language)
        for number, language in enumerate(("en", "en-GB", "de", None), 1)
    )
    shelf = (german, english, british, unknown)
    wanted = Profile(genres={"crime": 1.0}, languages={"en": 1.0})
    assert order(asked(wanted, *shelf)) == [1, 2, 4, 3]
    assert order(asked(Profile(languages={"de": 1.0}), *shelf))[:2] == [3, 4]


def test_a_mild_dislike_only_lowers_what_fits() -> None:
    shelf = (item(1, "", "", "Crime", "Horror"), item(2, "", "", "Crime", "Humour"), item(3))
    mild = Profile(genres={"crime": 1.0, "horror": -0.3})
    assert order(asked(mild, *shelf)) == [2, 1, 3]


def test_a_long_history_does_not_silence_a_stated_taste() -> None:
    history = [item(number, "", f"Author {number}", "Romance") for number in range(1, 60)]
    romance, western = item(70, "", "Somebody", "Romance"), item(71, "", "Nobody", "Western")
    profile = Profile(items={each.id: 1.0 for each in history}, genres={"western": 1.0})
    found = asked(profile, *history, romance, western)
    assert set(order(found)) == {70, 71}
    assert Reason("you_like_genre", value="Western") in found[order(found).index(71)].reasons
    assert found[order(found).index(71)].score > 0.2 * found[0].score


def test_of_two_equal_fits_the_more_read_comes_first() -> None:
    seed, quiet, loud = item(1, "", "", "Crime"), item(9, "", "", "Crime"), item(8, "", "", "Crime")
    assert order(asked(Profile(items={seed.id: 1.0}), seed, quiet, loud)) == [8, 9]


def test_a_shared_author_explains_a_likeness() -> None:
    model = TfidfRecommender()
    model.fit(Snapshot("1", [item(1, "Emma", "Jane Austen"), item(2, "Persuasion", "Jane Austen")]))
    assert model.similar(UUID(int=1), 5)[0].reasons == (
        Reason("you_like_author", value="Jane Austen"),
        Reason("because_you_borrowed", item_id=UUID(int=1)),
    )
