"""Ollama's protocol as others speak it: a third party's proxy, and a real Ollama where one is.

The proxy is `ollama-proxy-plus` (MIT), found beside this Python, on the PATH, or named by
LUMINA_TEST_OLLAMA_PROXY. It is not faithful everywhere: it always ends with "stop" and does not
know of missing models. What it is for is its framing.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.adapters.llm.detect import ollama_answers
from app.adapters.llm.ollama import OllamaLLM
from app.adapters.llm.pieces import close
from app.adapters.llm.stack import dependable
from app.ports.llm import CompletionRequest, Message
from benchmarks.models import MODELS, home
from tests.fakes.openai_server import OpenAIServer

pytestmark = pytest.mark.real_model

STORY = "Every evening old Martha Hale climbed the stairs and lit the lamp for the ships. " * 5
ASK = CompletionRequest(
    [Message("user", f"{STORY}\nWho lit the lamp?")], task="ask", prompt="ask@1", deadline=120
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["summary"],
    "additionalProperties": False,
    "properties": {"summary": {"type": "string", "minLength": 1, "maxLength": 200}},
}
STRUCTURED = replace(ASK, output_schema=SCHEMA, max_output_tokens=120)


def proxy_command() -> str:
    named = os.environ.get("LUMINA_TEST_OLLAMA_PROXY")
    beside = Path(sys.executable).with_name("ollama-proxy")
    found = named or (str(beside) if beside.exists() else shutil.which("ollama-proxy"))
    if not found:
        pytest.skip("ollama-proxy-plus is not installed")
    return found


@contextmanager
def proxied(url: str, key: str) -> Iterator[str]:
    """The address of the proxy in front of an OpenAI-compatible server at `url`, where its
    model is called `library/llama3`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [proxy_command(), "serve", "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        "PATH": os.environ["PATH"],
        "PROVIDERS_LIBRARY_API_KEY": key,
        "PROVIDERS_LIBRARY_BASE_URL": f"{url}/v1",
    }
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


async def answering(url: str) -> None:
    async with asyncio.timeout(60):
        while await ollama_answers(url) is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.2)


@asynccontextmanager
async def connected(url: str, model: str) -> AsyncIterator[OllamaLLM]:
    llm = OllamaLLM(base_url=url, model=model, context=4096)
    yield llm
    await llm.aclose()


async def speaks(llm: OllamaLLM) -> None:
    """What the library asks of an Ollama."""
    model = dependable(llm, concurrency=1)
    answer = await model.complete(ASK)
    assert answer.text.strip()
    assert answer.usage.tokens_in > 50
    assert answer.usage.tokens_out > 0
    structured = await model.complete(STRUCTURED)
    assert structured.parsed
    assert isinstance(structured.parsed["summary"], str)
    pieces = [piece async for piece in await model.stream(ASK)]
    assert "".join(pieces).strip()
    left = await model.stream(ASK)
    await anext(left)
    await close(left)
    await model.check()


@pytest.fixture
async def stand_in() -> AsyncIterator[OllamaLLM]:
    with OpenAIServer() as server, proxied(server.url, "a key") as url:
        await answering(url)
        async with connected(url, "library/llama3") as llm:
            yield llm


async def test_the_adapter_speaks_through_a_third_partys_proxy(stand_in: OllamaLLM) -> None:
    await speaks(stand_in)


_SERVE = """
import sys, os, xllamacpp
wishes = xllamacpp.CommonParams()
wishes.model.path, wishes.n_ctx, wishes.n_parallel = sys.argv[1], 4096, 1
server = xllamacpp.Server(wishes)
print(server.listening_address, flush=True)
sys.stdin.read()
os._exit(0)
"""


@contextmanager
def served(file: Path) -> Iterator[str]:
    """The address of llama.cpp's server with the model in it."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    ) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture
async def model_behind_a_proxy() -> AsyncIterator[OllamaLLM]:
    file = home() / MODELS["smollm2-135m"].file
    if not file.is_file():
        pytest.skip("the model is not there: python3 run.py bench models --fetch smollm2-135m")
    pytest.importorskip("xllamacpp")
    with served(file.absolute()) as server, proxied(server, "any key") as url:
        await answering(url)
        async with connected(url, "library/smollm2") as llm:
            yield llm


async def test_a_real_model_behind_a_third_partys_proxy_is_an_ollama(
    model_behind_a_proxy: OllamaLLM,
) -> None:
    await speaks(model_behind_a_proxy)


async def test_the_adapter_speaks_to_a_real_ollama() -> None:
    url = os.environ.get("OLLAMA_HOST", "")
    names = await ollama_answers(url if "://" in url else f"http://{url}") if url else None
    if not names:
        pytest.skip("no Ollama with a model answers at OLLAMA_HOST")
    async with connected(url if "://" in url else f"http://{url}", names[0]) as llm:
        await speaks(llm)
        assert not (await llm.complete(ASK)).usage.estimated
