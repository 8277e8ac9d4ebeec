"""Summaries of whole books, over fakes."""

import asyncio
from uuid import UUID

import pytest
from typing_extensions import override

from app.domains.catalog.errors import (
    BookNotFound,
    GeneratedTextOff,
    NotYourBook,
)
from app.domains.catalog.service.questions import node_key
from app.ports.llm import Completion, CompletionRequest, ModelRefused, ModelUnavailable
from app.shared.ids import new_id
from tests.domains.catalog.reading_house import (
    Answer,
    House,
    Say,
    WatchfulLLM,
    a_novel,
    block,
    sensible,
)
from tests.fakes.llm import AbsentLLM

NOVEL = a_novel()


def tasks(house: House) -> list[str]:
    return [request.task for request in house.requests]


async def test_a_whole_book_is_read_to_its_last_page() -> None:
    house = House()
    book_id = await house.shelve(f"{NOVEL} The zanzibar secret was a lie.", title="The Lamp")
    leaves = [block(r, "passage") for r in house.requests if r.task == "summarise_passage"]
    assert sum("zanzibar secret" in leaf for leaf in leaves) == 1
    assert set(tasks(house)) == {
        "summarise_passage", "merge_summaries", "present_book", "introduce_book",
    }  # fmt: skip
    shown = await house.shown(book_id)
    assert (shown["degraded"], shown["provider"], shown["coverage"]) == (False, "scripted", 1.0)
    assert [chapter["title"] for chapter in shown["chapters"]] == [
        "CHAPTER 1", "CHAPTER 2", "CHAPTER 3", "CHAPTER 4",
    ]  # fmt: skip


async def test_progress_ends_where_it_was_planned_to_end() -> None:
    house = House()
    book_id = await house.shelve(NOVEL)
    summary = await house.summary(book_id)
    assert (summary.status, summary.done) == ("ready", summary.planned)
    assert summary.planned == len(house.requests) > 8
    job = house.board.stored[-1].report
    assert (job.done, job.planned) == (summary.planned, summary.planned)
    assert job.result
    assert job.result["summary"] == (await house.shown(book_id))["summary"]


async def test_the_same_book_again_asks_nothing() -> None:
    house = House()
    book_id = await house.shelve(NOVEL)
    asked, shown = len(house.requests), await house.shown(book_id)
    await house.summaries.make_anew(house.owner, book_id)
    await house.work()
    assert len(house.requests) == asked
    assert await house.shown(book_id) == shown


async def test_a_chapter_that_stands_twice_is_asked_about_once() -> None:
    house = House()
    book_id = await house.shelve(f"{NOVEL}\n\n{NOVEL}")
    passages = [block(r, "passage") for r in house.requests if r.task == "summarise_passage"]
    assert len(set(passages)) == len(passages)
    summary = await house.summary(book_id)
    assert (summary.status, summary.done) == ("ready", summary.planned)


async def test_another_description_asks_nothing() -> None:
    house = House()
    book_id = await house.shelve(NOVEL)
    asked = len(house.requests)
    changes = {"title": "Another", "author": "Somebody"}
    await house.shelving.describe(house.owner, book_id, changes)
    await house.summaries.make_anew(house.owner, book_id)
    await house.work()
    assert len(house.requests) == asked


async def test_a_changed_chapter_asks_only_for_itself_and_what_rests_on_it() -> None:
    house = House()
    book_id = await house.shelve(NOVEL)
    asked = len(house.requests)
    parts = NOVEL.split("CHAPTER 4")
    changed = f"{parts[0]}CHAPTER 4{a_novel(5, salt='b').split('CHAPTER 4')[1][:9000]}"
    file = await house.receive(changed)
    await house.shelving.replace_content(house.owner, book_id, file)
    await house.work()
    assert 2 <= len(house.requests) - asked < asked


async def test_a_replaced_file_drops_the_old_summary_at_once() -> None:
    house = House()
    book_id = await house.shelve(NOVEL)
    file = await house.receive("A short new text about something else entirely.")
    await house.shelving.replace_content(house.owner, book_id, file)
    summary = await house.summary(book_id)
    assert (summary.status, summary.presentation) == ("pending", None)
    await house.work()
    assert "something else entirely" in (await house.shown(book_id))["summary"]


class MeddlingLLM(WatchfulLLM):
    """Something happens in the house when the n-th question comes."""

    def __init__(self, at: int, say: Say = sensible) -> None:
        super().__init__(say)
        self.at = at
        self.house: House
        self.book_id: UUID
        self.turn = asyncio.Lock()

    async def meddle(self) -> None: ...

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        # One question after the other, as with a small machine.
        async with self.turn:
            if len(self.requests) + 1 == self.at:
                self.at = 0
                await self.meddle()
            return await super().complete(request)


class Cancelling(MeddlingLLM):
    @override
    async def meddle(self) -> None:
        await self.house.summaries.cancel(self.house.owner, self.book_id)


