"""What readers speak of beyond our list."""

import random

import pytest

from app.domains.reviews.model import Aspect
from app.domains.reviews.model.languages import language_of
from app.domains.reviews.model.topics import likeness, subject_of, topics_of
from tests.domains.reviews.reading_room import ReadingRoom


@pytest.mark.parametrize("tag", ["pace", "Pacing", "speed", "the pace", "Tempo", "rythme"])
def test_another_word_for_an_aspect_counts_as_the_aspect(tag: str) -> None:
    assert subject_of(tag, f"I liked {tag} very much.") == Aspect.PACING


def test_a_free_topic_is_kept_by_its_name() -> None:
    assert subject_of(" Maps!", "The maps are gorgeous.") == "other:maps"
    assert subject_of("térképek", "A térképek gyönyörűek.") == "other:térképek"
    assert subject_of("地图", "这本书的地图很美。") == "other:地图"


@pytest.mark.parametrize(
    ("tag", "sentence"),
    [
        ("", "Fine."),
        ("12", "It has 12 maps."),
        ("recipes", "The maps are gorgeous."),
        ("the maps of the old town and its harbour", "The maps of the old town and its harbour."),
        ("x" * 31, "x" * 31),
        ("buy at example org now", "Buy at example org now."),
    ],
)
def test_what_is_no_short_name_out_of_the_sentence_counts_for_nothing(
    tag: str, sentence: str
) -> None:
    assert subject_of(tag, sentence) is None


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("maps", "Map", True),
        ("audio book", "audiobooks", True),
        ("Karte", "Karten", True),
        ("térkép", "terkepek", True),
        ("translation", "transition", False),
        ("maps", "naps", False),
        ("cat", "car", False),
    ],
)
def test_names_are_alike_whatever_case_gap_accent_and_plural(
    one: str, other: str, alike: bool
) -> None:
    assert (likeness(one, other) >= 0.75) is alike


def test_topics_are_named_as_most_readers_name_them_whatever_the_order() -> None:
    tags = {"other:map": 2, "other:maps": 3, "other:index": 4, "other:recipes": 5}
    mixed = list(tags.items())
    for seed in range(10):
        random.Random(seed).shuffle(mixed)
        assert topics_of(dict(mixed)) == {
            "other:map": "other:maps",
            "other:maps": "other:maps",
            "other:recipes": "other:recipes",
        }


async def test_a_topic_of_five_readers_is_shown_and_goes_with_the_fifth() -> None:
    room = ReadingRoom()
    book = await room.add_book()
    reviews = [await room.review(book, f"+{word} is great.") for word in ("maps", "map") * 2]
    await room.refresh(book)
    assert (await room.analysis(book)).aspects == []
    author, review = await room.review(book, "-Maps are not great.")
    await room.refresh(book)
    (view,) = (await room.analysis(book)).aspects
    assert (view.count.name, view.count.counts, view.count.is_free) == ("maps", (4, 1, 0), True)
    assert view.quotes
    await room.service.edit(author, book, review.id, rating=3, text="Nothing.")
    assert (await room.analysis(book)).aspects == []
    assert len(reviews) == 4


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The plot is thin but the characters are not.", "en"),
        ("Die Handlung ist dünn, aber die Figuren sind es nicht.", "de"),
        ("L'intrigue est mince mais les personnages ne le sont pas.", "fr"),
        ("La trama es floja pero los personajes no lo son.", "es"),
        ("A cselekmény gyenge, de a szereplők nem azok.", "hu"),
        ("It is a great book", "en"),
        ("Спокойная книга о трёх сёстрах.", None),
        ("Het boek is een beetje saai en de personages zijn vlak.", None),
        ("La trama è debole ma i personaggi sono belli.", None),
        ("O enredo é fraco, mas os personagens são ótimos.", None),
        ("Wow!!!", None),
        ("", None),
    ],
)
def test_the_language_of_a_review_is_told_by_its_little_words(
    text: str, language: str | None
) -> None:
    assert language_of(text) == language
