"""Making the index of the passages, and counting how common words are."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.tables.catalog import books, passages
from app.adapters.postgres.tables.discovery import indexed_passages, lexeme_counts
from app.domains.discovery.ports import IndexedBooks

SAMPLE = 10_000
# The languages the schema has a configuration for; other texts are indexed as they are.
_LANGUAGES = "da de en es fi fr hu it nl no pt ro ru sv tr".split()
_PLAIN = "lumina"
_GROWN = 0.1
_language = func.lower(func.left(books.c.language, 2))
# How the text of a book is stemmed.
CONFIG = case((_language.in_(_LANGUAGES), func.concat("lumina_", _language)), else_=_PLAIN)

_WRITE = text(
    """
    INSERT INTO indexed_passages (book_id, ordinal, config, words)
    SELECT book_id, ordinal, CAST(:config AS text),
           to_tsvector(CAST(CAST(:config AS text) AS regconfig), lumina_spaced(passages.text))
    FROM passages WHERE book_id = :book_id AND ordinal >= :first AND ordinal < :stop
    FOR KEY SHARE
    ON CONFLICT (book_id, ordinal)
    DO UPDATE SET config = excluded.config, words = excluded.words
    """
)
_NOTE_LANGUAGE = text("INSERT INTO indexed_languages VALUES (:config) ON CONFLICT DO NOTHING")
_SAMPLED = "FROM indexed_passages TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1)"
_COUNT = """
    INSERT INTO lexeme_shares (lexeme, share)
    SELECT word, ndoc / greatest(:sampled, 1)::float
    FROM ts_stat('SELECT words {sampled}') WHERE ndoc > 1
    """


class SqlIndexedBooks(IndexedBooks):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def size(self, book_id: UUID) -> int:
        wanted = select(func.max(passages.c.ordinal)).where(passages.c.book_id == book_id)
        last = await self._session.scalar(wanted)
        return 0 if last is None else last + 1

    @override
    async def missing(self, book_id: UUID) -> int:
        here = and_(_is_indexed(), books.c.id == book_id)
        last = (
            select(func.max(passages.c.ordinal))
            .select_from(passages)
            .join(books, books.c.id == passages.c.book_id)
            .where(passages.c.book_id == book_id, ~exists().where(here))
        )
        number = await self._session.scalar(last)
        return 0 if number is None else number + 1

    @override
    async def write(self, book_id: UUID, first: int, stop: int) -> None:
        config = await self._session.scalar(select(CONFIG).where(books.c.id == book_id))
        if config is None:
            return
        await self._session.execute(_NOTE_LANGUAGE, {"config": config})
        place = {"book_id": book_id, "first": first, "stop": stop}
        await self._session.execute(_WRITE, {"config": config, **place})

    @override
    async def unfinished(self, after: UUID | None, at_most: int) -> Sequence[UUID]:
        wanted = _with_text(after, at_most).where(~exists().where(_is_indexed()))
        return list(await self._session.scalars(wanted))

    @override
    async def all(self, after: UUID | None, at_most: int) -> Sequence[UUID]:
        return list(await self._session.scalars(_with_text(after, at_most)))

    @override
    async def has_grown(self) -> bool:
        before = await self._session.scalar(select(lexeme_counts.c.passages))
        now = await self._passages()
        return abs(now - (before or 0)) > _GROWN * (before or 0)

    @override
    async def count_words(self) -> int:
        number = await self._passages()
        sampled = _SAMPLED.format(percent=min(100.0, 100 * SAMPLE / max(number, 1)))
        size = await self._session.scalar(text(f"SELECT count(*) {sampled}"))
        await self._session.execute(text("DELETE FROM lexeme_shares"))
        count = text(_COUNT.replace("{sampled}", sampled))
        await self._session.execute(count, {"sampled": size})
        await self._session.execute(_NOTE_COUNT, {"passages": number})
        return await self._session.scalar(text("SELECT count(*) FROM lexeme_shares")) or 0

    async def _passages(self) -> int:
        wanted = select(func.count()).select_from(indexed_passages)
        return (await self._session.scalar(wanted)) or 0


_NOTE_COUNT = text(
    "INSERT INTO lexeme_counts (id, passages) VALUES (1, :passages)"
    " ON CONFLICT (id) DO UPDATE SET passages = excluded.passages"
)


def _is_indexed() -> ColumnElement[bool]:
    """That a passage is, in the language its book has now."""
    return and_(
        indexed_passages.c.book_id == passages.c.book_id,
        indexed_passages.c.ordinal == passages.c.ordinal,
        indexed_passages.c.config == CONFIG,
    )


def _with_text(after: UUID | None, at_most: int) -> Select[UUID]:
    """Books by their first passage, which is indexed last."""
    wanted = select(books.c.id).join(
        passages, and_(passages.c.book_id == books.c.id, passages.c.ordinal == 0)
    )
    if after is not None:
        wanted = wanted.where(books.c.id > after)
    return wanted.order_by(books.c.id).limit(at_most)
