"""Opinions of a text, quoted from another one of the same words."""

from app.domains.reviews.model import Opinion, Polarity
from app.domains.reviews.service.reading import carried_over

FIRST = "The ending is awful. Maps help."
SECOND = "The ending\n\nis awful. Maps help."
THIRD = "The\n\nending is awful.   Maps   help."


def test_opinions_survive_white_space_that_changes_twice() -> None:
    found = [
        Opinion(1, "ending", Polarity.NEGATIVE, "The ending is awful."),
        Opinion(2, "other:maps", Polarity.POSITIVE, "Maps help."),
    ]
    once = carried_over(found, FIRST, SECOND)
    assert [opinion.quote for opinion in once] == ["The ending\n\nis awful.", "Maps help."]
    twice = carried_over(once, SECOND, THIRD)
    assert [opinion.quote for opinion in twice] == ["The\n\nending is awful.", "Maps   help."]
