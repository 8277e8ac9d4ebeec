"""A model in a child process: what it says when it cannot start, and how it comes back."""

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

from app.adapters.llm.llamacpp.child import LLAMA_CPP, Engine, ModelProcess
from app.adapters.llm.llamacpp.model_file import free_memory
from app.adapters.llm.llamacpp.provider import LlamaCppLLM
from app.adapters.llm.pieces import usage_of
from app.adapters.llm.stack import dependable
from app.ports.llm import NOTHING, CompletionRequest, LLMProvider, Message, ModelUnavailable
from tests.fakes.llamacpp import STAND_IN, model_file
from tests.fakes.model_server import Fault
from tests.fakes.openai_server import OpenAIServer

STORY = "Every evening old Martha Hale climbed the stairs and lit the lamp for the ships. " * 5
ASK = CompletionRequest([Message("user", STORY)], task="ask", prompt="ask@1")


class Hours:
    """A clock that stands until it is put forward."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
async def model(server: OpenAIServer, tmp_path: Path, hours: Hours) -> AsyncIterator[LlamaCppLLM]:
    model = stand_in(model_file(tmp_path, url=server.url), hours)
    yield model
    await model.aclose()


def stand_in(path: Path, clock: Hours | None = None) -> LlamaCppLLM:
    return LlamaCppLLM(
        model=str(path), context=4096, engine=STAND_IN, clock=clock or Hours(), threads=1
    )


async def refusal(model: LLMProvider) -> str:
    with pytest.raises(ModelUnavailable) as refused:
        await model.complete(ASK)
    return refused.value.detail


async def killed(model: LlamaCppLLM) -> None:
    assert model.pid
    os.kill(model.pid, signal.SIGKILL)
    while model.pid:  # noqa: ASYNC110 - the news of a death comes when it comes
        await asyncio.sleep(0.01)


async def test_no_child_runs_until_the_first_question(model: LlamaCppLLM) -> None:
    await model.check()
    assert model.pid is None
    await model.complete(ASK)
    assert model.pid


async def test_the_check_of_a_running_child_asks_it_and_not_its_file(
    model: LlamaCppLLM, tmp_path: Path
) -> None:
    await model.complete(ASK)
    (tmp_path / "stand-in.gguf").unlink()
    await model.check()


async def test_one_child_answers_all_questions(model: LlamaCppLLM) -> None:
    await model.complete(ASK)
    first = model.pid
    await asyncio.gather(model.complete(ASK), model.complete(ASK))
    assert model.pid == first


async def test_the_answer_is_signed_with_the_name_of_the_file(model: LlamaCppLLM) -> None:
    assert (await model.complete(ASK)).model == model.card.reference == "llamacpp:stand-in"


async def test_a_stream_is_counted_when_it_ends(model: LlamaCppLLM) -> None:
    pieces = await model.stream(ASK)
    assert "".join([piece async for piece in pieces])
    usage = usage_of(pieces)
    assert usage
    assert usage.tokens_out > 0


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 a zip"])
async def test_what_is_no_model_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    model = stand_in(path)
    said = "is not a GGUF file" if content is not None else "cannot be read: No such file"
    assert said in await refusal(model)
    with pytest.raises(ModelUnavailable, match=said):
        await model.check()


async def test_without_a_name_the_setting_is_named() -> None:
    assert "LLM_MODEL" in await refusal(LlamaCppLLM(model="", context=4096, engine=STAND_IN))


async def test_a_package_that_is_missing_comes_with_the_way_to_get_it(tmp_path: Path) -> None:
    engine = Engine(STAND_IN.program, "a_package_nobody_has")
    path = model_file(tmp_path, url="http://127.0.0.1:1")
    model = LlamaCppLLM(model=str(path), context=4096, engine=engine)
    assert "run.py install llamacpp" in await refusal(model)


async def test_a_damaged_model_is_told_in_llama_cpps_words_and_by_the_check(
    tmp_path: Path, hours: Hours
) -> None:
    words = "0.00 E llama_model_load: error loading model: tensor 'a' is not within the file\nbye"
    model = stand_in(model_file(tmp_path, error=words), hours)
    await model.check()
    assert await refusal(model) == (
        "llama.cpp cannot run stand-in.gguf: tensor 'a' is not within the file."
    )
    with pytest.raises(ModelUnavailable, match="not within the file"):
        await model.check()


async def test_a_window_wider_than_the_models_is_refused(
    server: OpenAIServer, tmp_path: Path
) -> None:
    model = stand_in(model_file(tmp_path, url=server.url, trained=2048))
    assert "LLM_CONTEXT=2048" in await refusal(model)
    assert model.pid is None


async def test_a_model_that_fails_again_and_again_is_left_alone_for_longer(
    tmp_path: Path, hours: Hours
) -> None:
    model = stand_in(model_file(tmp_path, error="broken"), hours)
    await refusal(model)
    assert "in a moment" not in await refusal(model)
    assert "in a moment" in await refusal(model)
    hours.now += 1
    assert "in a moment" not in await refusal(model)
    hours.now += 1
    assert "in a moment" in await refusal(model)


async def test_a_model_that_was_mended_answers_again(
    server: OpenAIServer, tmp_path: Path, hours: Hours
) -> None:
    model = stand_in(model_file(tmp_path, error="broken"), hours)
    await refusal(model)
    model_file(tmp_path, url=server.url)
    assert (await model.complete(ASK)).text
    await model.check()
    await model.aclose()


async def test_a_child_that_died_is_started_by_the_next_question(model: LlamaCppLLM) -> None:
    await model.complete(ASK)
    await killed(model)
    assert (await model.complete(ASK)).text


async def test_a_child_that_dies_in_mid_answer_is_missed_by_nobody(
    server: OpenAIServer, model: LlamaCppLLM
) -> None:
    server.faults.append(Fault.CUT)
    server.delay = 0.2
    asking = asyncio.create_task(dependable(model, concurrency=1).complete(ASK))
    while not server.chats:  # noqa: ASYNC110 - a server on another thread sets no event
        await asyncio.sleep(0.01)
    await killed(model)
    assert (await asking).text


async def test_an_answer_nobody_waits_for_takes_the_child_with_it(
    server: OpenAIServer, model: LlamaCppLLM
) -> None:
    server.delay = 30
    asking = asyncio.create_task(model.complete(ASK))
    while not server.chats:  # noqa: ASYNC110 - a server on another thread sets no event
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert model.pid is None
    server.delay = 0
    assert (await model.complete(ASK)).text


async def test_who_stops_waiting_for_the_news_of_a_death_takes_the_child_along(
    server: OpenAIServer, model: LlamaCppLLM
) -> None:
    await model.complete(ASK)
    child = model.pid
    assert child
    server.faults.append(Fault.CUT)
    asking = asyncio.create_task(model.complete(ASK))
    while len(server.chats) < 2:  # noqa: ASYNC110 - a server on another thread sets no event
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert asking.cancelled()
    assert model.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


async def test_a_model_that_is_never_done_loading_costs_nothing(tmp_path: Path) -> None:
    engine = replace(STAND_IN, longest_start=0.3)
    model = LlamaCppLLM(model=str(model_file(tmp_path)), context=4096, engine=engine, threads=1)
    with pytest.raises(ModelUnavailable, match="too long to load") as refused:
        await model.complete(ASK)
    assert refused.value.usage == NOTHING
    assert model.pid is None


class Undead(asyncio.subprocess.Process):
    """A process that was killed and does not end: it hangs in the kernel."""

    def __init__(self) -> None:
        self.kills = 0

    @property
    @override
    def returncode(self) -> int | None:
        return None

    @override
    def kill(self) -> None:
        self.kills += 1

    @override
    async def wait(self) -> int:
        raise TimeoutError


async def test_a_child_that_hangs_in_the_kernel_is_no_failure_of_its_own() -> None:
    process, words = Undead(), io.BytesIO()
    await ModelProcess(process, words, key="", name="model.gguf").stop()
    assert process.kills == 1
    assert words.closed


async def test_a_deadline_does_not_leave_the_model_at_work(
    server: OpenAIServer, model: LlamaCppLLM
) -> None:
    server.delay = 30
    with pytest.raises(ModelUnavailable, match="in time"):
        await model.complete(replace(ASK, deadline=0.2))
    assert model.pid is None


async def test_a_stream_holds_the_turn_until_it_is_closed(model: LlamaCppLLM) -> None:
    async with aclosing(await model.stream(ASK)) as pieces:  # type: ignore[type-var]
        await anext(pieces)
        waiting = asyncio.create_task(model.complete(ASK))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert (await waiting).text


async def test_closing_ends_the_child(model: LlamaCppLLM) -> None:
    await model.complete(ASK)
    await model.aclose()
    assert model.pid is None


def test_free_memory_is_the_least_of_what_machine_and_container_have(tmp_path: Path) -> None:
    machine, container = tmp_path / "meminfo", tmp_path / "memory.max"
    assert free_memory(machine, container) is None
    machine.write_text("MemTotal: 900 kB\nMemAvailable:    500 kB\n")
    assert free_memory(machine, container) == 500 * 1024
    container.write_text("max\n")
    assert free_memory(machine, container) == 500 * 1024
    container.write_text("4096\n")
    assert free_memory(machine, container) == 4096


async def test_a_model_larger_than_the_memory_is_not_started(tmp_path: Path) -> None:
    path = tmp_path / "huge.gguf"
    with path.open("wb") as file:
        file.write(b"GGUF")
        file.truncate(1 << 40)
    if free_memory() is None:
        path.unlink()
        pytest.skip("this system does not say what memory is free")
    assert "GiB of memory" in await refusal(stand_in(path))


def test_the_program_of_the_child_is_there() -> None:
    assert LLAMA_CPP.program.is_file()
