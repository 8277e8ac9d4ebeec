"""Putting together what readers are told of a book."""

import pytest

from app.domains.catalog.prompts import offered_warnings
from app.domains.catalog.service.telling import chosen, introduction_of, is_name

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


def test_a_list_that_is_only_recited_is_no_choice() -> None:
    offered = offered_warnings()
    assert chosen(offered[:6], offered) == []
    assert chosen(["death", "abuse", "war", "drugs"], offered) == ["death", "abuse", "war", "drugs"]
    assert chosen(offered[:2], offered) == list(offered[:2])


@pytest.mark.parametrize("name", ["Martha Hale", "van Helsing", "孫悟空", "Ó Briain"])
def test_a_person_is_written_as_a_name(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("word", ["silver", "the old keeper"])
def test_a_thing_is_no_person(word: str) -> None:
    assert not is_name(word)
