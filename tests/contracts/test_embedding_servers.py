"""What every model behind a server promises, whatever its server does."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from app.adapters.embeddings.ollama import OllamaEmbeddings
from app.adapters.embeddings.openai import OpenAIEmbeddings
from app.ports.embeddings import EmbeddingProvider, EmbeddingsRefused, EmbeddingsUnavailable
from tests.fakes.embedding_routes import Vectors
from tests.fakes.embeddings import hashed_words
from tests.fakes.model_server import Fault
from tests.fakes.ollama_server import OllamaServer
from tests.fakes.openai_server import OpenAIServer

NOWHERE = "http://127.0.0.1:1"
STORY = "The keeper lit the lamp. A storm tore the door away! Who mended it? The captain did. "


@dataclass
class Served:
    """A server and a client for it; `connect` makes another one, with a timeout in seconds."""

    server: OllamaServer | OpenAIServer
    connect: Callable[[str, float], EmbeddingProvider]

    def __post_init__(self) -> None:
        self.opened = AsyncExitStack()
        self.model = self.connected(self.server.url)

    def connected(self, url: str, timeout: float = 10.0) -> EmbeddingProvider:
        model = self.connect(url, timeout)
        self.opened.push_async_callback(model.close)
        return model

    def texts(self) -> list[str]:
        """All that was sent, in the order it came, but what the model is got to know with."""
        sent: list[list[str]] = [call.body["input"] for call in self.server.chats]
        return [text for texts in sent[1:] for text in texts]


@contextmanager
def ollama() -> Iterator[Served]:
    with OllamaServer(models=("nomic-embed-text:latest",)) as server:
        server.chat_path = "/api/embed"
        yield Served(
            server,
            lambda url, timeout: OllamaEmbeddings(
                base_url=url, model="nomic-embed-text", timeout=timeout
            ),
        )


@contextmanager
def openai() -> Iterator[Served]:
    with OpenAIServer(api_key="secret") as server:
        server.chat_path = "/v1/embeddings"
        yield Served(
            server,
            lambda url, timeout: OpenAIEmbeddings(
                base_url=f"{url}/v1", model="any", api_key="secret", timeout=timeout
            ),
        )


SERVED = {each.__name__: each for each in (ollama, openai)}


@pytest.fixture(params=SERVED)
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    with SERVED[request.param]() as opened:
        async with opened.opened:
            yield opened


async def test_nobody_at_the_address_is_unavailable(served: Served) -> None:
    away = served.connected(NOWHERE)
    with pytest.raises(EmbeddingsUnavailable, match=r"127\.0\.0\.1:1"):
        await away.card()
    with pytest.raises(EmbeddingsUnavailable):
        await away.embed([STORY], kind="passage")


async def test_who_was_away_is_asked_again(served: Served) -> None:
    served.server.faults.append(Fault.BUSY)
    with pytest.raises(EmbeddingsUnavailable):
        await served.model.card()
    assert (await served.model.card()).dimensions == 64


async def test_the_server_is_got_to_know_once(served: Served) -> None:
    await asyncio.gather(*(served.model.card() for _ in range(5)))
    await served.model.embed([STORY], kind="passage")
    assert len(served.server.chats) == 2


async def test_a_server_may_ask_for_patience(served: Served) -> None:
    await served.model.card()
    served.server.faults.append(Fault.TOO_MANY)
    with pytest.raises(EmbeddingsUnavailable) as told:
        await served.model.embed([STORY], kind="passage")
    assert told.value.retry_after == 7


@pytest.mark.parametrize(
    "fault",
    [Fault.BUSY, Fault.BROKE_OFF, Fault.UNFINISHED, Fault.CUT, Fault.NONSENSE, Fault.QUEUE_FULL],
)
async def test_a_broken_answer_is_unavailable(served: Served, fault: Fault) -> None:
    await served.model.card()
    served.server.faults.append(fault)
    with pytest.raises(EmbeddingsUnavailable):
        await served.model.embed([STORY], kind="passage")
    assert len(await served.model.embed([STORY], kind="passage")) == 1


async def test_a_wrong_key_is_refused_with_the_setting_to_look_at(served: Served) -> None:
    served.server.faults.append(Fault.REFUSED)
    with pytest.raises(EmbeddingsRefused, match="EMBEDDINGS_API_KEY"):
        await served.model.card()


async def test_an_address_that_redirects_is_refused_with_the_setting(served: Served) -> None:
    served.server.faults.append(Fault.REDIRECT)
    with pytest.raises(EmbeddingsRefused, match="EMBEDDINGS_BASE_URL"):
        await served.model.card()


async def test_a_silent_server_is_given_up(served: Served) -> None:
    hasty = served.connected(served.server.url, timeout=0.2)
    served.server.always = Fault.HANG
    with pytest.raises(EmbeddingsUnavailable, match="in time"):
        await hasty.embed([STORY], kind="passage")


async def test_who_stops_waiting_hangs_up(served: Served) -> None:
    await served.model.card()
    served.server.always = Fault.HANG
    asking = asyncio.create_task(served.model.embed([STORY], kind="passage"))
    await happened(lambda: len(served.server.chats) == 2)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await happened(lambda: len(served.server.hung_up) == 1)
    served.server.always = None
    assert len(await served.model.embed([STORY], kind="passage")) == 1


async def happened(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def one_less(vectors: Vectors) -> Any:
    return vectors[:-1]


def one_more(vectors: Vectors) -> Any:
    return [*vectors, vectors[0]]


def shorter(vectors: Vectors) -> Any:
    return [vector[:-1] for vector in vectors]


def endless(vectors: Vectors) -> Any:
    return [[math.nan, *vector[1:]] for vector in vectors]


@pytest.mark.parametrize("spoil", [one_less, one_more, shorter, endless])
async def test_vectors_that_cannot_be_the_texts_are_refused(
    served: Served, spoil: Callable[[Vectors], Any]
) -> None:
    await served.model.card()
    served.server.embeddings.spoil = spoil
    with pytest.raises(EmbeddingsRefused):
        await served.model.embed([STORY, "another"], kind="passage")


async def test_no_vector_at_all_is_refused(served: Served) -> None:
    served.server.embeddings.spoil = lambda vectors: []
    with pytest.raises(EmbeddingsRefused):
        await served.model.card()


async def test_words_for_numbers_are_no_models_answer(served: Served) -> None:
    await served.model.card()
    served.server.embeddings.spoil = lambda vectors: [["a", "b"] for _ in vectors]
    with pytest.raises(EmbeddingsUnavailable, match="no model's server"):
        await served.model.embed([STORY], kind="passage")


async def test_a_vector_without_direction_gets_one(served: Served) -> None:
    await served.model.card()
    served.server.embeddings.spoil = lambda vectors: [[0.0] * 64 for _ in vectors]
    (vector,) = await served.model.embed([STORY], kind="passage")
    assert math.hypot(*vector) == 1.0


async def test_blank_texts_are_not_sent(served: Served) -> None:
    await served.model.embed(["", STORY, " \n", "\0"], kind="passage")
    assert len(served.texts()) == 1


async def test_many_texts_go_sixteen_at_a_time(served: Served) -> None:
    await served.model.embed([f"{STORY} {number}" for number in range(40)], kind="passage")
    assert [len(call.body["input"]) for call in served.server.chats[1:]] == [16, 16, 8]


async def test_a_text_beyond_the_window_is_the_mean_of_its_pieces(served: Served) -> None:
    served.server.embeddings.window = 150
    long = (STORY * 5).strip()
    short, vector = await served.model.embed(["A lamp.", long], kind="passage")
    pieces = [text for text in served.texts() if 50 < len(text) <= 150]
    bare = [text.removeprefix("search_document: ") for text in pieces]
    assert " ".join(bare) == long
    expected = mean(pieces, [len(text) for text in bare])
    assert vector == pytest.approx(expected, abs=1e-3)
    assert short == pytest.approx(mean([served.texts()[0]], [1]))


def mean(texts: Sequence[str], weights: Sequence[int]) -> list[float]:
    vectors = [hashed_words(text, 64) for text in texts]
    sums = [
        sum(map(float.__mul__, map(float, weights), each)) for each in zip(*vectors, strict=True)
    ]
    length = math.hypot(*sums)
    return [x / length for x in sums]


async def test_text_without_a_space_is_cut_all_the_same(served: Served) -> None:
    served.server.embeddings.window = 150
    (vector,) = await served.model.embed(["ab" * 500], kind="passage")
    assert math.hypot(*vector) == pytest.approx(1.0)
    assert sum(len(text) for text in served.texts() if len(text) <= 150) >= 1000


async def test_a_window_nothing_fits_is_refused(served: Served) -> None:
    await served.model.card()
    served.server.embeddings.window = 0
    with pytest.raises(EmbeddingsRefused, match="Not one character"):
        await served.model.embed([STORY], kind="passage")


async def test_ollama_is_told_to_cut_nothing_and_what_a_text_is_for() -> None:
    with ollama() as served:
        async with served.opened:
            await served.model.embed(["A lamp."], kind="query")
            await served.model.embed(["A lamp."], kind="passage")
        assert served.texts() == ["search_query: A lamp.", "search_document: A lamp."]
        assert all(call.body["truncate"] is False for call in served.server.chats)


async def test_a_model_ollama_does_not_have_can_be_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "for the cloud")
    with OllamaServer(models=("llama3:latest",)) as server:
        model = OllamaEmbeddings(base_url=server.url, model="nomic-embed-text")
        with pytest.raises(EmbeddingsUnavailable, match="ollama pull nomic-embed-text"):
            await model.card()
        await model.close()
        assert "authorization" not in server.calls[0].headers


async def test_the_latest_model_of_ollama_is_the_same_as_without_saying_so() -> None:
    with ollama() as served:
        latest = OllamaEmbeddings(base_url=served.server.url, model="nomic-embed-text:latest")
        async with served.opened:
            assert await latest.card() == await served.model.card()
        await latest.close()


async def test_a_server_that_cuts_without_a_word_is_found_out() -> None:
    with openai() as served:
        served.server.embeddings.window, served.server.embeddings.cuts = 2000, True
        async with served.opened:
            long, other = await served.model.embed(
                [STORY * 50 + "The tax office. " * 250, STORY], kind="passage"
            )
        tax = hashed_words("The tax office.", 64)
        assert sum(map(float.__mul__, long, tax)) > sum(map(float.__mul__, other, tax)) + 0.3


async def test_a_server_that_counts_no_tokens_is_believed() -> None:
    with openai() as served:
        served.server.embeddings.counts = False
        async with served.opened:
            await served.model.embed([STORY * 30], kind="passage")
        assert len(served.texts()) == 1