class Withdrawing(MeddlingLLM):
    @override
    async def meddle(self) -> None:
        await self.house.shelving.withdraw(self.house.owner, self.book_id)


class Replacing(MeddlingLLM):
    @override
    async def meddle(self) -> None:
        file = await self.house.receive("The new text is short.")
        await self.house.shelving.replace_content(self.house.owner, self.book_id, file)


class Dying(MeddlingLLM):
    @override
    async def meddle(self) -> None:
        raise ConnectionResetError


async def meddled(llm: MeddlingLLM) -> tuple[House, UUID]:
    house = House(llm)
    llm.house = house
    llm.book_id = await house.bring(NOVEL)
    return house, llm.book_id


async def test_a_cancelled_summary_stops_with_the_answers_under_way() -> None:
    llm = Cancelling(at=4)
    house, book_id = await meddled(llm)
    await house.work()
    summary = await house.summary(book_id)
    assert summary.status == "cancelled"
    assert 1 <= summary.done <= 3
    assert summary.done <= len(house.catalog.shelf.nodes) <= summary.done + 2
    assert len(house.requests) <= 5  # one that was under way
    assert (await house.shown(book_id))["degraded"]
    assert house.board.stored[-1].report.result == {"cancelled": True}


async def test_a_cancelled_summary_goes_on_where_it_stopped_when_asked_for() -> None:
    house, book_id = await meddled(Cancelling(at=4))
    await house.work()
    await house.summaries.make_anew(house.owner, book_id)
    await house.work()
    summary = await house.summary(book_id)
    assert summary.status == "ready"
    assert len(house.requests) <= summary.planned + 2  # the answers that came too late


async def test_after_a_crash_only_what_was_not_answered_is_asked() -> None:
    house, book_id = await meddled(Dying(at=5))
    await house.work()
    summary = await house.summary(book_id)
    assert (summary.status, summary.error) == ("ready", None)
    assert len(house.requests) <= summary.planned + 1  # an answer not kept yet when it died


async def test_a_book_withdrawn_in_the_middle_ends_its_summary_quietly() -> None:
    house, book_id = await meddled(Withdrawing(at=4))
    await house.work()
    with pytest.raises(BookNotFound):
        await house.summary(book_id)
    assert {stored.report.status for stored in house.board.stored} == {"ready"}
    assert house.storage.objects == {}


async def test_a_file_replaced_in_the_middle_ends_the_summary_of_the_old_one() -> None:
    house, book_id = await meddled(Replacing(at=4))
    await house.work()
    assert "The new text is short" in (await house.shown(book_id))["summary"]
    assert tasks(house).count("summarise_passage") <= 6


async def test_while_the_model_is_away_an_extract_is_shown_and_then_the_models_summary() -> None:
    house = House(AbsentLLM())
    book_id = await house.shelve(NOVEL)
    summary = await house.summary(book_id)
    shown = await house.shown(book_id)
    assert (summary.status, shown["degraded"], shown["provider"]) == ("pending", True, "extractive")
    assert summary.error
    assert summary.error["code"] == "model_unavailable"
    house.staff(WatchfulLLM())
    await house.wait(minutes=10)
    summary, shown = await house.summary(book_id), await house.shown(book_id)
    assert (summary.status, summary.error, shown["degraded"]) == ("ready", None, False)


async def test_a_model_that_goes_away_in_the_middle_loses_nothing() -> None:
    answers = 0

    def fickle(request: CompletionRequest) -> Answer:
        nonlocal answers
        answers += 1
        return ModelUnavailable() if answers in (4, 9) else sensible(request)

    house = House(WatchfulLLM(fickle))
    book_id = await house.shelve(NOVEL)
    assert (await house.summary(book_id)).status == "pending"
    for _ in range(3):
        await house.wait(minutes=10)
    assert (await house.summary(book_id)).status == "ready"
    kept = len(house.catalog.shelf.nodes)
    assert kept == (await house.summary(book_id)).planned


@pytest.mark.parametrize("answer", ["Word.", "The same again. " * 30, "one json object " * 9])
async def test_a_degenerate_answer_is_retried_once_then_an_extract_stands_in(answer: str) -> None:
    def babbles(request: CompletionRequest) -> Answer:
        return {"summary": answer} if "part 2 " in str(request.messages) else sensible(request)

    house = House(WatchfulLLM(babbles))
    book_id = await house.shelve(NOVEL)
    broken = [r for r in house.requests if r.task == "summarise_passage" and "part 2 " in str(r)]
    passages = {block(request, "passage") for request in broken}
    assert len(broken) == 2 * len(passages) > 0
    assert {request.temperature for request in broken} == {0.2, 0.0}
    summary, shown = await house.summary(book_id), await house.shown(book_id)
    assert (summary.status, shown["degraded"]) == ("ready", True)
    nodes = [node for node, _ in house.catalog.shelf.nodes.values() if node.degraded]
    assert {node.provider for node in nodes} == {"extractive"}
    assert answer.strip() not in str(shown)


