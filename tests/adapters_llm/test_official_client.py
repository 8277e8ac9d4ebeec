"""The stand-in for Ollama speaks to Ollama's own client: the double is not only agreeing with
its author. And what that client makes of a server in trouble, which the adapter relies on."""

from collections.abc import AsyncIterator, Iterator

import pytest
from ollama import AsyncClient, ChatResponse, ResponseError

from tests.fakes.model_server import Fault
from tests.fakes.ollama_server import OllamaServer

SAID = [{"role": "user", "content": "Martha lit the lamp. The ship found the harbour."}]


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        yield server


@pytest.fixture
async def client(server: OllamaServer) -> AsyncIterator[AsyncClient]:
    client = AsyncClient(server.url, trust_env=False)
    yield client
    await client.close()  # type: ignore[no-untyped-call]


async def test_it_lists_and_shows_models(client: AsyncClient) -> None:
    assert [model.model for model in (await client.list()).models] == ["llama3:latest"]
    shown = await client.show("llama3")
    assert shown.modelinfo == {"llama.context_length": 8192}


async def test_it_answers_at_once_and_in_pieces(client: AsyncClient) -> None:
    whole = await client.chat("llama3", SAID)
    pieces = [part async for part in await client.chat("llama3", SAID, stream=True)]
    assert "".join(part.message.content or "" for part in pieces) == whole.message.content
    assert [part.done for part in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[-1].done_reason == whole.done_reason == "stop"
    assert pieces[-1].prompt_eval_count == whole.prompt_eval_count
    assert whole.eval_count


async def test_an_answer_beyond_num_predict_ends_for_its_length(client: AsyncClient) -> None:
    answer = await client.chat("llama3", SAID, options={"num_predict": 3})
    assert answer.done_reason == "length"


async def test_a_missing_model_is_404(client: AsyncClient) -> None:
    with pytest.raises(ResponseError, match="'mistral' not found") as refused:
        await client.chat("mistral", SAID)
    assert refused.value.status_code == 404


async def test_a_full_queue_is_503(client: AsyncClient, server: OllamaServer) -> None:
    server.always = Fault.QUEUE_FULL
    with pytest.raises(ResponseError, match="maximum pending requests") as refused:
        await client.chat("llama3", SAID)
    assert refused.value.status_code == 503


async def test_an_error_inside_a_stream_comes_with_status_200(
    client: AsyncClient, server: OllamaServer
) -> None:
    server.always = Fault.BROKE_OFF
    parts = aiter(await client.chat("llama3", SAID, stream=True))
    assert (await anext(parts)).message.content
    with pytest.raises(ResponseError, match="CUDA") as broken:
        await _read(parts)
    assert broken.value.status_code == -1


async def test_the_client_notices_neither_a_missing_end_nor_a_cut(
    client: AsyncClient, server: OllamaServer
) -> None:
    server.always = Fault.UNFINISHED
    pieces = [part async for part in await client.chat("llama3", SAID, stream=True)]
    assert not any(part.done for part in pieces)
    server.always = None
    long = [{"role": "user", "content": SAID[0]["content"] * 50}]
    answer = await client.chat("llama3", long, options={"num_ctx": 256})
    assert answer.done_reason == "stop"
    assert server.cuts == 1


async def test_the_client_waits_for_ever_unless_it_is_told(client: AsyncClient) -> None:
    assert client._client.timeout.read is None


async def _read(parts: AsyncIterator[ChatResponse]) -> None:
    async for _ in parts:
        pass
