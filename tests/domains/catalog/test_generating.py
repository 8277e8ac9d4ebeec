"""Summaries asked for: of a text, or of a book by whoever wants to read it."""

from datetime import timedelta

import pytest

from app.domains.catalog.errors import (
    SummaryNotPossible,
)
from tests.domains.catalog.reading_house import (
    House,
    WatchfulLLM,
    a_novel,
)
from tests.fakes.llm import AbsentLLM

NOVEL = a_novel()


async def test_a_short_text_is_summarised_at_once() -> None:
    house = House()
    made = await house.summaries.generate_for_text(house.owner, content="A tale.", title="T")
    assert made.presentation
    assert "A tale" in made.presentation["summary"]
    assert house.storage.objects == {}


async def test_without_a_model_a_short_text_gets_an_extract() -> None:
    house = House(AbsentLLM())
    made = await house.summaries.generate_for_text(
        house.owner, content="The keeper lit the lamp. It rained.", title="T"
    )
    assert made.presentation
    assert (made.presentation["degraded"], made.presentation["provider"]) == (True, "extractive")


async def test_a_long_text_is_summarised_by_a_job() -> None:
    house = House()
    made = await house.summaries.generate_for_text(house.owner, content=NOVEL, title="T")
    assert made.job_id
    await house.work()
    report = await house.report(made.job_id)
    assert (report.status, report.done, report.owner_id) == (
        "ready",
        report.planned,
        house.owner.id,
    )
    assert report.planned == len(house.requests)
    assert report.result
    assert report.result["source"]["degraded"] is False
    await house.ingestion.schedule_sweep()
    await house.wait(hours=25)
    assert house.storage.objects == {}


async def test_a_text_is_kept_until_its_turn_in_a_long_line() -> None:
    house = House()
    made = await house.summaries.generate_for_text(house.owner, content=NOVEL, title="T")
    assert made.job_id
    house.clock.advance(timedelta(hours=30))
    await house.ingestion.sweep()
    await house.work()
    report = await house.report(made.job_id)
    assert (report.status, report.result and "summary" in report.result) == ("ready", True)


async def test_a_text_that_waits_for_its_model_is_not_swept() -> None:
    house = House(AbsentLLM())
    made = await house.summaries.generate_for_text(house.owner, content=NOVEL, title="T")
    assert made.job_id
    await house.ingestion.schedule_sweep()
    for _ in range(10):
        await house.wait(hours=7)
    house.staff(WatchfulLLM())
    await house.wait(hours=1)
    report = await house.report(made.job_id)
    assert (report.status, report.result and "summary" in report.result) == ("ready", True)


async def test_who_asks_for_the_summary_of_a_book_gets_it_or_a_job_of_their_own() -> None:
    house = House()
    book_id = await house.bring(NOVEL)
    made = await house.summaries.generate_for_book(house.stranger, book_id)
    assert made.job_id
    await house.wait(minutes=1)
    report = await house.report(made.job_id)
    assert (report.status, report.owner_id) == ("ready", house.stranger.id)
    assert report.result
    assert report.result["summary"] == (await house.shown(book_id))["summary"]
    again = await house.summaries.generate_for_book(house.stranger, book_id)
    assert again.presentation == await house.shown(book_id)


async def test_a_file_that_cannot_be_read_has_no_summary() -> None:
    house = House()
    book_id = await house.shelve(" \n")
    summary = await house.summary(book_id)
    assert (summary.status, summary.error and summary.error["code"]) == ("failed", "no_text")
    with pytest.raises(SummaryNotPossible):
        await house.summaries.make_anew(house.owner, book_id)
    with pytest.raises(SummaryNotPossible):
        await house.summaries.generate_for_book(house.owner, book_id)
