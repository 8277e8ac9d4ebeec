"""Nobody waits for an answer that is not wanted any more."""

import asyncio

from typing_extensions import override

from app.ports.llm import Completion, CompletionRequest
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
