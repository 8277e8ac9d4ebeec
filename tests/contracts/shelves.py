"""Readers and books in a real database, for suites that need rows to refer to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.postgres.engine import Sessions, open_engine, sessions_of
from app.adapters.postgres.tables.accounts import users
from app.adapters.postgres.tables.catalog import books, copies
from app.adapters.postgres.tables.lending import loans
from app.domains.accounts.model import User
from app.shared.ids import new_id
from tests.fakes.clock import FrozenClock
from tests.fakes.lending import a_reader


class SqlShelf:
    """A database with as many readers and books as a test asks for."""

    def __init__(self, engine: AsyncEngine, sessions: Sessions) -> None:
        self._engine = engine
        self.sessions = sessions

    async def add_reader(self, name: str = "Ada") -> User:
        reader = a_reader(name)
        async with self._engine.begin() as connection:
            columns = {column.name: getattr(reader, column.name) for column in users.c}
            await connection.execute(insert(users).values(columns))
        return reader

    async def erase_reader(self, reader: User) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(delete(users).where(users.c.id == reader.id))

    async def add_book(self, copies_of_it: int = 1) -> UUID:
        book_id = new_id()
        numbers = [{"book_id": book_id, "number": n + 1} for n in range(copies_of_it)]
        async with self._engine.begin() as connection:
            await connection.execute(insert(books).values(_book(book_id, copies_of_it)))
            await connection.execute(insert(copies), numbers)
        return book_id

    async def delete_book(self, book_id: UUID) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(delete(books).where(books.c.id == book_id))

    async def remove_copy(self, book_id: UUID, number: int) -> None:
        async with self._engine.begin() as connection:
            here = (copies.c.book_id == book_id, copies.c.number == number)
            await connection.execute(delete(copies).where(*here))

    async def return_all(self) -> None:
        async with self._engine.begin() as connection:
            still_out = loans.c.returned_at.is_(None)
            back = update(loans).where(still_out).values(returned_at=loans.c.borrowed_at)
            await connection.execute(back)

    async def count_open(self) -> int:
        async with self._engine.begin() as connection:
            out = select(func.count()).where(loans.c.returned_at.is_(None))
            return (await connection.execute(out)).scalar_one()

    async def rows(self, query: str, **values: object) -> list[tuple[object, ...]]:
        async with self._engine.begin() as connection:
            return [tuple(row) for row in await connection.execute(text(query), values)]


@asynccontextmanager
async def opened_shelf(database_url: str, *, pool_size: int = 10) -> AsyncIterator[SqlShelf]:
    engine = open_engine(database_url, pool_size=pool_size)
    try:
        yield SqlShelf(engine, sessions_of(engine))
    finally:
        await engine.dispose()


def _book(book_id: UUID, number: int) -> dict[str, object]:
    now = FrozenClock().now()
    return {
        "id": book_id,
        "title": "Emma",
        "author": "Jane Austen",
        "copies": number,
        "genres": [],
        "tags": [],
        "notes": [],
        "unsaid": [],
        "created_at": now,
        "updated_at": now,
        "version": 1,
        "storage_key": f"books/{book_id}",
        "media_type": "text/plain",
        "size": 1,
        "sha256": str(book_id),
        "filename": "emma.txt",
        "ingestion_status": "ready",
        "ingestion_done": 1,
        "ingestion_planned": 1,
    }
