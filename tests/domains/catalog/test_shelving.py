"""Books come, are described, handed out and withdrawn."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from app.domains.catalog.errors import (
    BookChanged,
    BookNotFound,
    BookOnLoan,
    ContentNotYours,
    DuplicateContent,
    FileTooLarge,
    MayNotContribute,
    NotYourBook,
    UploadSwept,
)
from app.domains.catalog.jobs import DiscardFile
from app.domains.catalog.ports import CatalogWork
from app.domains.catalog.service import IngestionService
from app.ports.storage import StorageUnavailable
from app.ports.text import EmptyFile, UnknownFormat
from app.shared.ids import new_id
from tests.domains.catalog.reading_house import MAX_UPLOAD, House, streamed


async def test_what_is_said_of_a_book_is_kept_and_the_rest_is_read_from_the_file() -> None:
    house = House()
    silent = await house.shelve("# Emma\n\nHandsome, clever and rich.")
    told = await house.shelve("# Emma\n\nAgain.", title="My Emma", author="J. A.", copies=3)
    assert (await house.book(silent)).title == "Emma"
    book = await house.book(told)
    assert (book.title, book.author, book.copies) == ("My Emma", "J. A.", 3)


async def test_a_book_without_a_word_about_it_has_the_name_of_its_file() -> None:
    house = House()
    book = await house.book(await house.bring("Text.", filename="C:\\books\\the_long_day.txt"))
    assert (book.title, book.author) == ("the long day", "Unknown")
    assert book.content.filename == "the_long_day.txt"


@pytest.mark.parametrize("filename", ["..", "", "\r\n", "/", '"', "\u202e", "x" * 999, "😀.md"])
async def test_any_file_name_will_do(filename: str) -> None:
    house = House()
    book = await house.book(await house.bring("Text.", filename=filename))
    assert book.title
    assert 0 < len(book.content.filename) <= 200
    assert book.content.filename.isprintable()


@pytest.mark.parametrize(
    ("content", "refusal"),
    [(b"", EmptyFile), (b"\0\1", UnknownFormat), (b"a" * (MAX_UPLOAD + 1), FileTooLarge)],
)
async def test_a_refused_file_leaves_nothing(content: bytes, refusal: type[Exception]) -> None:
    house = House()
    with pytest.raises(refusal):
        await house.receive(content)
    assert house.storage.objects == {}
    assert house.catalog.shelf.announced == {}


async def test_a_broken_stream_leaves_nothing() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a" * 100_000
        raise ConnectionResetError

    house = House()
    with pytest.raises(ConnectionResetError):
        await house.shelving.receive(house.owner, filename="a.txt", stream=broken())
    assert (house.storage.objects, house.catalog.shelf.announced) == ({}, {})


async def test_a_file_that_cannot_be_removed_now_stays_announced_for_the_sweep() -> None:
    house = House()
    file = await house.receive("Text.")
    house.storage.down = True
    await house.shelving.discard(file)
    assert list(house.catalog.shelf.announced) == [file.content.storage_key]
    with pytest.raises(StorageUnavailable):
        await house.receive("Other text.")


async def test_where_librarians_add_books_members_do_not() -> None:
    house = House(contribute=False)
    with pytest.raises(MayNotContribute):
        await house.receive("Text.")
    file = await house.receive("Text.", actor=house.librarian)
    assert list(house.storage.objects) == [file.content.storage_key]


async def test_the_same_bytes_are_shelved_once_and_the_book_that_has_them_is_named() -> None:
    house = House()
    first = await house.shelve("The same text.")
    with pytest.raises(DuplicateContent) as refused:
        await house.bring("The same text.", title="Another")
    assert refused.value.extra == {"book_id": str(first)}
    other = await house.shelve("Another text.")
    file = await house.receive("The same text.")
    with pytest.raises(DuplicateContent) as refused:
        await house.shelving.replace_content(house.owner, other, file)
    assert refused.value.extra == {"book_id": str(first)}


async def test_only_who_brought_a_book_and_librarians_change_it() -> None:
    house = House()
    book_id = await house.shelve("Text.")
    for actor in (house.owner, house.librarian):
        view = await house.shelving.describe(actor, book_id, {"title": actor.display_name})
        assert view.book.title == actor.display_name
        await house.shelving.may_change(actor, book_id)
    with pytest.raises(NotYourBook):
        await house.shelving.describe(house.stranger, book_id, {"title": "Mine"})
    with pytest.raises(NotYourBook):
        await house.shelving.may_change(house.stranger, book_id)
    with pytest.raises(NotYourBook):
        await house.shelving.withdraw(house.stranger, book_id)
    with pytest.raises(BookNotFound):
        await house.shelving.describe(house.owner, new_id(), {})


async def test_a_change_of_an_older_version_is_refused() -> None:
    house = House()
    book_id = await house.shelve("Text.")
    version = (await house.book(book_id)).version
    changed = await house.shelving.describe(
        house.owner, book_id, {"title": "New"}, if_match=version
    )
    assert changed.book.version == version + 1
    with pytest.raises(BookChanged):
        await house.shelving.describe(house.owner, book_id, {"title": "Old"}, if_match=version)
    assert (await house.book(book_id)).title == "New"


async def test_a_file_that_teaches_nothing_leaves_the_version() -> None:
    house = House()
    names = {"title": "A", "author": "B", "language": "en"}
    book = await house.book(await house.shelve("Text.", **names))
    assert (book.version, book.ingestion.status) == (1, "ready")


async def test_a_new_file_takes_the_place_of_the_old_one() -> None:
    house = House()
    book_id = await house.shelve("The old text is here.", title="Kept")
    old = await house.book(book_id)
    file = await house.receive("The new text is here instead.")
    view = await house.shelving.replace_content(house.owner, book_id, file)
    assert (view.book.ingestion.status, view.book.version) == ("pending", old.version + 1)
    await house.work()
    new = await house.book(book_id)
    assert list(house.storage.objects) == [new.content.storage_key]
    assert (new.title, new.words, new.ingestion.status) == ("Kept", 6, "ready")
    assert house.catalog.shelf.announced == {}


async def test_a_withdrawn_book_takes_its_file_along() -> None:
    house = House()
    book_id = await house.shelve("Text.")
    await house.shelving.withdraw(house.librarian, book_id)
    assert house.board.jobs[-1].kind == DiscardFile.kind
    await house.work()
    assert house.storage.objects == {}
    with pytest.raises(BookNotFound):
        await house.see(book_id)


async def test_a_book_on_loan_stays_and_its_borrower_reads_it() -> None:
    house = House()
    book_id = await house.shelve("Text.")
    with pytest.raises(ContentNotYours):
        await house.shelving.content_of(house.stranger, book_id)
    house.catalog.shelf.loans[book_id, 1] = house.stranger.id
    for reader in (house.stranger, house.owner, house.librarian):
        content = await house.shelving.content_of(reader, book_id)
        assert b"".join([c async for c in await house.shelving.open(content)]) == b"Text."
    with pytest.raises(BookOnLoan):
        await house.shelving.withdraw(house.owner, book_id)
    await house.work()
    assert len(house.storage.objects) == 1


async def test_the_sweep_takes_old_orphans_only() -> None:
    house = House()
    book_id = await house.shelve("A book.")
    orphan = await house.receive("An orphan.")
    house.clock.advance(timedelta(hours=25))
    fresh = await house.receive("Another, on its way.")
    await house.ingestion.schedule_sweep()
    await house.work()
    kept = {(await house.book(book_id)).content.storage_key, fresh.content.storage_key}
    assert set(house.storage.objects) == kept
    assert orphan.content.storage_key not in house.catalog.shelf.announced
    assert [stored.job.kind for stored in house.board.pending()] == ["sweep_orphans"]


async def test_the_sweep_passes_over_what_is_of_use_again_since_it_looked() -> None:
    house = House()
    await house.receive("Announced anew meanwhile.")
    late = await house.receive("A book at last, meanwhile.")
    announced, shelved = house.catalog.shelf.announced
    house.clock.advance(timedelta(hours=25))
    works = 0

    def begin() -> CatalogWork:
        nonlocal works
        works += 1
        if works == 2:
            house.catalog.shelf.announced[announced] = house.clock.now()
            del house.catalog.shelf.announced[shelved]
        return house.catalog.begin()

    sweeping = IngestionService(
        begin=begin,
        storage=house.storage,
        extractor=house.extractor,
        clock=house.clock,
        summarise=False,
    )
    assert (await sweeping.sweep())["files"] == 0
    await house.work()
    assert set(house.storage.objects) == {announced, late.content.storage_key}
    assert set(house.catalog.shelf.announced) == {announced}


async def test_what_cannot_be_swept_now_is_swept_once_the_storage_is_back() -> None:
    house = House()
    await house.receive("An orphan.")
    house.clock.advance(timedelta(hours=25))
    house.storage.down = True
    await house.ingestion.sweep()
    await house.work()
    assert house.storage.objects
    house.storage.down = False
    await house.wait(hours=1)
    assert not house.storage.objects


async def test_a_file_that_was_swept_away_is_no_book() -> None:
    house = House()
    file = await house.receive("It took more than a day.")
    other = await house.shelve("A book.")
    house.clock.advance(timedelta(hours=25))
    await house.ingestion.sweep()
    with pytest.raises(UploadSwept):
        await house.shelving.shelve(house.owner, file, {})
    with pytest.raises(UploadSwept):
        await house.shelving.replace_content(house.owner, other, file)
    assert set(house.catalog.shelf.books) == {other}


async def test_many_uploads_of_one_file_at_once_make_one_book() -> None:
    house = House()

    async def bring() -> bool:
        file = await house.shelving.receive(
            house.owner, filename="a.txt", stream=streamed(b"The same bytes.")
        )
        try:
            await house.shelving.shelve(house.owner, file, {})
        except DuplicateContent:
            await house.shelving.discard(file)
            return False
        return True

    assert sum(await asyncio.gather(*[bring() for _ in range(20)])) == 1
    assert len(house.storage.objects) == 1
