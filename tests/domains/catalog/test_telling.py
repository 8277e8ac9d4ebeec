"""Putting together what readers are told of a book."""

import pytest

from app.domains.catalog.service.telling import introduction_of

BLURB = "A keeper is gone. His lamp burns at noon."


@pytest.mark.parametrize(
    ("hook", "shown"),
    [
        ("Who trimmed the wick?", "Who trimmed the wick?"),
        ("Who trimmed the wick? Nobody was there to be rew", "Who trimmed the wick?"),
        ("He climbed the tower and there he fou", "A keeper is gone."),
        ("", "A keeper is gone."),
    ],
)
def test_a_hook_is_one_whole_sentence(hook: str, shown: str) -> None:
    assert introduction_of({"hook": hook, "blurb": BLURB}, "") == (shown, BLURB)


def test_a_missing_blurb_is_how_the_synopsis_begins() -> None:
    assert introduction_of({}, BLURB) == ("A keeper is gone.", BLURB)
