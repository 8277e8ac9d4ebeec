"""Reading what a file says."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.domains.catalog.service.passages import passages_of_document
from app.ports.text import Chapter, Document
from tests.domains.catalog.reading_house import House, a_novel


async def test_a_book_is_read_with_its_chapters_and_words() -> None:
    house = House()
    text = a_novel(chapters=3)
    book_id = await house.shelve(text)
    book = await house.book(book_id)
    assert (book.ingestion.status, book.words, book.language) == ("ready", len(text.split()), "en")
    async with house.catalog.begin() as work:
        chapters = await work.texts.chapters(book_id)
    assert [c.title for c in chapters] == ["CHAPTER 1", "CHAPTER 2", "CHAPTER 3"]
    assert "".join(c.text for c in chapters) == text


async def test_a_file_that_cannot_be_read_leaves_the_book_and_says_why() -> None:
    house = House()
    book_id = await house.shelve("\r\n \r\n")
    view = await house.see(book_id)
    error = view.book.ingestion
    assert (error.status, error.error_code) == ("failed", "no_text")
    assert error.error_detail == "There is no text in the file."
    assert view.summary.status == "failed"
    assert [stored.report.status for stored in house.board.stored] == ["ready"]


async def test_a_better_file_heals_a_book_that_could_not_be_read() -> None:
    house = House()
    book_id = await house.shelve(" \n ")
    file = await house.receive("Now there is something to read.")
    await house.shelving.replace_content(house.owner, book_id, file)
    await house.work()
    view = await house.see(book_id)
    assert (view.book.ingestion.status, view.book.ingestion.error_code) == ("ready", None)
    assert view.summary.status == "ready"


async def test_a_file_that_was_lost_is_said_to_be_lost() -> None:
    house = House()
    book_id = await house.bring("Text.")
    house.storage.objects.clear()
    await house.work()
    assert (await house.book(book_id)).ingestion.error_code == "object_missing"


async def test_while_the_storage_is_away_the_reading_waits() -> None:
    house = House()
    book_id = await house.bring("Text.")
    house.storage.down = True
    await house.work()
    assert (await house.book(book_id)).ingestion.status == "running"
    house.storage.down = False
    await house.wait(minutes=10)
    assert (await house.book(book_id)).ingestion.status == "ready"


async def test_the_text_of_a_file_that_was_replaced_meanwhile_is_not_kept() -> None:
    house = House()
    book_id = await house.bring("The old text.")
    file = await house.receive("The new one is longer.")

    async def replace() -> None:
        house.extractor.meanwhile = None
        await house.shelving.replace_content(house.owner, book_id, file)

    house.extractor.meanwhile = replace
    await house.work()
    assert (await house.book(book_id)).words == 5
    assert house.board.stored[0].report.result == {"words": 3, "chapters": 1, "kept": False}


async def test_a_withdrawn_book_is_not_read() -> None:
    house = House()
    book_id = await house.bring("Text.")
    await house.shelving.withdraw(house.owner, book_id)
    await house.work()
    assert house.board.stored[0].report.result == {"skipped": True}


texts = st.text(alphabet=st.sampled_from("ab .!\n灯。"), max_size=9000)


@given(texts, st.lists(st.integers(0, 9000), max_size=5))
def test_the_kept_passages_are_the_whole_text(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    chapters = tuple(Chapter(str(a), a, b) for a, b in pairwise(places))
    passages = passages_of_document(Document(text, chapters, 0, None))
    assert "".join(passage.text for passage in passages) == text
    assert all(len(passage.text) <= 3200 for passage in passages)
    for passage in passages:
        assert text.startswith(passage.text, passage.start)
        assert passage.start >= chapters[passage.chapter].start
