"""What bears out each sentence readers are told."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from app.adapters.llm.extractive import ExtractiveLLM
from app.domains.catalog.model import Passage
from app.domains.catalog.service.answers import evidence_for
from app.domains.catalog.service.citing import CitedEvidence, CitedSentence
from app.domains.catalog.service.passages import passages_of_text
from app.domains.catalog.service.provenance import Grounds, quoted
from app.domains.catalog.service.telling import abridged
from app.ports.llm import CompletionRequest
from tests.domains.catalog.reading_house import House, WatchfulLLM, a_novel, sensible
from tests.fakes.llm import AbsentLLM

NOVEL = a_novel()
TALE = (
    "The storm tore the door from its hinges. Martha Hale carried the lamp to the shore.\n\n"
    "In the morning, 3 ships lay at anchor. The captain of the Aurora thanked her."
)


def all_of(evidence: CitedEvidence) -> list[CitedSentence]:
    parts = [evidence.summary, evidence.hook, evidence.blurb, *evidence.chapters]
    return [sentence for part in parts for sentence in part]


async def evidence_in(house: House, text: str) -> CitedEvidence:
    book_id = await house.shelve(text)
    evidence = (await house.summaries.show(book_id, evidence=True)).evidence
    assert evidence
    return evidence


async def test_every_sentence_of_a_model_is_borne_out_by_the_text_that_is_kept() -> None:
    evidence = await evidence_in(House(), NOVEL)
    for sentence in all_of(evidence):
        assert sentence.support, sentence
        assert all(quote.text == NOVEL[quote.start : quote.end] for quote in sentence.support)
        assert not sentence.unfounded


class NotingThreads(ThreadPoolExecutor):
    """Counts what `asyncio.to_thread` has run in them."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: Counter[object] = Counter()

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        self.ran.update(getattr(fn, "args", ())[:1])
        return super().submit(fn, *args, **named)


async def test_each_passage_is_searched_once_for_what_bears_it_out() -> None:
    threads = NotingThreads()
    asyncio.get_running_loop().set_default_executor(threads)
    house = House(ExtractiveLLM())
    summary = await house.summary(await house.shelve(NOVEL))
    # Two questions are about the book, all others about a passage.
    assert threads.ran[evidence_for] == summary.planned - 2 > 3


async def test_a_hook_with_a_name_the_book_does_not_have_is_not_shown() -> None:
    def say(request: CompletionRequest) -> dict[str, Any]:
        answer = sensible(request)
        return {**answer, "hook": "What did Zebulon Quark want?"} if "hook" in answer else answer

    house = House(WatchfulLLM(say))
    shown = await house.shown(await house.shelve(NOVEL))
    assert shown["hook"]
    assert "Zebulon" not in shown["hook"]


async def test_a_chapter_is_borne_out_by_itself() -> None:
    evidence = await evidence_in(House(), NOVEL)
    for number, chapter in enumerate(evidence.chapters, start=1):
        assert {q.chapter for s in chapter for q in s.support} == {f"CHAPTER {number}"}


async def test_an_extract_is_borne_out_by_its_own_sentences() -> None:
    evidence = await evidence_in(House(AbsentLLM()), NOVEL)
    for sentence in evidence.summary:
        assert sentence.supported
        best = sentence.support[0]
        assert best.text.split() == sentence.text.split()


async def test_any_text_at_all_is_borne_out_somewhere() -> None:
    for text in ("* * *", "😀", "1 2 3", "…", "灯台守は寝た。", "It rained."):
        for sentence in all_of(await evidence_in(House(AbsentLLM()), text)):
            assert [quote.text for quote in sentence.support], text


async def test_without_a_model_no_evidence_is_shown_either() -> None:
    house = House()
    book_id = await house.shelve(TALE)
    house._enabled = False
    house.staff(WatchfulLLM())
    told = await house.summaries.show(book_id, evidence=True)
    assert (told.summary.presentation, told.evidence) == (None, None)


def grounds_of(text: str) -> Grounds:
    return Grounds(dict(enumerate(passages_of_text(text))))


def test_a_name_and_a_number_that_are_not_in_the_book_are_found_out() -> None:
    grounds = grounds_of(TALE)
    true = "Martha Hale carries a lamp through the storm."
    for lie in ("Gustav Mahler helps her with the lamp.", "Later 17 ships lay at anchor."):
        assert grounds.founded(f"{true} {lie}").text == true
        (traced,) = grounds.traced(lie)
        assert traced.unfounded
    assert grounds.has_name("Martha Hale")
    assert not grounds.has_name("Gustav Mahler")


def test_the_sentence_that_says_it_is_quoted_and_not_its_passage() -> None:
    start = TALE.index("Martha")
    quote = quoted("A woman named Martha brings a lamp.", 0, Passage(0, 100, TALE))
    assert (quote.passage, quote.start - 100) == (0, start)
    assert TALE[quote.start - 100 : quote.end - 100].endswith("to the shore.")


@given(st.text(max_size=400), st.text(min_size=1, max_size=100))
@settings(max_examples=60, deadline=None)
def test_a_quote_lies_in_its_passage(passage: str, said: str) -> None:
    quote = quoted(said, 3, Passage(0, 50, passage))
    assert 50 <= quote.start <= quote.end <= 50 + len(passage)


def test_long_chapters_are_told_in_the_first_sentences_of_each_passage() -> None:
    short = ["One is short.", "Two is short too."]
    assert abridged(short, 20) == short
    long = ["First of all. Then much more follows here.", "Second of all. Then much more."]
    assert abridged(long, 6) == ["First of all.", "Second of all."]
    assert abridged(["A single sentence that is too long by far."], 3)[0].startswith("A single")