async def test_what_an_extract_stood_in_for_is_asked_again_when_asked_anew() -> None:
    house = House(WatchfulLLM(lambda _: ModelRefused()))
    book_id = await house.shelve(NOVEL)
    assert (await house.shown(book_id))["degraded"]
    house.staff(WatchfulLLM())
    await house.summaries.make_anew(house.owner, book_id)
    await house.work()
    summary, shown = await house.summary(book_id), await house.shown(book_id)
    assert (summary.status, shown["degraded"], shown["provider"]) == ("ready", False, "scripted")
    assert len(house.requests) == summary.done == summary.planned
    await house.summaries.make_anew(house.owner, book_id)
    await house.work()
    assert len(house.requests) == summary.planned


async def test_another_model_makes_another_summary_and_the_old_one_is_shown_meanwhile() -> None:
    house = House()
    book_id = await house.shelve(NOVEL)
    house.staff(AbsentLLM())
    await house.summaries.make_anew(house.owner, book_id)
    await house.work()
    assert (await house.shown(book_id))["model"] == "m-1"
    house.staff(WatchfulLLM(model="m-2"))
    await house.wait(minutes=10)
    assert (await house.shown(book_id))["model"] == "m-2"


async def test_a_new_prompt_grows_a_new_tree_and_the_old_summary_is_shown_meanwhile() -> None:
    house = House()
    book_id = await house.shelve(NOVEL)
    asked, old = len(house.requests), await house.shown(book_id)
    # What an earlier version of the prompts brought forth lies under other keys.
    shelf = house.catalog.shelf
    shelf.nodes = {f"{key}-earlier": kept for key, kept in shelf.nodes.items()}
    house.staff(AbsentLLM())
    await house.summaries.make_anew(house.owner, book_id)
    await house.work()
    assert await house.shown(book_id) == old
    house.staff(WatchfulLLM())
    await house.wait(minutes=10)
    assert len(house.requests) == asked == (await house.summary(book_id)).planned
    assert len(house.catalog.shelf.nodes) == 2 * asked


def test_the_key_of_an_answer_is_the_prompt_the_model_the_length_and_what_it_tells_of() -> None:
    keys = [
        node_key(prompt, model, words, inputs)
        for prompt in ("tell@1#a", "tell@2#b")
        for model in ("ollama:a", "ollama:b")
        for words in (100, 200)
        for inputs in (["One."], ["One.", "Two."], ["Two.", "One."])
    ]
    assert len(set(keys)) == len(keys)


async def test_the_number_of_questions_is_known_before_the_first_one() -> None:
    seen: list[tuple[str, int, int]] = []

    class Noting(MeddlingLLM):
        @override
        async def meddle(self) -> None:
            summary = await self.house.summary(self.book_id)
            seen.append((summary.status, summary.done, summary.planned))

    house, book_id = await meddled(Noting(at=1))
    await house.work()
    assert seen == [("running", 0, (await house.summary(book_id)).planned)]


async def test_a_stranger_neither_starts_nor_stops_a_summary() -> None:
    house = House()
    book_id = await house.shelve("Text.")
    with pytest.raises(NotYourBook):
        await house.summaries.make_anew(house.stranger, book_id)
    with pytest.raises(NotYourBook):
        await house.summaries.cancel(house.stranger, book_id)
    with pytest.raises(BookNotFound):
        await house.summary(new_id())


async def test_a_summary_that_is_ready_is_not_cancelled() -> None:
    house = House()
    book_id = await house.shelve("Text.")
    await house.summaries.cancel(house.owner, book_id)
    assert (await house.summary(book_id)).status == "ready"


async def test_without_a_model_nothing_is_generated_nor_shown_and_later_it_can_be() -> None:
    house = House(enabled=False)
    book_id = await house.shelve("Text about the sea.")
    assert house.requests == []
    assert (await house.see(book_id)).summary.status == "cancelled"
    summary = await house.summary(book_id)
    assert (summary.status, summary.presentation) == ("cancelled", None)
    for asking in (
        house.summaries.make_anew(house.owner, book_id),
        house.summaries.generate_for_book(house.owner, book_id),
        house.summaries.generate_for_text(house.owner, content="Text.", title="T"),
    ):
        with pytest.raises(GeneratedTextOff):
            await asking
    house._enabled = True
    house.staff(WatchfulLLM())
    await house.summaries.make_anew(house.owner, book_id)
    await house.work()
    assert (await house.summary(book_id)).status == "ready"


async def test_a_summary_that_was_stopped_is_started_by_who_may_change_the_book() -> None:
    house, book_id = await meddled(Cancelling(at=2))
    await house.work()
    with pytest.raises(NotYourBook):
        await house.summaries.generate_for_book(house.stranger, book_id)
    assert (await house.summaries.generate_for_book(house.owner, book_id)).job_id
    await house.work()
    assert (await house.summary(book_id)).status == "ready"
