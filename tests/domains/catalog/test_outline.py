"""How a book is cut, for every window and every shape of book."""

from collections.abc import Sequence
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.llm.extractive import ExtractiveLLM
from app.adapters.llm.tokens import TokenEstimate, estimate_tokens
from app.domains.catalog.model import ChapterText, Passage, Presentation
from app.domains.catalog.service.memory import NoMemory
from app.domains.catalog.service.outline import (
    Budget,
    Section,
    Stretch,
    clipped,
    estimated_tokens,
    groups_of,
    halves_of,
    sections_of,
    share_read,
)
from app.domains.catalog.service.reading import Reading, read_book
from app.domains.catalog.service.tree import SummaryTree, questions_for
from app.ports.llm import CompletionRequest
from app.shared.fencing import fenced_blocks, unmarked
from app.shared.words import WORD
from tests.domains.catalog.reading_house import WatchfulLLM

windows = st.one_of(
    st.integers(512, 640), st.integers(512, 2048), st.sampled_from([4096, 8192, 32_768, 131_072])
)
scripts = st.sampled_from(["lamp", "Маяк", "灯台守", "منارة", "😀", "ﬃ½", "a" * 90])
gaps = st.sampled_from([" ", ". ", "! ", "\n\n", " " * 40, "。", "\n" * 9, "\u2003"])
texts = st.lists(st.tuples(scripts, gaps, st.integers(1, 60)), max_size=12).map(
    lambda runs: "".join((word + gap) * times for word, gap, times in runs)
)
books = st.lists(texts, min_size=1, max_size=9)


def chapters_of(texts: list[str]) -> list[ChapterText]:
    chapters: list[ChapterText] = []
    start = 0
    for n, text in enumerate(f"{n}{text}" for n, text in enumerate(texts)):
        title = f"{'Chapter 章 ' * (n % 7 * 12)}{n}"
        chapters.append(ChapterText(n, title, start, start + len(text), None, text))
        start += len(text)
    return chapters


def reading_of(texts: list[str], window: int) -> Reading:
    chapters = chapters_of(texts)
    passages = {c.ordinal: Passage(c.ordinal, c.start, c.text) for c in chapters}
    return read_book(chapters, passages, Budget.for_window(window))


def passages_in(sections: Sequence[Section]) -> list[Stretch]:
    return [passage for section in sections for passage in section.passages]


@given(books, windows)
def test_passages_hold_each_visible_character_once_and_fit(texts: list[str], window: int) -> None:
    chapters, budget = chapters_of(texts), Budget.for_window(window)
    sections = sections_of(chapters, budget)
    passages = passages_in(sections)
    told = "".join("".join(passage.text for passage in passages).split())
    whole = "".join(c.text for c in chapters)
    assert told == "".join(whole.split())
    assert all(passage.text.strip() for passage in passages)
    assert share_read(chapters, sections) == 1.0
    assert share_read(chapters, sections[1:]) < 1.0 or not passages
    assert all(estimated_tokens(passage.text) <= budget.longest for passage in passages)
    for passage in passages:
        there = whole[passage.start : passage.end]
        assert "".join(there.split()) == "".join(passage.text.split())


@given(texts)
def test_halves_are_the_whole_and_each_is_smaller(text: str) -> None:
    stretch = Stretch(text, 100, 100 + len(text))
    halves = halves_of(stretch)
    assert "".join(half.text for half in halves).split() == text.split()
    assert (halves[0].start, halves[-1].end) == (stretch.start, stretch.end)
    if len("".join(text.split())) > 9:
        assert len(halves) == 2
        assert all(len(half.text) < len(text) for half in halves)


@given(st.integers(1, 20_000), windows)
def test_every_level_of_a_tree_is_smaller_than_the_one_below(count: int, window: int) -> None:
    budget = Budget.for_window(window)
    level = list(range(count))
    while len(level) > budget.book_fan_in:
        groups = groups_of(level, budget.fan_in)
        assert [item for group in groups for item in group] == level
        assert all(1 <= len(group) <= budget.fan_in for group in groups)
        assert len(groups) < len(level)
        level = list(range(len(groups)))


