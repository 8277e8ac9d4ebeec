"""How a book is cut, for every window and every shape of book."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.llm.extractive import ExtractiveLLM
from app.adapters.llm.tokens import TokenEstimate, estimate_tokens
from app.domains.catalog.model import ChapterText, Presentation
from app.domains.catalog.service.memory import NoMemory
from app.domains.catalog.service.outline import (
    Budget,
    Section,
    clipped,
    estimated_tokens,
    passages_of,
    questions_for,
    sections_of,
    share_read,
)
from app.domains.catalog.service.tree import SummaryTree
from app.ports.llm import CompletionRequest
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
    return [
        ChapterText(n, f"{'Chapter 章 ' * (n % 7 * 12)}{n}", 0, len(text), None, f"{n}{text}")
        for n, text in enumerate(texts)
    ]


@given(books, windows)
def test_passages_hold_each_visible_character_once_and_fit(texts: list[str], window: int) -> None:
    chapters, budget = chapters_of(texts), Budget.for_window(window)
    sections = sections_of(chapters, budget)
    passages = [passage for section in sections for passage in section.passages]
    told = "".join("".join(passages).split())
    assert told == "".join("".join(c.text for c in chapters).split())
    assert all(passage.strip() for passage in passages)
    assert share_read(chapters, sections) == 1.0
    assert share_read(chapters, sections[1:]) < 1.0 or not passages
    assert all(estimated_tokens(passage) <= budget.passage for passage in passages)


@given(books, windows)
@settings(max_examples=60, deadline=None)
async def test_every_prompt_fits_the_window_and_the_tree_ends_as_planned(
    texts: list[str], window: int
) -> None:
    llm = WatchfulLLM(endless, context=window)
    sections = sections_of(chapters_of(texts), Budget.for_window(window))
    presentation = await present(llm, sections)
    planned = questions_for(sections, Budget.for_window(window).fan_in)
    passages = [passage for section in sections for passage in section.passages]
    twice = len(passages) - len(set(passages))
    assert len(llm.requests) == planned if not twice else len(llm.requests) < planned
    for request in llm.requests:
        assert TokenEstimate().of(request.messages) + request.max_output_tokens <= window
    assert not presentation.degraded


def endless(request: CompletionRequest) -> dict[str, object]:
    """The longest answer that is not refused, another one for each question."""
    words = int(request.messages[-1].content.split()[-2])
    salt = abs(hash(request.messages[-1].content))
    summary = " ".join(f"灯{salt + n}x" for n in range(words)) + "."
    rest = {"hook": "Why?", "themes": [], "characters": []}
    return {"summary": summary, **(rest if request.task == "present_book" else {})}


async def present(llm: WatchfulLLM, sections: list[Section]) -> Presentation:
    tree = SummaryTree(
        title="Der Leuchtturm " * 30,
        author="灯台守" * 100,
        llm=llm,
        stand_in=ExtractiveLLM(),
        memory=NoMemory(),
        at_once=8,
    )
    return await tree.present(sections, coverage=1.0)


@given(st.integers(512, 1_000_000))
def test_a_budget_leaves_room_for_two_summaries_and_shrinks_what_it_joins(window: int) -> None:
    budget = Budget.for_window(window)
    assert budget.fan_in >= 2
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
    passages = passages_of(text, 1500)
    sizes = [estimated_tokens(passage) for passage in passages]
    assert len(sizes) == 5
    assert min(sizes) > 0.7 * max(sizes)
    assert all(passage.endswith(".") for passage in passages)


def test_short_chapters_are_bundled_and_long_ones_stand_alone() -> None:
    short = [ChapterText(n, f"Letter {n}", 0, 9, None, "Dear sister. " * 9) for n in range(6)]
    long = ChapterText(6, "Chapter", 0, 9, None, "It was a long day. " * 900)
    sections = sections_of([*short, long], Budget.for_window(8192))
    assert len(sections) < 4
    assert sections[0].title.startswith("Letter 0 – Letter")
    assert (sections[-1].title, len(sections[-1].passages)) == ("Chapter", 2)
