"""What the adapters make of servers that misbehave."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from app.adapters.llm.detect import ollama_answers
from app.adapters.llm.http import ServerBusy, retry_after_seconds
from app.adapters.llm.ollama import OllamaLLM
from app.adapters.llm.openai import OpenAILLM
from app.adapters.llm.pieces import usage_of
from app.ports.llm import (
    NOTHING,
    ContextOverflow,
    Message,
    ModelFailure,
    ModelRefused,
    ModelUnavailable,
    StructureBroken,
    Usage,
)
from tests.adapters_llm.asking import ASK, STORY, STRUCTURED, SUMMARY, drained
from tests.fakes.model_server import Fault
from tests.fakes.ollama_server import OllamaServer
from tests.fakes.openai_server import OpenAIServer

FAULTS: list[tuple[Fault, type[ModelFailure]]] = [
    (Fault.TOO_MANY, ServerBusy),
    (Fault.BUSY, ModelUnavailable),
    (Fault.REFUSED, ModelRefused),
    (Fault.REDIRECT, ModelRefused),
    (Fault.NONSENSE, ModelUnavailable),
    (Fault.CUT, ModelUnavailable),
    (Fault.UNFINISHED, ModelUnavailable),
    (Fault.BROKE_OFF, ModelUnavailable),
    (Fault.QUEUE_FULL, ModelUnavailable),
]


@pytest.mark.parametrize(("fault", "failure"), FAULTS)
async def test_every_way_ollama_fails_has_its_name(
    ollama_server: OllamaServer, ollama: OllamaLLM, fault: Fault, failure: type[ModelFailure]
) -> None:
    ollama_server.always = fault
    for ask in (
        ollama.complete(ASK),
        drained(ollama, ASK),
    ):
        with pytest.raises(failure):
            await ask


@pytest.mark.parametrize(("fault", "failure"), FAULTS)
async def test_every_way_an_openai_server_fails_has_its_name(
    openai_server: OpenAIServer, openai: OpenAILLM, fault: Fault, failure: type[ModelFailure]
) -> None:
    openai_server.always = fault
    for ask in (
        openai.complete(ASK),
        drained(openai, ASK),
    ):
        with pytest.raises(failure):
            await ask


async def test_a_full_queue_of_ollama_is_a_busy_server(
    ollama_server: OllamaServer, ollama: OllamaLLM
) -> None:
    ollama_server.always = Fault.QUEUE_FULL
    with pytest.raises(ServerBusy, match="OLLAMA_MAX_QUEUE"):
        await ollama.complete(ASK)


@pytest.mark.parametrize(
    ("fault", "cost"),
    [
        (Fault.TOO_MANY, NOTHING),
        (Fault.REFUSED, NOTHING),
        (Fault.QUEUE_FULL, NOTHING),
        (Fault.CUT, None),
        (Fault.BUSY, None),
    ],
)
async def test_a_failure_says_what_it_cost_or_that_nobody_knows(
    ollama_server: OllamaServer, ollama: OllamaLLM, fault: Fault, cost: Usage | None
) -> None:
    ollama_server.always = fault
    with pytest.raises(ModelFailure) as failed:
        await ollama.complete(ASK)
    assert failed.value.usage == cost


async def test_a_server_that_is_not_there_costs_nothing() -> None:
    for model in (
        OllamaLLM(base_url="http://127.0.0.1:1", model="llama3", context=4096),
        OpenAILLM(base_url="http://127.0.0.1:1/v1", model="llama3", context=4096),
    ):
        with pytest.raises(ModelUnavailable) as failed:
            await model.complete(ASK)
        assert failed.value.usage == NOTHING
        await model.aclose()


async def test_a_broken_structure_costs_what_was_written(
    ollama_server: OllamaServer, ollama: OllamaLLM
) -> None:
    ollama_server.always = Fault.BROKEN_JSON
    with pytest.raises(StructureBroken) as failed:
        await ollama.complete(STRUCTURED)
    assert failed.value.usage
    assert failed.value.usage.tokens_in > 50


async def test_the_end_of_a_stream_says_what_it_cost(ollama: OllamaLLM, openai: OpenAILLM) -> None:
    for model in (ollama, openai):
        pieces = await model.stream(ASK)
        assert usage_of(pieces) is None
        assert [piece async for piece in pieces]
        usage = usage_of(pieces)
        assert usage is not None
        assert usage == (await model.complete(ASK)).usage
        assert not usage.estimated


async def test_without_a_seed_none_is_sent(
    ollama_server: OllamaServer, ollama: OllamaLLM, openai_server: OpenAIServer, openai: OpenAILLM
) -> None:
    unseeded = replace(ASK, seed=None)
    await ollama.complete(unseeded)
    await openai.complete(unseeded)
    assert "seed" not in ollama_server.chats[0].body["options"]
    assert "seed" not in openai_server.chats[0].body


async def test_the_wait_a_server_asks_for_is_kept(
    ollama_server: OllamaServer, ollama: OllamaLLM
) -> None:
    ollama_server.always = Fault.TOO_MANY
    with pytest.raises(ModelUnavailable) as refused:
        await ollama.complete(ASK)
    assert refused.value.retry_after == 7


def test_a_retry_after_is_seconds_or_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    assert retry_after_seconds("12") == 12
    assert retry_after_seconds(soon) in (29, 30)
    assert retry_after_seconds(past) == 0
    assert retry_after_seconds("999999999") == 3600
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds(None) is None


async def test_ollama_is_always_told_the_window_and_not_to_cut(
    ollama_server: OllamaServer, ollama: OllamaLLM
) -> None:
    await ollama.complete(STRUCTURED)
    body = ollama_server.chats[0].body
    assert body["truncate"] is False
    assert body["format"] == SUMMARY
    assert body["options"]["num_ctx"] == 4096
    assert body["options"]["num_predict"] == STRUCTURED.max_output_tokens
    assert body["options"]["seed"] == STRUCTURED.seed


async def test_no_key_from_the_environment_goes_to_ollama(
    ollama_server: OllamaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "cloud-secret")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    model = OllamaLLM(base_url=ollama_server.url, model="llama3", context=4096)
    await model.complete(ASK)
    await model.aclose()
    assert "authorization" not in ollama_server.chats[0].headers


async def test_a_missing_model_comes_with_the_way_to_get_it(ollama_server: OllamaServer) -> None:
    model = OllamaLLM(base_url=ollama_server.url, model="mistral", context=4096)
    for ask in (model.complete(ASK), drained(model, ASK), model.check()):
        with pytest.raises(ModelUnavailable, match="ollama pull mistral"):
            await ask
    await model.aclose()


async def test_a_text_that_only_the_server_finds_too_long_is_refused(
    ollama_server: OllamaServer, ollama: OllamaLLM
) -> None:
    ollama_server.characters_per_token = 1.0
    long = replace(ASK, messages=[Message("user", STORY * 15)])
    for ask in (ollama.complete(long), drained(ollama, long)):
        with pytest.raises(ContextOverflow):
            await ask


async def test_a_text_that_an_old_ollama_cut_all_the_same_is_refused(
    ollama_server: OllamaServer, ollama: OllamaLLM
) -> None:
    ollama_server.characters_per_token = 1.0
    ollama_server.generation = "old"
    long = replace(ASK, messages=[Message("user", STORY * 15)])
    for ask in (ollama.complete(long), drained(ollama, long)):
        with pytest.raises(ContextOverflow):
            await ask


async def test_counts_left_out_for_a_cached_prefix_are_estimated(
    ollama_server: OllamaServer, ollama: OllamaLLM
) -> None:
    ollama_server.counts = False
    usage = (await ollama.complete(ASK)).usage
    assert usage.estimated
    assert usage.tokens_in > 50


async def test_an_answer_longer_than_allowed_says_so(ollama: OllamaLLM, openai: OpenAILLM) -> None:
    for model in (ollama, openai):
        assert (await model.complete(replace(ASK, max_output_tokens=8))).finish_reason == "length"
        with pytest.raises(StructureBroken):
            await model.complete(replace(STRUCTURED, max_output_tokens=8))


@pytest.mark.parametrize(("knows", "refused"), [("json_object", 1), ("text", 2)])
async def test_a_server_without_json_schemas_gets_the_schema_in_words(
    openai_server: OpenAIServer, openai: OpenAILLM, knows: Any, refused: int
) -> None:
    openai_server.knows = knows
    for _ in range(2):
        assert (await openai.complete(STRUCTURED)).parsed
    assert len(openai_server.chats) == refused + 2
    assert await drained(openai, STRUCTURED)


async def test_a_wrong_key_is_refused_and_not_repeated_back(openai_server: OpenAIServer) -> None:
    openai_server.api_key = "right"
    model = OpenAILLM(
        base_url=f"{openai_server.url}/v1", model="llama3", context=4096, api_key="wrong"
    )
    with pytest.raises(ModelRefused, match="LLM_API_KEY") as refused:
        await model.complete(ASK)
    assert "wrong" not in str(refused.value)
    with pytest.raises(ModelUnavailable):
        await model.check()
    await model.aclose()


async def test_an_ollama_is_found_with_its_models(ollama_server: OllamaServer) -> None:
    assert await ollama_answers(ollama_server.url) == ["llama3:latest"]


async def test_where_nobody_or_somebody_else_answers_there_is_no_ollama(
    openai_server: OpenAIServer,
) -> None:
    assert await ollama_answers("http://127.0.0.1:1") is None
    assert await ollama_answers("no address at all") is None
    assert await ollama_answers(openai_server.url) is None


async def test_a_silent_server_is_no_ollama() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()
            writer.close()
            await writer.wait_closed()
        gone.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await ollama_answers(f"http://127.0.0.1:{port}", timeout=0.1) is None
        await gone.wait()
