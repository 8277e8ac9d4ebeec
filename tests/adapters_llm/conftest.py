"""Adapters, each at a server of its own on the loopback."""

from collections.abc import AsyncIterator, Iterator

import pytest

from app.adapters.llm.ollama import OllamaLLM
from app.adapters.llm.openai import OpenAILLM
from tests.fakes.ollama_server import OllamaServer
from tests.fakes.openai_server import OpenAIServer


@pytest.fixture
def ollama_server() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        yield server


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
async def ollama(ollama_server: OllamaServer) -> AsyncIterator[OllamaLLM]:
    model = OllamaLLM(base_url=ollama_server.url, model="llama3", context=4096)
    yield model
    await model.aclose()


@pytest.fixture
async def openai(openai_server: OpenAIServer) -> AsyncIterator[OpenAILLM]:
    model = OpenAILLM(base_url=f"{openai_server.url}/v1/", model="llama3", context=4096)
    yield model
    await model.aclose()
