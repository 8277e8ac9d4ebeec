"""Nobody waits for an answer that is not wanted any more."""

import asyncio
from uuid import UUID

from typing_extensions import override

from app.domains.catalog.service.heeding import heeding
from app.ports.llm import Completion, CompletionRequest
from app.shared.errors import Unavailable
from tests.domains.catalog.reading_house import House, WatchfulLLM, a_novel

NOVEL = a_novel()


class PonderingLLM(WatchfulLLM):
    """Takes an hour for an answer; `asked` is set once two wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self.delay = 3600
        self.asked = asyncio.Event()

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        if self.requests:
            self.asked.set()
        return await super().complete(request)


async def test_a_cancelled_summary_does_not_wait_for_the_answer_under_way() -> None:
    llm = PonderingLLM()
    house = House(llm)
    book_id = await house.bring(NOVEL)
    working = asyncio.create_task(house.work())
    await llm.asked.wait()
    await house.summaries.cancel(house.owner, book_id)
    async with asyncio.timeout(60):
        await working
    assert llm.cancelled == len(llm.requests) == 2
    assert (await house.summary(book_id)).status == "cancelled"
    assert house.board.stored[-1].report.result == {"cancelled": True}


class CalledOffLLM(WatchfulLLM):
    """Its third answer comes just after the summary was cancelled."""

    house: House
    book_id: UUID

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        answer = await super().complete(request)
        if len(self.requests) == 3:
            await self.house.summaries.cancel(self.house.owner, self.book_id)
        return answer


async def test_an_answer_that_comes_as_the_summary_is_cancelled_is_kept() -> None:
    llm = CalledOffLLM()
    llm.house = house = House(llm, at_once=1, heed_every=3600)
    llm.book_id = await house.bring(NOVEL)
    await house.work()
    assert (await house.summary(llm.book_id)).status == "cancelled"
    assert len(house.catalog.shelf.nodes) == len(llm.requests) == 3
    await house.summaries.make_anew(house.owner, llm.book_id)
    await house.work()
    assert (await house.summary(llm.book_id)).planned == len(llm.requests)


async def test_who_cannot_be_asked_for_a_moment_stops_nothing() -> None:
    asked, enough = 0, asyncio.Event()

    async def still_wanted() -> bool:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise Unavailable
        enough.set()
        return True

    async def work() -> str:
        await enough.wait()
        return "done"

    assert await heeding(work(), still_wanted, every=0.001) == "done"


async def test_a_book_withdrawn_does_not_wait_for_the_answer_under_way() -> None:
    llm = PonderingLLM()
    house = House(llm)
    book_id = await house.bring(NOVEL)
    working = asyncio.create_task(house.work())
    await llm.asked.wait()
    await house.shelving.withdraw(house.owner, book_id)
    async with asyncio.timeout(60):
        await working
    assert llm.cancelled == 2


async def test_a_summary_put_back_by_its_worker_ends_its_questions() -> None:
    llm = PonderingLLM()
    house = House(llm)
    await house.bring(NOVEL)
    working = asyncio.create_task(house.work())
    await llm.asked.wait()
    working.cancel()
    await asyncio.wait({working})
    assert (working.cancelled(), llm.cancelled) == (True, 2)
