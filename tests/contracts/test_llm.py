"""What every language model promises, each wrapped as in production."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from app.adapters.llm.extractive import ExtractiveLLM
from app.adapters.llm.ollama import OllamaLLM
from app.adapters.llm.openai import OpenAILLM
from app.adapters.llm.pieces import close
from app.adapters.llm.stack import dependable
from app.adapters.llm.structure import complaints
from app.ports.llm import (
    CompletionRequest,
    ContextOverflow,
    LLMProvider,
    Message,
    ModelUnavailable,
    StructureBroken,
)
from app.shared.fencing import fence
from app.shared.prompt_file import Prompt, read_prompt
from tests.fakes.llm import AbsentLLM, Line, ScriptedLLM
from tests.fakes.model_server import Fault, ModelServer
from tests.fakes.ollama_server import OllamaServer
from tests.fakes.openai_server import OpenAIServer

DOMAINS = Path(__file__).parents[2] / "app" / "domains"
STORY = (
    "The lighthouse stood alone at the end of the island. Every evening old Martha Hale climbed "
    "the stairs and lit the lamp. One winter night a storm tore the door from its hinges. A ship "
    "from the mainland ran upon the rocks below the lighthouse. Martha carried the lamp down to "
    "the shore so that the sailors could find the path. In the morning the captain thanked "
    "Martha Hale and stayed to mend the door.\n\n"
)
VALUES = {
    "book": fence("book", "The Lamp, by A. Keeper"),
    "chapter": fence("chapter", "I"),
    "part": fence("part", "Chapters 1 to 3"),
    "passage": fence("passage", STORY),
    "parts": fence("parts", f"1. {STORY.strip()}\n2. {STORY.strip()}"),
    "evidence": fence("evidence", "A ship ran upon the rocks below the lighthouse."),
    "words": "60",
    "rating": "2",
    "sentences": fence("sentences", "1: I loved the characters.\n2: The ending is a mess."),
    "facts": fence("facts", "Most readers praise the characters.\nSome blame the ending."),
    "voices": fence("voices", "I loved the characters."),
}
CANNED: dict[str, Line] = {
    "summarise_passage": {"summary": "A keeper lights a lamp."},
    "merge_summaries": {"summary": "A keeper saves a ship."},
    "present_book": {
        "summary": "A keeper saves a ship.",
        "hook": "A storm tears the door away.",
        "themes": ["lamp"],
        "characters": ["Martha Hale"],
    },
    "read_review": {"opinions": [{"sentence": 2, "aspect": "ending", "polarity": "negative"}]},
    "tell_consensus": {"consensus": "Readers praise the characters and blame the ending."},
    "talk": "A keeper lights a lamp and saves a ship.",
}
PROMPTS = {p.name: p for p in map(read_prompt, sorted(DOMAINS.glob("*/prompts/*.md")))}
TALK = CompletionRequest(
    [Message("system", "You summarise."), Message("user", STORY)], task="talk", prompt="talk@1"
)


def asked(prompt: Prompt) -> CompletionRequest:
    system, user = prompt.render(**{name: VALUES[name] for name in prompt.inputs})
    return CompletionRequest(
        [Message("system", system), Message("user", user)],
        task=prompt.name,
        prompt=prompt.reference,
        output_schema=prompt.output_schema,
        max_output_tokens=prompt.max_output_tokens,
    )


class Bench:
    """One kind of model on the test bench: built, spoilt, slowed and watched."""

    fallible = True

    def model(self, *, context: int = 8192) -> LLMProvider:
        return dependable(self.adapter(context), concurrency=2, attempts=2)

    def adapter(self, context: int) -> LLMProvider:
        raise NotImplementedError

    def absent(self) -> LLMProvider:
        raise NotImplementedError

    def break_answers(self, count: int) -> None:
        raise NotImplementedError

    def slow_down(self, seconds: float) -> None:
        raise NotImplementedError

    def begun(self) -> int:
        raise NotImplementedError

    def abandoned(self) -> int:
        raise NotImplementedError

    async def aclose(self) -> None:
        return


class ExtractiveBench(Bench):
    fallible = False

    @override
    def adapter(self, context: int) -> LLMProvider:
        return ExtractiveLLM(context=context)


class ScriptedBench(Bench):
    def __init__(self) -> None:
        self.fake = ScriptedLLM(self.say)
        self.broken = 0

    def say(self, request: CompletionRequest) -> Line:
        if self.broken:
            self.broken -= 1
            return '{"summary": '
        return CANNED[request.task]

    @override
    def adapter(self, context: int) -> LLMProvider:
        self.fake = ScriptedLLM(self.say, context=context, delay=self.fake.delay)
        return self.fake

    @override
    def absent(self) -> LLMProvider:
        return dependable(AbsentLLM(), concurrency=1, attempts=2)

    @override
    def break_answers(self, count: int) -> None:
        self.broken = count

    @override
    def slow_down(self, seconds: float) -> None:
        self.fake.delay = seconds

    @override
    def begun(self) -> int:
        return len(self.fake.requests)

    @override
    def abandoned(self) -> int:
        return self.fake.cancelled


class ServedBench(Bench):
    server: ModelServer

    def __init__(self, connect: Callable[[str, int], Any], server: ModelServer) -> None:
        self.connect = connect
        self.server = server
        self.opened = AsyncExitStack()

    @override
    def adapter(self, context: int) -> LLMProvider:
        return self.connected(self.server.url, context)

    @override
    def absent(self) -> LLMProvider:
        return dependable(self.connected("http://127.0.0.1:1", 8192), concurrency=1, attempts=2)

    def connected(self, url: str, context: int) -> LLMProvider:
        adapter: OllamaLLM | OpenAILLM = self.connect(url, context)
        self.opened.push_async_callback(adapter.aclose)
        return adapter

    @override
    def break_answers(self, count: int) -> None:
        self.server.faults.extend([Fault.BROKEN_JSON] * count)

    @override
    def slow_down(self, seconds: float) -> None:
        self.server.delay = self.server.piece_delay = seconds

    @override
    def begun(self) -> int:
        return len(self.server.chats)

    @override
    def abandoned(self) -> int:
        return len(self.server.hung_up)

    @override
    async def aclose(self) -> None:
        await self.opened.aclose()


def to_ollama(url: str, context: int) -> OllamaLLM:
    return OllamaLLM(base_url=url, model="llama3", context=context)


def to_openai(url: str, context: int) -> OpenAILLM:
    return OpenAILLM(base_url=f"{url}/v1", model="llama3", context=context, api_key="secret")


@pytest.fixture
def servers() -> Iterator[dict[str, ServedBench]]:
    with OllamaServer() as ollama, OpenAIServer(api_key="secret") as openai:
        yield {"ollama": ServedBench(to_ollama, ollama), "openai": ServedBench(to_openai, openai)}


@pytest.fixture(params=["scripted", "extractive", "ollama", "openai"])
async def bench(
    request: pytest.FixtureRequest, servers: dict[str, ServedBench]
) -> AsyncIterator[Bench]:
    kinds: dict[str, Bench] = {
        "scripted": ScriptedBench(),
        "extractive": ExtractiveBench(),
        **servers,
    }
    bench = kinds[request.param]
    yield bench
    await bench.aclose()


@pytest.fixture
def fallible(bench: Bench) -> Bench:
    if not bench.fallible:
        pytest.skip("it has no server to lose")
    return bench


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a server on another thread sets no event
            await asyncio.sleep(0.01)


def ways_to_ask(
    model: LLMProvider,
) -> Sequence[Callable[[CompletionRequest], Awaitable[object]]]:
    return (model.complete, model.stream)


async def test_a_model_says_who_it_is(bench: Bench) -> None:
    card = bench.model(context=2048).card
    assert card.provider
    assert card.model
    assert card.context == 2048


async def test_a_model_answers_in_free_text_and_counts_tokens(bench: Bench) -> None:
    answer = await bench.model().complete(TALK)
    assert "lamp" in answer.text
    assert answer.finish_reason == "stop"
    assert answer.parsed is None
    assert answer.usage.tokens_in > 50
    assert answer.usage.tokens_out > 0


@pytest.mark.parametrize("name", sorted(PROMPTS))
async def test_a_model_answers_every_prompt_in_its_structure(bench: Bench, name: str) -> None:
    prompt = PROMPTS[name]
    answer = await bench.model().complete(asked(prompt))
    assert answer.parsed
    assert list(complaints(answer.parsed, prompt.output_schema or {})) == []


async def test_the_pieces_of_a_stream_join_to_the_text(bench: Bench) -> None:
    model = bench.model()
    pieces = [piece async for piece in await model.stream(TALK)]
    assert len(pieces) > 1
    assert "".join(pieces) == (await model.complete(TALK)).text


async def test_a_text_beyond_the_window_is_refused_and_never_cut(bench: Bench) -> None:
    model = bench.model(context=1024)
    long = replace(TALK, messages=[Message("user", STORY * 40)])
    for ask in ways_to_ask(model):
        with pytest.raises(ContextOverflow):
            await ask(long)


async def test_a_model_that_is_up_passes_the_check(bench: Bench) -> None:
    await bench.model().check()


async def test_a_model_that_is_down_is_unavailable(fallible: Bench) -> None:
    model = fallible.absent()
    for ask in ways_to_ask(model):
        with pytest.raises(ModelUnavailable):
            await ask(TALK)
    with pytest.raises(ModelUnavailable):
        await model.check()


async def test_a_broken_structure_is_repaired_once(fallible: Bench) -> None:
    fallible.break_answers(1)
    answer = await fallible.model().complete(asked(PROMPTS["summarise_passage"]))
    assert answer.parsed
    assert answer.parsed["summary"]


async def test_a_structure_broken_twice_is_a_typed_failure(fallible: Bench) -> None:
    fallible.break_answers(2)
    with pytest.raises(StructureBroken):
        await fallible.model().complete(asked(PROMPTS["summarise_passage"]))
    assert fallible.begun() == 2


async def test_cancelling_stops_the_generation(fallible: Bench) -> None:
    model = fallible.model()
    fallible.slow_down(30)
    asking = asyncio.create_task(model.complete(TALK))
    await eventually(lambda: fallible.begun() == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert asking.cancelled()
    await eventually(lambda: fallible.abandoned() == 1)


async def test_a_deadline_ends_the_wait(fallible: Bench) -> None:
    model = fallible.model()
    fallible.slow_down(30)
    for ask in ways_to_ask(model):
        with pytest.raises(ModelUnavailable):
            await ask(replace(TALK, deadline=0.2))


async def test_closing_a_stream_frees_its_place(bench: Bench) -> None:
    model = dependable(bench.adapter(8192), concurrency=1)
    pieces = await model.stream(TALK)
    assert await anext(pieces)
    await close(pieces)
    assert (await model.complete(TALK)).text


@pytest.mark.parametrize("kind", ["ollama", "openai"])
async def test_closing_a_stream_hangs_up(servers: dict[str, ServedBench], kind: str) -> None:
    bench = servers[kind]
    bench.server.piece_delay = 0.2
    pieces = await bench.model().stream(TALK)
    await anext(pieces)
    await close(pieces)
    await eventually(lambda: bench.abandoned() == 1)
    await bench.aclose()