@given(books, windows)
@settings(max_examples=60, deadline=None)
async def test_every_prompt_fits_the_window_and_the_tree_ends_as_planned(
    texts: list[str], window: int
) -> None:
    llm = EndlessLLM(window)
    reading = reading_of(texts, window)
    presentation = await present(llm, reading)
    passages = [passage.text for passage in passages_in(reading.sections)]
    if len(set(passages)) == len(passages) and not presentation.degraded:
        assert len(llm.requests) == questions_for(reading, llm, ExtractiveLLM())
    for request in llm.requests:
        assert TokenEstimate().of(request.messages) + request.max_output_tokens <= window


class EndlessLLM(WatchfulLLM):
    """Gives the longest answers that are not refused, another one for each question, out of
    what it was told."""

    def __init__(self, window: int) -> None:
        super().__init__(self.endless, context=window)

    def endless(self, request: CompletionRequest) -> dict[str, object]:
        question = request.messages[-1].content
        words = int(question.rsplit("at most", 1)[-1].split()[0])
        material = " ".join(text for _, text in fenced_blocks(question)[1:])
        told = WORD.findall(material) or ["x"]
        salt = crc32(unmarked(question).encode())
        summary = " ".join(f"灯{told[(salt + n) % len(told)]}" for n in range(words)) + "."
        if request.task != "introduce_book":
            return {"summary": summary}
        lists: dict[str, object] = {"themes": [], "characters": [], "content_warnings": []}
        return {"hook": "Why?", "blurb": summary, **lists}


async def present(llm: WatchfulLLM, reading: Reading) -> Presentation:
    tree = SummaryTree(
        reading,
        title="Der Leuchtturm " * 30,
        author="灯台守" * 100,
        llm=llm,
        stand_in=ExtractiveLLM(),
        memory=NoMemory(),
        at_once=8,
    )
    return (await tree.present())[0]


@given(st.integers(512, 1_000_000))
def test_a_budget_leaves_room_for_two_summaries_and_shrinks_what_it_joins(window: int) -> None:
    budget = Budget.for_window(window)
    assert min(budget.fan_in, budget.book_fan_in) >= 2
    assert budget.part >= budget.tokens >= 52
    assert budget.passage > 2 * budget.tokens
    assert budget.words >= 20
    assert budget.evidence >= 0


@given(texts)
def test_the_estimate_is_no_lower_than_the_adapters(text: str) -> None:
    assert estimated_tokens(text) >= estimate_tokens(text) - 1


@given(texts, st.integers(0, 200))
def test_what_is_clipped_fits(text: str, tokens: int) -> None:
    cut = clipped(text, tokens)
    assert text.startswith(cut)
    assert estimated_tokens(cut) <= tokens


def test_passages_are_of_about_equal_size_and_end_with_sentences() -> None:
    text = " ".join(f"Sentence number {n} is about as long as the others." for n in range(400))
    chapter = ChapterText(0, "Sentences", 0, len(text), None, text)
    passages = passages_in(sections_of([chapter], Budget.for_window(2048)))
    sizes = [estimated_tokens(passage.text) for passage in passages]
    assert len(sizes) == 6
    assert min(sizes) > 0.7 * max(sizes)
    assert all(passage.text.endswith(".") for passage in passages)


@pytest.mark.parametrize(
    ("words", "passages"), [(700, 1), (3000, 1), (4200, 1), (4600, 2), (7000, 2), (9000, 3)]
)
def test_a_chapter_that_nearly_fits_is_one_passage(words: int, passages: int) -> None:
    text = " ".join("The long road goes down to the sea again." for _ in range(words // 9))
    chapter = ChapterText(0, "Road", 0, len(text), None, text)
    assert len(passages_in(sections_of([chapter], Budget.for_window(8192)))) == passages


def test_short_chapters_are_bundled_and_long_ones_stand_alone() -> None:
    short = [ChapterText(n, f"Letter {n}", 0, 9, None, "Dear sister. " * 9) for n in range(6)]
    long = ChapterText(6, "Chapter", 0, 9, None, "It was a long day. " * 1300)
    sections = sections_of([*short, long], Budget.for_window(8192))
    assert len(sections) < 4
    assert sections[0].title.startswith("Letter 0 – Letter")
    assert (sections[-1].title, len(sections[-1].passages)) == ("Chapter", 2)
