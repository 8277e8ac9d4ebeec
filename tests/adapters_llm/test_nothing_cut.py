"""No prompt is ever cut without a failure that says so."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.llm.ollama import OllamaLLM
from app.adapters.llm.openai import OpenAILLM
from app.ports.llm import CompletionRequest, ContextOverflow, Message
from tests.fakes.ollama_server import OllamaServer
from tests.fakes.openai_server import OpenAIServer

SENTENCE = "Every evening old Martha Hale climbed the stairs and lit the lamp for the ships. "
ASK = CompletionRequest(
    [Message("user", SENTENCE)], task="ask", prompt="ask@1", max_output_tokens=100
)
TALK = [
    Message("system", "You answer questions about a story."),
    Message("user", SENTENCE * 20),
    Message("assistant", "Martha lit the lamp."),
    Message("user", "And then?"),
]


@pytest.fixture(scope="module")
def old() -> Iterator[OllamaServer]:
    with OllamaServer(generation="old") as server:
        yield server


@pytest.fixture(scope="module")
def new() -> Iterator[OllamaServer]:
    with OllamaServer(generation="new") as server:
        yield server


def model_of(server: OllamaServer, context: int = 1024) -> OllamaLLM:
    return OllamaLLM(base_url=server.url, model="llama3", context=context)


@settings(max_examples=60, deadline=None)
@given(
    characters_per_token=st.floats(0.8, 6.0),
    turns=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    streamed=st.booleans(),
    before=st.booleans(),
)
async def test_what_an_ollama_cuts_is_a_failure(
    old: OllamaServer,
    new: OllamaServer,
    characters_per_token: float,
    turns: list[int],
    streamed: bool,
    before: bool,
) -> None:
    server = old if before else new
    server.characters_per_token, server.cuts = characters_per_token, 0
    model = model_of(server)
    roles = ["system", "user", "assistant", "user", "assistant"]
    messages = [
        Message("user" if n == len(turns) - 1 else roles[n], SENTENCE * turn + "?")  # type: ignore[arg-type]
        for n, turn in enumerate(turns)
    ]
    request = replace(ASK, messages=messages)
    try:
        if streamed:
            assert [piece async for piece in await model.stream(request)]
        else:
            await model.complete(request)
        assert server.cuts == 0
    except ContextOverflow:
        pass
    finally:
        await model.aclose()


async def test_an_old_ollama_is_not_sent_a_conversation_it_might_shorten(
    old: OllamaServer,
) -> None:
    model = model_of(old)
    old.calls.clear()
    with pytest.raises(ContextOverflow, match=r"0\.12\.6"):
        await model.complete(replace(ASK, messages=TALK))
    assert old.chats == []
    await model.aclose()


async def test_a_new_ollama_is(new: OllamaServer) -> None:
    new.characters_per_token = 4.2
    model = model_of(new)
    assert (await model.complete(replace(ASK, messages=TALK))).text
    await model.aclose()


async def test_a_conversation_that_fits_for_certain_is_sent_to_any(old: OllamaServer) -> None:
    old.characters_per_token = 4.2
    model = model_of(old, context=4096)
    assert (await model.complete(replace(ASK, messages=TALK))).text
    await model.aclose()


@pytest.mark.parametrize("characters_per_token", [0.8, 2.0, 4.2])
async def test_a_window_that_is_full_at_an_openai_server_is_a_failure(
    characters_per_token: float,
) -> None:
    with OpenAIServer(context=1_000_000, characters_per_token=characters_per_token) as server:
        model = OpenAILLM(base_url=f"{server.url}/v1", model="llama3", context=1024)
        for times in range(1, 40, 3):
            request = replace(ASK, messages=[Message("user", SENTENCE * times)])
            try:
                usage = (await model.complete(request)).usage
            except ContextOverflow:
                continue
            assert usage.tokens_in + usage.tokens_out < 1024
        await model.aclose()
