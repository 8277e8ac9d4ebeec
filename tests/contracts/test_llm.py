"""What every language model promises, each wrapped as in production."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from app.adapters.llm.budgeting import Budget, Caps
from app.adapters.llm.caching import CachingLLM
from app.adapters.llm.extractive import ExtractiveLLM
from app.adapters.llm.llamacpp.provider import LlamaCppLLM
from app.adapters.llm.ollama import OllamaLLM
from app.adapters.llm.openai import OpenAILLM
from app.adapters.llm.pacing import Pace
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
from app.shared.prompt_file import Prompt, read_prompt
from tests.fakes.budget import InMemoryLedger
from tests.fakes.clock import FrozenClock
from tests.fakes.llamacpp import STAND_IN, model_file
from tests.fakes.llm import AbsentLLM, Line, ScriptedLLM
from tests.fakes.model_server import Fault, ModelServer
from tests.fakes.ollama_server import OllamaServer
from tests.fakes.openai_server import OpenAIServer
from tests.real_model.weights import small_model

DOMAINS = Path(__file__).parents[2] / "app" / "domains"
STORY = (
    "The lighthouse stood alone at the end of the island. Every evening old Martha Hale climbed "
    "the stairs and lit the lamp. One winter night a storm tore the door from its hinges. A ship "
    "from the mainland ran upon the rocks below the lighthouse. Martha carried the lamp down to "
    "the shore so that the sailors could find the path. In the morning the captain thanked "
    "Martha Hale and stayed to mend the door.\n\n"
)
PROMPTS = {p.name: p for p in map(read_prompt, sorted(DOMAINS.glob("*/prompts/*.md")))}
CANNED: dict[str, Line] = {
    **{name: prompt.example or {} for name, prompt in PROMPTS.items()},
    "talk": "A keeper lights a lamp and saves a ship.",
}
TALK = CompletionRequest(
    [Message("system", "You summarise."), Message("user", STORY)], task="talk", prompt="talk@1"
)


def asked(prompt: Prompt) -> CompletionRequest:
    system, user = prompt.render(**prompt.samples)
    return CompletionRequest(
        [Message("system", system), Message("user", user)],
        task=prompt.name,
        prompt=prompt.reference,
        output_schema=prompt.output_schema,
        max_output_tokens=prompt.max_output_tokens,
    )


def wrapped(model: LLMProvider, *, concurrency: int, attempts: int = 3) -> LLMProvider:
    """As in production, with limits nobody reaches."""
    budget = Budget(InMemoryLedger(), Caps(day=10**9), FrozenClock())
    pace = Pace(requests=10**3, tokens=10**9)
    return CachingLLM(
        dependable(model, concurrency=concurrency, attempts=attempts, pace=pace, budget=budget)
    )


class Bench:
    """One kind of model on the test bench: built, spoilt, slowed and watched."""

    def model(self, *, context: int = 8192) -> LLMProvider:
        return wrapped(self.adapter(context), concurrency=2, attempts=2)

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
        return wrapped(AbsentLLM(), concurrency=1, attempts=2)

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
        return wrapped(self.connected("http://127.0.0.1:1", 8192), concurrency=1, attempts=2)

    def connected(self, url: str, context: int) -> LLMProvider:
        adapter: OllamaLLM | OpenAILLM | LlamaCppLLM = self.connect(url, context)
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


class ChildBench(ServedBench):
    """The child names a server of ours; without a file there is no child."""

    @override
    def absent(self) -> LLMProvider:
        return wrapped(LlamaCppLLM(model="nowhere.gguf", context=8192), concurrency=1)


class RealBench(Bench):
    """The small model of the tests marked real_model."""

    def __init__(self) -> None:
        self.opened = AsyncExitStack()

    @override
    def adapter(self, context: int) -> LLMProvider:
        model = LlamaCppLLM(model=str(small_model()), context=context, threads=1)
        self.opened.push_async_callback(model.aclose)
        return model

    @override
    async def aclose(self) -> None:
        await self.opened.aclose()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, ServedBench]]:
    def to_child(url: str, context: int) -> LlamaCppLLM:
        path = model_file(tmp_path, url=url)
        return LlamaCppLLM(model=str(path), context=context, engine=STAND_IN)

    with (
        OllamaServer() as ollama,
        OpenAIServer(api_key="secret") as openai,
        OpenAIServer() as llamacpp,
    ):
        yield {
            "ollama": ServedBench(to_ollama, ollama),
            "openai": ServedBench(to_openai, openai),
            "llamacpp": ChildBench(to_child, llamacpp),
        }


async def bench_named(name: str, servers: dict[str, ServedBench]) -> AsyncGenerator[Bench, None]:
    kinds: dict[str, Bench] = {
        "scripted": ScriptedBench(),
        "extractive": ExtractiveBench(),
        "real": RealBench(),
        **servers,
    }
    yield kinds[name]
    await kinds[name].aclose()


REAL = pytest.param("real", marks=pytest.mark.real_model)


@pytest.fixture(params=["scripted", "extractive", "ollama", "openai", "llamacpp", REAL])
async def bench(
    request: pytest.FixtureRequest, servers: dict[str, ServedBench]
) -> AsyncIterator[Bench]:
    async for bench in bench_named(request.param, servers):
        yield bench


@pytest.fixture(params=["scripted", "extractive", "ollama", "openai", "llamacpp"])
async def steady(
    request: pytest.FixtureRequest, servers: dict[str, ServedBench]
) -> AsyncIterator[Bench]:
    """Those that give the same answer twice. A real model does not, not even to a fixed seed:
    what it has read already is counted in other steps."""
    async for bench in bench_named(request.param, servers):
        yield bench


@pytest.fixture(params=["scripted", "ollama", "openai", "llamacpp"])
async def fallible(
    request: pytest.FixtureRequest, servers: dict[str, ServedBench]
) -> AsyncIterator[Bench]:
    """Those that have a server to lose."""
    async for bench in bench_named(request.param, servers):
        yield bench


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
async def test_a_model_answers_every_prompt_in_its_structure(steady: Bench, name: str) -> None:
    prompt = PROMPTS[name]
    answer = await steady.model().complete(asked(prompt))
    assert answer.parsed
    assert list(complaints(answer.parsed, prompt.output_schema or {})) == []


async def test_the_pieces_of_a_stream_join_to_the_text(steady: Bench) -> None:
    model = steady.model()
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
    model = wrapped(bench.adapter(8192), concurrency=1)
    pieces = await model.stream(TALK)
    assert await anext(pieces)
    await close(pieces)
    assert (await model.complete(TALK)).text


@pytest.mark.parametrize("kind", ["ollama", "openai", "llamacpp"])
async def test_closing_a_stream_hangs_up(servers: dict[str, ServedBench], kind: str) -> None:
    bench = servers[kind]
    bench.server.piece_delay = 0.2
    pieces = await bench.model().stream(TALK)
    await anext(pieces)
    await close(pieces)
    await eventually(lambda: bench.abandoned() == 1)
    await bench.aclose()
