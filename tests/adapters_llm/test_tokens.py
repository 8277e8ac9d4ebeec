import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.llm.tokens import TokenEstimate, estimate_tokens, most_tokens, token_pieces
from app.ports.llm import CompletionRequest, Message, Usage

ENGLISH = "The lighthouse stood alone at the end of the island. " * 40


def learn(estimate: TokenEstimate, messages: list[Message], counted: int) -> Usage:
    return estimate.usage(messages, counted=counted, written=9, said=10)


def test_latin_text_is_counted_by_characters_with_a_margin() -> None:
    assert estimate_tokens("a" * 3600) == 1120
    assert estimate_tokens("") == 0


def test_ideographs_cost_about_a_token_each() -> None:
    assert 1000 <= estimate_tokens("漢" * 1000) <= 1200
    assert 950 <= token_pieces("漢" * 1000) <= 1050


@pytest.mark.parametrize("characters", [3.0, 3.6, 4.5, 6.0])
def test_the_estimate_moves_to_what_the_server_counts(characters: float) -> None:
    estimate, messages = TokenEstimate(), [Message("user", ENGLISH)]
    truth = round(len(ENGLISH) / characters)
    for _ in range(20):
        learn(estimate, messages, truth)
    assert estimate.calibrated
    assert estimate.likely(messages) == pytest.approx(truth, rel=0.01)
    assert estimate.of(messages) == pytest.approx(truth * 1.12, rel=0.01)


def test_what_was_learnt_holds_for_other_texts_of_the_kind() -> None:
    def counted(text: str) -> int:
        return round(1.4 * len(text.split()))

    estimate = TokenEstimate()
    for _ in range(5):
        learn(estimate, [Message("user", ENGLISH)], counted(ENGLISH))
    other = "An old woman climbed the stairs of the tower and lit the lamp for all ships. " * 20
    assert estimate.likely([Message("user", other)]) == pytest.approx(counted(other), rel=0.1)


def test_the_small_count_of_a_cached_prefix_teaches_nothing() -> None:
    estimate, messages = TokenEstimate(), [Message("user", ENGLISH)]
    for reported in (12, 0, 200) * 5:
        usage = learn(estimate, messages, reported)
        assert usage == Usage(estimate.of(messages), 9, estimated=True)
    assert not estimate.calibrated
    assert estimate.of(messages) == TokenEstimate().of(messages)


def test_what_the_server_counts_is_what_it_costs() -> None:
    estimate, messages = TokenEstimate(), [Message("user", ENGLISH)]
    assert learn(estimate, messages, 480) == Usage(480, 9, estimated=False)
    unwritten = estimate.usage(messages, counted=480, written=0, said=10)
    assert unwritten == Usage(480, 10, estimated=True)


def test_one_count_that_is_off_moves_the_estimate_little() -> None:
    estimate, messages = TokenEstimate(), [Message("user", ENGLISH)]
    for reported in (500, 500, 500, 300, 500, 500):
        learn(estimate, messages, reported)
    assert estimate.likely(messages) == pytest.approx(500, rel=0.02)


@given(st.text(max_size=300))
def test_no_text_costs_more_tokens_than_its_bytes_and_what_may_be_written(text: str) -> None:
    request = CompletionRequest(
        [Message("user", text)], task="ask", prompt="ask@1", max_output_tokens=50
    )
    assert most_tokens(request) >= len(text.encode()) + 50
