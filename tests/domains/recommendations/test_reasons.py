"""Reasons in words."""

import pytest

from app.domains.recommendations.service.reasons import (
    FOR_A_BOOK,
    FOR_A_READER,
    Sentences,
    spoken,
)
from app.ports.recommender import Reason
from app.shared.ids import new_id
from tests.fakes.recommendations import InMemoryRecommendations, InMemoryShelving


@pytest.mark.parametrize(
    ("kind", "sentences", "text"),
    [
        ("because_you_borrowed", FOR_A_READER, "Because you borrowed “Dune”"),
        ("because_you_borrowed", FOR_A_BOOK, "Like “Dune”"),
        ("readers_like_you", FOR_A_READER, "Readers of “Dune” liked it too"),
        ("readers_like_you", FOR_A_BOOK, "Readers of “Dune” liked it too"),
    ],
)
async def test_a_book_that_is_the_reason_is_named(
    kind: str, sentences: Sentences, text: str
) -> None:
    library = InMemoryRecommendations()
    book = await library.add_book("Dune")
    views = await InMemoryShelving(library).views([book])
    reason = Reason(kind, item_id=book)  # type: ignore[arg-type]
    assert spoken(reason, sentences, views, borrowed=True).text == text
    gone = Reason(kind, item_id=new_id())  # type: ignore[arg-type]
    assert "a book of the library" in spoken(gone, sentences, views, borrowed=True).text


@pytest.mark.parametrize("sentences", [FOR_A_READER, FOR_A_BOOK])
def test_reasons_without_a_book_say_what_they_are(sentences: Sentences) -> None:
    like_you = spoken(Reason("readers_like_you"), sentences, {}, borrowed=True).text
    genre = spoken(Reason("you_like_genre", value="SF"), sentences, {}, borrowed=True).text
    popular = [
        spoken(Reason("popular"), sentences, {}, borrowed=borrowed).text
        for borrowed in (True, False)
    ]
    assert like_you.startswith("Readers")
    assert "SF" in genre
    assert ["Popular" in text for text in popular] == [True, False]
