"""Servers that hang or drip, and readers that go away: connections end when they should."""

import asyncio
from dataclasses import replace

import pytest

from app.adapters.llm.ollama import OllamaLLM
from app.adapters.llm.openai import OpenAILLM
from app.ports.llm import ModelUnavailable
from tests.adapters_llm.asking import ASK, drained, eventually
from tests.fakes.model_server import Fault, ModelServer
from tests.fakes.ollama_server import OllamaServer
from tests.fakes.openai_server import OpenAIServer

SILENCES = [Fault.HANG, Fault.DRIP, Fault.SLOW_HEADERS]


@pytest.mark.parametrize("fault", SILENCES)
@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_a_silent_ollama_is_left_at_the_deadline(
    ollama_server: OllamaServer, ollama: OllamaLLM, fault: Fault, way: str
) -> None:
    await _left_at_the_deadline(ollama_server, ollama, fault, way)


@pytest.mark.parametrize("fault", SILENCES)
@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_a_silent_openai_server_is_left_at_the_deadline(
    openai_server: OpenAIServer, openai: OpenAILLM, fault: Fault, way: str
) -> None:
    await _left_at_the_deadline(openai_server, openai, fault, way)


async def _left_at_the_deadline(
    server: ModelServer, model: OllamaLLM | OpenAILLM, fault: Fault, way: str
) -> None:
    """It ends as a failure, and the server sees that the connection is gone."""
    server.always = fault
    hurried = replace(ASK, deadline=0.3)
    with pytest.raises(ModelUnavailable, match="in time"):
        await (model.complete(hurried) if way == "complete" else drained(model, hurried))
    await eventually(lambda: len(server.hung_up) == 1)


async def test_whoever_reads_a_stream_and_is_cancelled_hangs_up(
    ollama_server: OllamaServer, ollama: OllamaLLM, openai_server: OpenAIServer, openai: OpenAILLM
) -> None:
    await _hung_up_on(ollama_server, ollama)
    await _hung_up_on(openai_server, openai)


async def _hung_up_on(server: ModelServer, model: OllamaLLM | OpenAILLM) -> None:
    server.piece_delay = 0.3
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in await model.stream(ASK):
            begun.set()

    reading = asyncio.create_task(read())
    await begun.wait()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await eventually(lambda: len(server.hung_up) == 1)
