"""What the stores share."""

import asyncio
import threading

import pytest

from app.adapters.storage.streams import in_thread, pieces
from tests.contracts.storage_adapters import stream


async def test_a_stream_is_cut_into_equal_pieces_and_a_rest() -> None:
    chunks = stream(b"ab", b"", b"cdefgh", b"i", b"j")
    assert [piece async for piece in pieces(chunks, 3)] == [b"abc", b"def", b"ghi", b"j"]
    assert [piece async for piece in pieces(stream(b"abcdef"), 3)] == [b"abc", b"def"]
    assert [piece async for piece in pieces(stream(), 3)] == []


async def test_whoever_is_cancelled_waits_for_the_call_that_is_running() -> None:
    begun, allowed, ended = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        allowed.wait()
        ended.set()

    waiting = asyncio.create_task(in_thread(None, call))
    await asyncio.to_thread(begun.wait)
    for _ in range(2):
        waiting.cancel()
        await asyncio.sleep(0)
        assert not waiting.done()
    allowed.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()


async def test_a_call_that_fails_fails_here() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_thread(None, divmod, 1, 0)
