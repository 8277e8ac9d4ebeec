"""An answer that has no end fills no memory."""

from dataclasses import replace

import pytest

from app.adapters.llm.ollama import OllamaLLM
from app.adapters.llm.openai import OpenAILLM
from app.ports.llm import LLMProvider, ModelUnavailable
from benchmarks.campaigns._ailing_models import AilingOllama, AilingOpenAI, AilingServer, Trouble
from tests.adapters_llm.asking import ASK

MEBIBYTE = 2**20


async def assert_given_up(server: AilingServer, model: LLMProvider) -> None:
    server.ways, server.share = (Trouble.ENDLESS,), 1.0
    with pytest.raises(ModelUnavailable, match="No model's server answers"):
        await model.complete(replace(ASK, deadline=30))
    assert MEBIBYTE < server.taken < 64 * MEBIBYTE


async def test_an_ollama_that_never_ends_is_given_up() -> None:
    with AilingOllama() as server:
        model = OllamaLLM(base_url=server.url, model="llama3", context=4096)
        await assert_given_up(server, model)
        await model.aclose()


async def test_an_openai_server_that_never_ends_is_given_up() -> None:
    with AilingOpenAI() as server:
        model = OpenAILLM(base_url=f"{server.url}/v1", model="llama3", context=4096)
        await assert_given_up(server, model)
        await model.aclose()
