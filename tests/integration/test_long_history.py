"""Fifty thousand events of one reader, in a real database."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from app.adapters.postgres.recommendations import SqlRecommendationsWork
from app.bootstrap.library import Library
from app.domains.accounts.model import User
from app.domains.recommendations.model import DeedKind
from app.domains.recommendations.service.snapshots import MOST_OF_A_READER, SnapshotReader
from tests.contracts.shelves import SqlShelf, opened_shelf
from tests.library import opened_library, settings_for_tests

BOOKS, UNREAD = 1500, 20
_BOOKS = """
  INSERT INTO books (id, title, author, genres, tags, notes, unsaid, copies, created_at,
    updated_at, version, storage_key, media_type, size, sha256, filename, ingestion_status,
    ingestion_done, ingestion_planned)
  SELECT md5('book ' || n)::uuid, 'Book ' || n, 'Author ' || n % 50, array['Genre ' || n % 5],
    '{}', '{}', '{}', 1, now() - interval '9 years', now(), 1, 'books/' || n, 'text/plain', 1,
    md5(n::text), 'a.txt', 'ready', 1, 1
  FROM generate_series(1, :books) n RETURNING 1
"""
_LOANS = """
  INSERT INTO loans (id, book_id, user_id, borrowed_at, due_at, returned_at, renewals)
  SELECT gen_random_uuid(), md5('book ' || 1 + n % :books)::uuid, :reader,
    now() - n * interval '1 hour', now(), now() - n * interval '1 hour' + interval '9 days',
    n % 2
  FROM generate_series(300, 20299) n RETURNING 1
"""
_LOOKS = """
  INSERT INTO views (book_id, user_id, day, at)
  SELECT md5('book ' || 1 + n % :books)::uuid, :reader, current_date - n / :books,
    now() - n / :books * interval '1 day'
  FROM generate_series(0, 19999) n RETURNING 1
"""
_CLICKS = """
  WITH shown AS (
    INSERT INTO showings (id, user_id, model, model_version, book_ids, shown_at)
    SELECT gen_random_uuid(), :reader, 'x', '1', '{}', now() FROM generate_series(1, 10)
    RETURNING id)
  INSERT INTO feedback (id, showing_id, user_id, book_id, action, at)
  SELECT gen_random_uuid(), shown.id, :reader, md5('book ' || n)::uuid, 'click', now()
  FROM shown CROSS JOIN generate_series(1, 1000) n RETURNING 1
"""


@pytest.fixture
async def shelf(database_url: str) -> AsyncIterator[SqlShelf]:
    async with opened_shelf(database_url) as shelf:
        await shelf.rows(_BOOKS, books=BOOKS + UNREAD)
        yield shelf


@pytest.fixture
async def reader(shelf: SqlShelf) -> User:
    reader = await shelf.add_reader()
    events = 0
    for statement in (_LOANS, _LOOKS):
        events += len(await shelf.rows(statement, books=BOOKS, reader=reader.id))
    events += len(await shelf.rows(_CLICKS, reader=reader.id))
    assert events == 50_000
    return reader


@pytest.fixture
async def library(shelf: SqlShelf, database_url: str, tmp_path: Path) -> AsyncIterator[Library]:
    async with opened_library(settings_for_tests(database_url, tmp_path)) as library:
        yield library


async def test_an_answer_reads_the_latest_of_a_long_history(shelf: SqlShelf, reader: User) -> None:
    async with SqlRecommendationsWork(shelf.sessions) as work:
        deeds = await work.reading.deeds_of(reader.id, 1000)
    # Each loan says up to three things.
    assert 3000 < len(deeds) <= 5000
    looks = [deed for deed in deeds if deed.kind == DeedKind.VIEWED]
    assert len({deed.book_id for deed in looks}) == len(looks) == 1000


async def test_a_long_history_counts_for_a_fit_as_much_as_it_may(
    shelf: SqlShelf, reader: User
) -> None:
    snapshots = SnapshotReader(lambda: SqlRecommendationsWork(shelf.sessions), learns=True)
    found = [one async for page in snapshots.interactions() for one in page]
    assert len(found) == MOST_OF_A_READER == len({one.item_id for one in found})


async def test_who_did_everything_is_shown_what_they_never_had(
    library: Library, reader: User
) -> None:
    recommendations = library.services.recommendations
    await library.services.fitting.fit(_untold)
    answer = await recommendations.recommend(reader, 10)
    for _ in range(100):
        if answer.model == "hybrid":
            break
        answer = await recommendations.recommend(reader, 10)
    unread = {_book(number) for number in range(BOOKS + 1, BOOKS + UNREAD + 1)}
    assert {item.book.book.id for item in answer.items} <= unread
    assert (answer.model, len(answer.items)) == ("hybrid", 10)
    assert answer.items[0].reasons[0].kind == "because_you_borrowed"
    assert (await recommendations.preferences_of(reader)).learnt.genres


async def test_a_long_history_is_forgotten_whole(library: Library, reader: User) -> None:
    await library.services.recommendations.forget_history(reader)
    async with library.adapters.recommendations_work() as work:
        assert await work.reading.deeds_of_all([reader.id]) == {}
        assert (await work.reading.past_of(reader.id)).had == frozenset()


async def _untold(done: int, planned: int) -> None:
    """Progress nobody looks at."""


def _book(number: int) -> UUID:
    return UUID(hashlib.md5(f"book {number}".encode(), usedforsecurity=False).hexdigest())
