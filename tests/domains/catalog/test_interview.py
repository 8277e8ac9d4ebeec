"""What happens with answers that cannot be shown, and with passages that do not fit."""

from collections import Counter
from typing import Any

import pytest

from app.ports.llm import CompletionRequest, ContextOverflow, StructureBroken
from app.shared.sentences import sentences
from tests.domains.catalog.reading_house import (
    Answer,
    House,
    WatchfulLLM,
    a_novel,
    block,
    sensible,
)

NOVEL = a_novel()


def longer_than(characters: int, failure: Answer) -> WatchfulLLM:
    """A model that cannot do with passages of more characters."""

    def say(request: CompletionRequest) -> Answer:
        passage = request.task == "summarise_passage" and block(request, "passage")
        return failure if passage and len(passage) > characters else sensible(request)

    return WatchfulLLM(say)


def inventing(lie: str) -> WatchfulLLM:
    """A model that adds a sentence to whatever it tells."""

    def say(request: CompletionRequest) -> Answer:
        answer = sensible(request)
        member = "blurb" if request.task == "introduce_book" else "summary"
        return {**answer, member: f"{answer[member]} {lie}"}

    return WatchfulLLM(say)


@pytest.mark.parametrize(
    ("failure", "asked_whole"),
    [(ContextOverflow(), 1), (StructureBroken(), 1), ({"summary": "Word."}, 2)],
)
async def test_a_passage_the_model_cannot_do_is_asked_in_halves(
    failure: Answer, asked_whole: int
) -> None:
    house = House(longer_than(8_000, failure))
    book_id = await house.shelve(NOVEL)
    passages = [block(r, "passage") for r in house.requests if r.task == "summarise_passage"]
    whole = Counter(passage for passage in passages if len(passage) > 8_000)
    halves = [passage for passage in passages if len(passage) <= 8_000]
    assert set(whole.values()) == {asked_whole}
    assert len(halves) == 2 * len(whole) > 8
    assert all(any(half in passage for passage in whole) for half in halves)
    summary, shown = await house.summary(book_id), await house.shown(book_id)
    assert (summary.status, summary.done, shown["degraded"]) == ("ready", summary.planned, False)
    asked = len(house.requests)
    await house.summaries.make_anew(house.owner, book_id)
    await house.work()
    assert len(house.requests) == asked


async def test_a_passage_that_does_not_fit_is_cut_until_it_does() -> None:
    house = House(longer_than(3_500, ContextOverflow()))
    book_id = await house.shelve(NOVEL)
    answered = [n for n, _ in house.catalog.shelf.nodes.values() if n.kind == "half"]
    assert len(answered) >= 4 * 3
    assert not (await house.shown(book_id))["degraded"]


async def test_cutting_ends_with_an_extract() -> None:
    house = House(longer_than(1, ContextOverflow()))
    book_id = await house.shelve("The keeper lit the lamp. It rained on the rock. Nobody came.")
    summary, shown = await house.summary(book_id), await house.shown(book_id)
    assert (summary.status, shown["degraded"], shown["coverage"]) == ("ready", True, 1.0)
    assert len(house.requests) < 40


async def test_a_first_half_is_not_asked_again_when_the_second_finds_nobody() -> None:
    house = House(longer_than(8_000, ContextOverflow()))
    book_id = await house.shelve(NOVEL)
    kept = house.catalog.shelf.nodes
    for key in [key for key, (node, _) in kept.items() if node.kind == "passage"]:
        del kept[key]
    before = len(house.requests)
    await house.summaries.make_anew(house.owner, book_id)
    await house.work()
    asked = [block(r, "passage") for r in house.requests[before:] if r.task == "summarise_passage"]
    assert asked
    assert all(len(passage) > 8_000 for passage in asked)


async def test_parts_that_do_not_fit_are_told_in_less() -> None:
    def say(request: CompletionRequest) -> Answer:
        whole = request.task != "summarise_passage" and block(request, "evidence")
        return ContextOverflow() if whole else sensible(request)

    house = House(WatchfulLLM(say))
    book_id = await house.shelve(NOVEL)
    assert not (await house.shown(book_id))["degraded"]


@pytest.mark.parametrize(
    "lie",
    [
        "Then Bartholomew Quux arrives.",
        "The year is 1851.",
        "Később a gyerekek hazamennek.",
    ],
)
async def test_a_sentence_the_book_knows_nothing_of_is_removed(lie: str) -> None:
    house = House(inventing(lie))
    book_id = await house.shelve(NOVEL)
    summary, shown = await house.summary(book_id), await house.shown(book_id)
    assert (len(house.requests), shown["degraded"]) == (summary.planned, False)
    assert lie not in str(shown)
    evidence = (await house.summaries.show(book_id, evidence=True)).evidence
    assert evidence
    assert list(evidence.removed) == [lie]


async def test_what_is_nothing_but_invented_is_asked_again_and_then_replaced() -> None:
    def say(request: CompletionRequest) -> Answer:
        told = "Bartholomew Quux arrives in the year 1851 and buys the whole island of Zog."
        return {"summary": told} if request.task == "merge_summaries" else sensible(request)

    house = House(WatchfulLLM(say))
    book_id = await house.shelve(NOVEL)
    merges = [r for r in house.requests if r.task == "merge_summaries"]
    assert {r.temperature for r in merges} == {0.2, 0.0}
    assert (await house.shown(book_id))["degraded"]
    assert "Quux" not in str(await house.shown(book_id))


async def test_the_second_time_less_is_asked_for() -> None:
    house = House(WatchfulLLM(lambda _: {"summary": "Word."}))
    await house.shelve("The keeper lit the lamp. It rained on the rock. " * 9)
    words = [
        int(r.messages[-1].content.rsplit("at most", 1)[-1].split()[0]) for r in house.requests
    ]
    assert words[1] < words[0]


async def test_a_hook_that_invents_gives_way_to_the_blurb() -> None:
    def say(request: CompletionRequest) -> Answer:
        answer: dict[str, Any] = sensible(request)
        if request.task == "introduce_book":
            answer |= {"hook": "Will Bartholomew Quux return?", "characters": ["Quux", "Zog", ""]}
        return answer

    house = House(WatchfulLLM(say))
    book_id = await house.shelve(NOVEL)
    shown = await house.shown(book_id)
    assert shown["hook"] == sentences(shown["blurb"])[0]
    assert shown["characters"] == []
