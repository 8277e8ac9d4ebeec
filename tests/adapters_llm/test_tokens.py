import pytest

from app.adapters.llm.tokens import STARTING_RATIO, TokenEstimate, estimate_tokens
from app.ports.llm import Message

ENGLISH = "The lighthouse stood alone at the end of the island. " * 40


def test_latin_text_is_counted_by_characters_with_a_margin() -> None:
    assert estimate_tokens("a" * 3600) == 1120
    assert estimate_tokens("") == 0


def test_ideographs_cost_about_a_token_each() -> None:
    assert 1000 <= estimate_tokens("漢" * 1000) <= 1200


def test_the_ratio_moves_towards_what_the_server_counts() -> None:
    estimate, messages = TokenEstimate(), [Message("user", ENGLISH)]
    truth = round(len(ENGLISH) / 4.5)
    for _ in range(20):
        estimate.learn(messages, truth)
    assert estimate.of(messages) == pytest.approx(truth * 1.12, rel=0.04)


def test_the_small_count_of_a_cached_prefix_teaches_nothing() -> None:
    estimate = TokenEstimate()
    estimate.learn([Message("user", ENGLISH)], 12)
    estimate.learn([Message("user", ENGLISH)], 0)
    assert estimate.ratio == STARTING_RATIO
