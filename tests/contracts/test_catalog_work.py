"""What every store of books, texts and summaries promises."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.adapters.postgres.catalog import SqlCatalogWork
from app.domains.accounts.model import User
from app.domains.catalog.errors import BookNotFound, BookOnLoan, DuplicateContent
from app.domains.catalog.jobs import ReadFile
from app.domains.catalog.model import (
    Book,
    BookQuery,
    Content,
    Ingestion,
    Passage,
    Summary,
    SummaryNode,
)
from app.domains.catalog.ports import CatalogWork
from app.ports.text import Chapter
from app.shared.ids import new_id
from app.shared.pages import InvalidCursor, Page, PageRequest, cursor_for
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.fakes.catalog import InMemoryCatalog, folded
from tests.fakes.clock import FrozenClock
from tests.fakes.lending import a_reader

NOW = FrozenClock().now()
LATER = NOW + timedelta(days=1)


@dataclass
class Room:
    begin: Callable[[], CatalogWork]
    store: SqlShelf | InMemoryCatalog

    async def add_reader(self) -> User:
        memory = isinstance(self.store, InMemoryCatalog)
        return a_reader() if memory else await self.store.add_reader()  # type: ignore[union-attr]

    async def add(self, title: str = "Emma", **said: Any) -> Book:
        book = a_book(title, **said)
        async with self.begin() as work:
            await work.books.add(book)
            await work.books.stock(book.id, book.copies)
        return book

    async def lend(self, book: Book, copy: int = 1) -> User:
        reader = await self.add_reader()
        if isinstance(self.store, InMemoryCatalog):
            self.store.shelf.loans[book.id, copy] = reader.id
        else:
            await self.store.rows(
                "INSERT INTO loans (id, book_id, user_id, copy_number, borrowed_at, due_at,"
                " renewals) VALUES (:id, :book, :user, :copy, now(), now(), 0) RETURNING id",
                id=new_id(), book=book.id, user=reader.id, copy=copy,
            )  # fmt: skip
        return reader

    async def search(
        self, *, limit: int = 20, cursor: str | None = None, **query: Any
    ) -> Page[Any]:
        async with self.begin() as work:
            return await work.books.search(BookQuery(**query), PageRequest(limit, cursor))

    async def facets(self, **query: Any) -> dict[str, list[tuple[str, int]]]:
        """Values as they are compared, since any of their spellings may be shown."""
        async with self.begin() as work:
            found = await work.books.facets(BookQuery(**query))
        assert not found.estimated
        return {
            name: [(folded(each.value), each.count) for each in values]
            for name, values in found.values.items()
        }

    async def titles(self, **query: Any) -> list[str]:
        return [view.book.title for view in (await self.search(**query)).items]

    async def count_jobs(self) -> int:
        if isinstance(self.store, InMemoryCatalog):
            return len(self.store.board.jobs)
        return len(await self.store.rows("SELECT id FROM procrastinate_jobs"))


@pytest.fixture(params=["memory", "postgres"])
async def room(request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    if request.param == "memory":
        catalog = InMemoryCatalog()
        yield Room(catalog.begin, catalog)
        return
    async with opened_shelf(request.getfixturevalue("database_url")) as shelf:
        yield Room(lambda: SqlCatalogWork(shelf.sessions), shelf)


def a_book(title: str = "Emma", **said: Any) -> Book:
    book_id = new_id()
    known: dict[str, Any] = {
        "title": title,
        "author": "Jane Austen",
        "genres": [],
        "year_published": None,
        "isbn": None,
        "language": None,
        "tags": [],
        "description": None,
        "copies": 1,
        "created_at": NOW,
    }
    return Book(
        id=book_id,
        added_by=None,
        updated_at=NOW,
        version=1,
        content=Content(f"books/{book_id}", "text/plain", 9, book_id.hex, "emma.txt"),
        ingestion=Ingestion(),
        **{**known, **said},
    )


def a_node(key: str, *, degraded: bool = False, summary: str = "She errs.") -> SummaryNode:
    return SummaryNode(key, "passage", {"summary": summary}, degraded, "m", "1", "p@1#0", 9, 3)


async def test_a_book_comes_back_as_it_was_added(room: Room) -> None:
    said: dict[str, Any] = {
        "genres": ["Novel"],
        "year_published": 1815,
        "isbn": "9780306406157",
        "copies": 2,
    }
    told: dict[str, Any] = {
        "language": "en",
        "tags": ["regency"],
        "description": "Clever and rich.",
    }
    added = await room.add(**said, **told)
    async with room.begin() as work:
        found = await work.books.get(added.id)
    assert {n: getattr(found, n) for n in (*said, *told)} == {**said, **told}
    assert (found.content, found.ingestion, found.version) == (added.content, Ingestion(), 1)
    assert (found.notes, found.unsaid, found.words) == ([], [], None)


async def test_what_is_changed_on_a_book_is_kept(room: Room) -> None:
    book = await room.add()
    async with room.begin() as work:
        found = await work.books.get(book.id, for_change=True)
        found.describe({"title": "Persuasion"}, LATER)
        found.ingestion = Ingestion("failed", 0, 1, "corrupt", "It is torn.")
    async with room.begin() as work:
        again = await work.books.get(book.id)
    assert (again.title, again.version, again.updated_at) == ("Persuasion", 2, LATER)
    assert again.ingestion == Ingestion("failed", 0, 1, "corrupt", "It is torn.")


async def test_nothing_is_kept_of_a_work_that_fails(room: Room) -> None:
    book = a_book()

    async def add_and_fail() -> None:
        async with room.begin() as work:
            await work.books.add(book)
            await work.files.announce("books/x", NOW)
            await work.jobs.enqueue(ReadFile(book.id))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add_and_fail()
    async with room.begin() as work:
        assert await work.files.announced_before(LATER) == []
        with pytest.raises(BookNotFound):
            await work.books.get(book.id)
    assert await room.count_jobs() == 0


async def test_a_job_is_there_with_its_book(room: Room) -> None:
    book = a_book()
    async with room.begin() as work:
        await work.books.add(book)
        await work.jobs.enqueue(ReadFile(book.id))
    assert await room.count_jobs() == 1


async def test_the_same_bytes_are_kept_once(room: Room) -> None:
    first = await room.add()
    second = a_book("Another")
    second.content = replace(second.content, sha256=first.content.sha256)
    with pytest.raises(DuplicateContent):
        async with room.begin() as work:
            await work.books.add(second)
    async with room.begin() as work:
        assert await work.books.having_content(first.content.sha256) == first.id
        assert await work.books.having_content("other") is None


async def test_a_book_that_is_not_there_is_not_found(room: Room) -> None:
    async with room.begin() as work:
        with pytest.raises(BookNotFound):
            await work.books.get(new_id(), for_change=True)
        with pytest.raises(BookNotFound):
            await work.books.view(new_id())
        assert await work.books.views([new_id()]) == {}


async def test_copies_come_and_go_unless_they_are_out(room: Room) -> None:
    book = await room.add(copies=3)
    await room.lend(book, copy=2)
    await _restock(room, book, 5)
    await _restock(room, book, 2)
    with pytest.raises(BookOnLoan):
        await _restock(room, book, 1)
    async with room.begin() as work:
        view = await work.books.view(book.id)
    assert (view.book.copies, view.available) == (2, 1)


async def _restock(room: Room, book: Book, copies: int) -> None:
    async with room.begin() as work:
        found = await work.books.get(book.id, for_change=True)
        found.copies = copies
        await work.books.stock(book.id, copies)


async def test_a_book_on_loan_is_not_removed(room: Room) -> None:
    lent, free = await room.add(), await room.add("Other")
    reader = await room.lend(lent)
    for book in (lent, free):
        async with room.begin() as work:
            assert await work.books.is_on_loan_to(book.id, reader.id) is (book is lent)
    await _remove(room, free)
    with pytest.raises(BookOnLoan):
        await _remove(room, lent)
    assert await room.titles() == ["Emma"]


async def _remove(room: Room, book: Book) -> None:
    async with room.begin() as work:
        await work.books.remove(await work.books.get(book.id, for_change=True))


async def test_a_removed_book_takes_all_that_hangs_on_it_along(room: Room) -> None:
    book = await room.add()
    async with room.begin() as work:
        await work.texts.keep(book.id, [Chapter("One", 0, 3)], [Passage(0, 0, "One")])
        await work.summaries.add(Summary.pending(book.id, new_id(), NOW))
        await work.nodes.keep(a_node("k"), NOW)
        await work.nodes.use(book.id, ["k"])
    async with room.begin() as work:
        await work.summaries.keep_evidence(book.id, {"summary": []})
    await _remove(room, book)
    async with room.begin() as work:
        assert list(await work.texts.chapters(book.id)) == []
        assert await work.texts.passages(book.id) == {}
        assert await work.summaries.evidence(book.id) is None
        assert await work.summaries.find(book.id) is None
        assert await work.nodes.sweep(LATER, 9) == 1


async def test_the_text_of_a_book_comes_back_by_chapter(room: Room) -> None:
    book = await room.add()
    old = [Chapter("Old", 0, 3)], [Passage(0, 0, "Old")]
    new = (
        [Chapter("One", 0, 8), Chapter("Void", 8, 8), Chapter("Two", 8, 12, page=4)],
        [Passage(0, 0, "It was "), Passage(0, 7, "a"), Passage(2, 8, "day.")],
    )
    for chapters, passages in (old, new):
        async with room.begin() as work:
            await work.texts.keep(book.id, chapters, passages)
    async with room.begin() as work:
        found = await work.texts.chapters(book.id)
        await work.texts.forget(book.id)
        assert list(await work.texts.chapters(book.id)) == []
    assert [(c.ordinal, c.title, c.text) for c in found] == [
        (0, "One", "It was a"), (1, "Void", ""), (2, "Two", "day."),
    ]  # fmt: skip
    assert (found[2].start, found[2].end, found[2].page) == (8, 12, 4)


async def test_passages_come_back_by_number(room: Room) -> None:
    book, other = await room.add(), await room.add("Other")
    kept = [Passage(0, 0, "It was "), Passage(0, 7, "a"), Passage(1, 8, "day.")]
    async with room.begin() as work:
        for each in (book, other):
            await work.texts.keep(each.id, [Chapter("One", 0, 8), Chapter("Two", 8, 12)], kept)
    async with room.begin() as work:
        assert list(await work.texts.titles(book.id)) == ["One", "Two"]
        assert await work.texts.passages(book.id) == dict(enumerate(kept))
        assert list(await work.texts.passages(book.id, [2, 0, 7])) == [0, 2]
        assert await work.texts.passages(book.id, [1]) == {1: kept[1]}
        assert await work.texts.passages(book.id, []) == {}
        assert await work.texts.passages(new_id()) == {}


async def test_the_evidence_of_a_summary_is_the_last_one_kept(room: Room) -> None:
    book = await room.add()
    async with room.begin() as work:
        await work.summaries.add(Summary.pending(book.id, new_id(), NOW))
    for text in ("First.", "Second."):
        async with room.begin() as work:
            said = {"text": text, "support": [{"passage": 3, "start": 0, "end": 9}]}
            await work.summaries.keep_evidence(book.id, {"summary": [said]})
    async with room.begin() as work:
        assert await work.summaries.evidence(book.id) == {"summary": [said]}
        assert await work.summaries.evidence(new_id()) is None


async def test_only_the_run_that_holds_a_summary_moves_it_on(room: Room) -> None:
    book, run = await room.add(), new_id()
    async with room.begin() as work:
        await work.summaries.add(Summary.pending(book.id, run, NOW))
        assert not await work.summaries.advance(book.id, run, 1)
    async with room.begin() as work:
        summary = await work.summaries.find(book.id, for_change=True)
        assert summary
        summary.begin(NOW, planned=9)
    for by, done, moves in ((run, 3, True), (run, 2, True), (new_id(), 5, False)):
        async with room.begin() as work:
            assert await work.summaries.advance(book.id, by, done) is moves
    async with room.begin() as work:
        summary = await work.summaries.find(book.id)
    assert summary
    assert (summary.done, summary.planned, summary.status) == (3, 9, "running")


async def test_the_first_good_answer_under_a_key_stays(room: Room) -> None:
    async with room.begin() as work:
        await work.nodes.keep(a_node("a", degraded=True, summary="Extract."), NOW)
        await work.nodes.keep(a_node("a", summary="Good."), NOW)
        await work.nodes.keep(a_node("a", summary="Late."), NOW)
        await work.nodes.keep(a_node("a", degraded=True, summary="Extract."), NOW)
    async with room.begin() as work:
        found = await work.nodes.find(["a", "b"])
    assert found == {"a": a_node("a", summary="Good.")}


async def test_answers_no_book_grew_from_are_swept(room: Room) -> None:
    book = await room.add()
    async with room.begin() as work:
        for key in ("old", "kept", "new"):
            await work.nodes.keep(a_node(key), LATER if key == "new" else NOW)
        await work.nodes.use(book.id, ["old"])
        await work.nodes.use(book.id, ["kept", "kept", "lost"])
    async with room.begin() as work:
        assert await work.nodes.sweep(NOW + timedelta(hours=1), 9) == 1
        assert set(await work.nodes.find(["old", "kept", "new"])) == {"kept", "new"}


async def test_announced_files_are_known_until_they_are_settled(room: Room) -> None:
    async with room.begin() as work:
        for key in ("books/a", "books/b", "books/c"):
            await work.files.announce(key, NOW)
        assert await work.files.settle("books/b")
        assert not await work.files.settle("books/b")
        await work.files.announce("books/c", LATER)
    async with room.begin() as work:
        assert list(await work.files.announced_before(LATER)) == ["books/a"]
        assert list(await work.files.announced_before(NOW)) == []


async def test_a_file_announced_anew_is_not_settled_for_the_time_before(room: Room) -> None:
    async with room.begin() as work:
        await work.files.announce("books/a", NOW)
        await work.files.announce("books/b", LATER)
    async with room.begin() as work:
        assert await work.files.settle("books/a", announced_before=LATER)
        assert not await work.files.settle("books/b", announced_before=LATER)
    async with room.begin() as work:
        assert list(await work.files.announced_before(LATER + timedelta(days=1))) == ["books/b"]


async def test_books_are_found_by_what_is_said_of_them(room: Room) -> None:
    emma = await room.add(genres=["Novel"], year_published=1815, tags=["Regency"], language="en")
    await room.add("Faust", author="Johann Wolfgang Göthe", year_published=1808, language="de")
    await room.add("Undated", author="Nobody", copies=2)
    await room.lend(emma)
    questions: list[tuple[dict[str, Any], list[str]]] = [
        ({"author": "johann wolfgang gothe"}, ["Faust"]),
        ({"genre": "NOVEL"}, ["Emma"]),
        ({"tag": "regency"}, ["Emma"]),
        ({"language": "DE"}, ["Faust"]),
        ({"year_from": 1810}, ["Emma"]),
        ({"year_to": 1810}, ["Faust"]),
        ({"year_from": 1808, "year_to": 1815}, ["Emma", "Faust"]),
        ({"available": True}, ["Faust", "Undated"]),
        ({"available": False}, ["Emma"]),
        ({"genre": "novel", "language": "de"}, []),
        ({"q": "gothe"}, ["Faust"]),
        ({"q": "xyzzy"}, []),
    ]
    for query, titles in questions:
        assert await room.titles(**query) == titles, query
        assert (await room.search(**query)).total == len(titles), query


async def test_facets_count_the_books_of_a_question(room: Room) -> None:
    await room.add(genres=["Novel", "Satire"], year_published=1815, tags=["x"], language="en")
    await room.add("Persuasion", genres=["novel"], year_published=1817, language="en")
    faust = await room.add("Faust", author="Goethe", year_published=1808, language="de")
    await room.add("Undated", author="Homer", year_published=-8)
    everything = await room.facets()
    assert everything == {
        "genre": [("novel", 2), ("satire", 1)],
        "author": [("jane austen", 2), ("goethe", 1), ("homer", 1)],
        "language": [("en", 2), ("de", 1)],
        "year": [("1810", 2), ("-10", 1), ("1800", 1)],
        "tag": [("x", 1)],
    }
    german = await room.facets(language="de")
    assert german == {
        "genre": [],
        "author": [("goethe", 1)],
        "language": [("de", 1)],
        "year": [("1800", 1)],
        "tag": [],
    }
    assert (await room.facets(q="emma"))["year"] == [("1810", 1)]
    assert (await room.facets(available=True))["author"] == everything["author"]
    async with room.begin() as work:
        await work.books.remove(await work.books.get(faust.id, for_change=True))
    assert (await room.facets())["language"] == [("en", 2)]


async def test_counts_follow_what_is_said_of_a_book(room: Room) -> None:
    book = await room.add(genres=["Novel"], tags=["old"], language="en", year_published=1815)
    async with room.begin() as work:
        changed = await work.books.get(book.id, for_change=True)
        changed.describe({"genres": ["Satire"], "year_published": 1900, "author": "J. A."}, LATER)
    for query, total in (
        ({"genre": "novel"}, 0), ({"genre": "SATIRE"}, 1), ({"tag": "old"}, 1), ({}, 1),
        ({"author": "jane austen"}, 0), ({"author": "j. a."}, 1), ({"language": "en"}, 1),
        ({"year_from": 1890}, 1), ({"year_to": 1890}, 0), ({"year_from": 1900, "year_to": 1900}, 1),
    ):  # fmt: skip
        page = await room.search(**query)
        assert (page.total, len(page.items), page.total_estimated) == (total, total, False), query
    assert (await room.facets())["genre"] == [("satire", 1)]


async def test_books_are_found_by_their_words(room: Room) -> None:
    emma = await room.add()
    await room.add("Other")
    async with room.begin() as work:
        text = "the picnic on box hill went badly"
        await work.texts.keep(emma.id, [Chapter("One", 0, len(text))], [Passage(0, 0, text)])
    assert await room.titles(q="picnic badly") == ["Emma"]


@pytest.mark.parametrize("name", ["title", "author", "year_published", "created_at", "rating"])
@pytest.mark.parametrize("sign", ["", "-"])
async def test_pages_visit_each_book_once_over_ties_and_gaps(
    room: Room, name: str, sign: str
) -> None:
    for n in range(9):
        year = None if n % 3 == 0 else 1900 + n % 2
        at = NOW + timedelta(minutes=n // 4)
        await room.add(
            "Él" if n % 2 else "el", author="AB"[n % 2], year_published=year, created_at=at
        )
    seen: list[UUID] = []
    cursor: str | None = None
    while True:
        page = await room.search(sort=sign + name, limit=2, cursor=cursor)
        seen += [view.book.id for view in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    whole = await room.search(sort=sign + name, limit=100)
    assert seen == [view.book.id for view in whole.items]
    assert len(set(seen)) == whole.total == 9
    if name == "year_published":
        years = [view.book.year_published for view in whole.items]
        dated = [year for year in years if year is not None]
        assert dated == sorted(dated, reverse=bool(sign))
        assert years[len(dated) :] == [None] * 3


async def test_a_cursor_of_another_order_is_refused(room: Room) -> None:
    for title in ("A", "B"):
        await room.add(title)
    cursor = (await room.search(sort="title", limit=1)).next_cursor
    with pytest.raises(InvalidCursor):
        await room.search(sort="author", cursor=cursor)


@pytest.mark.parametrize("sort", ["title", "-year_published", "created_at", "rating", "relevance"])
@pytest.mark.parametrize(
    "key",
    ["a\x00b", "\ud800", 10**40, 1e300, float("nan"), None, [], {}, True, "0001-01-01T00:00+14:00"],
)
async def test_a_forged_cursor_breaks_nothing(room: Room, sort: str, key: Any) -> None:
    with pytest.raises(InvalidCursor):
        await room.search(sort=sort, q="emma", cursor=cursor_for(sort, key, "no id"))
    with suppress(InvalidCursor):
        await room.search(sort=sort, q="emma", cursor=cursor_for(sort, key, new_id()))
