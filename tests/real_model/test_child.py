"""The child with a real model in it: stopped, killed, orphaned, damaged, overfilled."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.adapters.llm.budgeting import Budget, Caps
from app.adapters.llm.llamacpp.provider import LlamaCppLLM
from app.adapters.llm.pieces import close, usage_of
from app.adapters.llm.stack import dependable
from app.ports.budget import BudgetSpent
from app.ports.llm import CompletionRequest, ContextOverflow, Message, ModelUnavailable
from tests.fakes.budget import InMemoryLedger
from tests.fakes.clock import FrozenClock
from tests.real_model.weights import ROOT, small_model

pytestmark = pytest.mark.real_model

LONG = CompletionRequest(
    [Message("user", "Tell a long story about a lighthouse, a storm and a ship.")],
    task="tell",
    prompt="tell@1",
    max_output_tokens=1000,
)
SHORT = replace(LONG, max_output_tokens=8)
PARENT = """
import asyncio, sys
from app.adapters.llm.llamacpp.provider import LlamaCppLLM
from tests.real_model.test_child import LONG

async def main():
    model = LlamaCppLLM(model=sys.argv[1], context=2048, threads=1)
    pieces = await model.stream(LONG)
    print(model.pid, flush=True)
    async for _ in pieces:
        pass

asyncio.run(main())
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.02)


async def test_a_cancelled_answer_frees_the_model_for_the_next_question(
    model: LlamaCppLLM,
) -> None:
    await model.complete(SHORT)
    busy = model.pid
    assert busy
    asking = asyncio.create_task(model.complete(LONG))
    await asyncio.sleep(0.3)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert asking.cancelled()
    await eventually(lambda: not is_alive(busy))
    assert (await model.complete(SHORT)).text


async def test_a_closed_stream_stops_the_generation(model: LlamaCppLLM) -> None:
    pieces = await model.stream(LONG)
    await anext(pieces)
    await close(pieces)
    assert usage_of(pieces) is None
    assert (await model.complete(SHORT)).text


async def test_a_child_killed_in_mid_answer_is_replaced(model: LlamaCppLLM) -> None:
    await model.complete(SHORT)
    asking = asyncio.create_task(model.complete(LONG))
    await asyncio.sleep(0.3)
    assert model.pid
    os.kill(model.pid, signal.SIGKILL)
    with pytest.raises(ModelUnavailable, match="signal 9"):
        await asking
    assert (await model.complete(SHORT)).text


async def test_whoever_asks_dependably_does_not_notice_a_killed_child(model: LlamaCppLLM) -> None:
    await model.complete(SHORT)
    request = replace(LONG, max_output_tokens=40)
    asking = asyncio.create_task(dependable(model, concurrency=1).complete(request))
    await asyncio.sleep(0.1)
    assert model.pid
    os.kill(model.pid, signal.SIGKILL)
    assert (await asking).text


async def test_no_child_outlives_a_killed_parent() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(small_model()), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    child = int(await parent.stdout.readline())
    assert is_alive(child)
    parent.kill()
    await parent.wait()
    await eventually(lambda: not is_alive(child))


async def test_half_a_model_is_called_damaged(tmp_path: Path) -> None:
    half = tmp_path / "half.gguf"
    with small_model().open("rb") as whole, half.open("wb") as file:
        file.write(whole.read(40_000_000))
    model = LlamaCppLLM(model=str(half), context=2048, threads=1)
    with pytest.raises(ModelUnavailable, match=r"half\.gguf: .*corrupted or incomplete"):
        await model.complete(SHORT)
    with pytest.raises(ModelUnavailable, match="incomplete"):
        await model.check()


async def test_a_window_the_model_was_not_made_for_is_refused() -> None:
    model = LlamaCppLLM(model=str(small_model()), context=16_384, threads=1)
    with pytest.raises(ModelUnavailable, match="LLM_CONTEXT=8192"):
        await model.complete(SHORT)


async def test_what_only_the_model_finds_too_long_is_refused_and_never_cut(
    model: LlamaCppLLM,
) -> None:
    # a token a digit, where the estimate expects several characters a token
    digits = replace(SHORT, messages=[Message("user", "3141592653" * 400)])
    for ask in (model.complete, model.stream):
        with pytest.raises(ContextOverflow):
            await ask(digits)
    assert (await model.complete(SHORT)).text


async def test_what_the_budget_does_not_allow_starts_no_model(model: LlamaCppLLM) -> None:
    budget = Budget(InMemoryLedger(), Caps(day=100), FrozenClock())
    with pytest.raises(BudgetSpent):
        await dependable(model, concurrency=1, budget=budget).complete(LONG)
    assert model.pid is None
