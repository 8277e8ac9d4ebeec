"""Totals and facets are right while many add and take away books at once."""

import asyncio
from uuid import UUID

from app.adapters.postgres.books import SqlBookRepository
from app.domains.catalog.model import BookQuery, Facets
from app.shared.pages import PageRequest
from tests.contracts.shelves import SqlShelf, opened_shelf

WRITERS = 8
BOOKS_EACH = 20


async def total_of(shelf: SqlShelf, author: str | None = None) -> int:
    async with shelf.sessions() as session:
        page = await SqlBookRepository(session).search(BookQuery(author=author), PageRequest(1))
        assert not page.total_estimated
        return page.total


async def facets_of(shelf: SqlShelf) -> Facets:
    async with shelf.sessions() as session:
        return await SqlBookRepository(session).facets(BookQuery())


async def settle(shelf: SqlShelf, times: int) -> None:
    for _ in range(times):
        await shelf.rows("SELECT count(lumina_settle_counts()::text)")


async def test_no_count_is_lost_while_many_write_and_others_add_up(database_url: str) -> None:
    async with opened_shelf(database_url, pool_size=WRITERS + 2) as shelf:

        async def come_and_go() -> list[UUID]:
            added = [await shelf.add_book() for _ in range(BOOKS_EACH)]
            for book in added[::2]:
                await shelf.delete_book(book)
            return added[1::2]

        kept = await asyncio.gather(*(come_and_go() for _ in range(WRITERS)), settle(shelf, 40))
        left = sum(len(books) for books in kept if books)
        assert left == WRITERS * BOOKS_EACH // 2
        assert await total_of(shelf) == await total_of(shelf, author="Jane Austen") == left
        await settle(shelf, 1)
        assert await shelf.rows("SELECT count(*) FROM book_count_changes") == [(0,)]
        assert await total_of(shelf) == left
        (author,) = (await facets_of(shelf)).values["author"]
        assert (author.value, author.count) == ("Jane Austen", left)


async def test_totals_are_right_at_every_moment_for_who_reads_meanwhile(database_url: str) -> None:
    async with opened_shelf(database_url, pool_size=6) as shelf:
        seen: list[int] = []
        done = asyncio.Event()

        async def watch() -> None:
            while not done.is_set():
                seen.append(await total_of(shelf))

        watching = asyncio.create_task(watch())
        for _ in range(BOOKS_EACH):
            await shelf.add_book()
            await settle(shelf, 1)
        done.set()
        await watching
        assert seen == sorted(seen)
        assert set(seen) <= set(range(BOOKS_EACH + 1))
        assert await total_of(shelf) == BOOKS_EACH
