"""The records of stored objects in Postgres, and what in the database refers to them."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.engine import Sessions, read_at_once, translated
from app.adapters.postgres.tables.catalog import books
from app.adapters.postgres.tables.files import scrub_rounds, stored_files
from app.ports.files import Blocks, DamagedFile, FileRecord, FileRecords
from app.ports.storage import StoredObject

_UNREFERENCED = """
  NOT EXISTS (SELECT FROM books b WHERE b.storage_key = k.key)
  AND NOT EXISTS (SELECT FROM models m WHERE m.storage_key = k.key)
  AND NOT EXISTS (SELECT FROM announced_files a WHERE a.storage_key = k.key)
  AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.status IN ('todo', 'doing')
                  AND j.task_name <> 'discard_file' AND j.args ->> 'storage_key' = k.key)
"""
_AMONG = text(
    f"SELECT k.key FROM unnest(CAST(:keys AS text[])) AS k (key) WHERE {_UNREFERENCED}"  # noqa: S608
)
_LEFT_BEHIND = text(
    f"""
    SELECT k.key FROM (SELECT storage_key AS key, stored_at FROM stored_files) k
    WHERE k.key > :after AND k.stored_at < :before AND {_UNREFERENCED}
    ORDER BY k.key LIMIT :limit
    """  # noqa: S608
)


class SqlFileRecords(FileRecords):
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @override
    async def keep(self, record: FileRecord, at: datetime) -> None:
        blocks = record.blocks
        row = {
            "size": record.total.size,
            "sha256": record.total.sha256,
            "block_size": blocks.size if blocks else None,
            "blocks": blocks.digests if blocks else None,
            "stored_at": at,
            # It was read as it was written.
            "checked_at": at if blocks else None,
            "damage": record.damage,
            "damaged_at": at if record.damage else None,
        }
        kept = upsert(stored_files).values(storage_key=record.key, **row)
        async with self._working() as session:
            await session.execute(
                kept.on_conflict_do_update(index_elements=["storage_key"], set_=row)
            )

    @override
    async def find(self, key: str) -> FileRecord | None:
        wanted = select(stored_files).where(stored_files.c.storage_key == key)
        async with self._working() as session:
            await read_at_once(session)
            row = (await session.execute(wanted)).one_or_none()
        if row is None:
            return None
        blocks = Blocks(row.block_size, row.blocks) if row.blocks is not None else None
        return FileRecord(key, StoredObject(row.size, row.sha256), blocks, row.damage)

    @override
    async def forget(self, key: str) -> None:
        async with self._working() as session:
            await session.execute(delete(stored_files).where(stored_files.c.storage_key == key))

    @override
    async def judge(
        self, key: str, damage: str | None, at: datetime, blocks: Blocks | None = None
    ) -> None:
        verdict: dict[str, Any] = {
            "checked_at": at,
            "damage": damage,
            # When it was first found so.
            "damaged_at": func.coalesce(stored_files.c.damaged_at, at) if damage else None,
        }
        if blocks is not None:
            verdict |= {"block_size": blocks.size, "blocks": blocks.digests}
        mine = update(stored_files).where(stored_files.c.storage_key == key)
        async with self._working() as session:
            await session.execute(mine.values(verdict))

    @override
    async def due(self, before: datetime, limit: int) -> Sequence[str]:
        checked = stored_files.c.checked_at
        due = select(stored_files.c.storage_key).where(or_(checked.is_(None), checked < before))
        ordered = due.order_by(checked.nulls_first(), stored_files.c.storage_key).limit(limit)
        async with self._working() as session:
            return (await session.scalars(ordered)).all()

    @override
    async def count(self, since: datetime) -> tuple[int, int]:
        checked = func.count(case((stored_files.c.checked_at >= since, 1)))
        async with self._working() as session:
            found = await session.execute(select(checked, func.count()).select_from(stored_files))
            done, planned = found.one()
        return done, planned

    @override
    async def damaged(self) -> Sequence[DamagedFile]:
        theirs = stored_files.outerjoin(books, books.c.storage_key == stored_files.c.storage_key)
        columns = (
            stored_files.c.storage_key,
            stored_files.c.damage,
            stored_files.c.damaged_at,
            books.c.id,
            books.c.title,
        )
        wanted = select(*columns).select_from(theirs).where(stored_files.c.damage.is_not(None))
        async with self._working() as session:
            rows = await session.execute(wanted.order_by(stored_files.c.storage_key))
            return [DamagedFile(*row) for row in rows]

    @override
    async def unreferenced(self, keys: Collection[str]) -> Sequence[str]:
        async with self._working() as session:
            return (await session.scalars(_AMONG, {"keys": list(keys)})).all()

    @override
    async def left_behind(self, before: datetime, limit: int, after: str = "") -> Sequence[str]:
        values = {"before": before, "limit": limit, "after": after}
        async with self._working() as session:
            return (await session.scalars(_LEFT_BEHIND, values)).all()

    @override
    async def open_round(self) -> datetime | None:
        begun = select(func.max(scrub_rounds.c.begun_at)).where(scrub_rounds.c.ended_at.is_(None))
        async with self._working() as session:
            moment: datetime | None = await session.scalar(begun)
        return moment

    @override
    async def last_round(self) -> datetime | None:
        async with self._working() as session:
            moment: datetime | None = await session.scalar(
                select(func.max(scrub_rounds.c.begun_at))
            )
        return moment

    @override
    async def begin_round(self, at: datetime) -> None:
        row = upsert(scrub_rounds).values(begun_at=at).on_conflict_do_nothing()
        async with self._working() as session:
            await session.execute(row)

    @override
    async def end_round(self, begun: datetime, at: datetime) -> None:
        older = scrub_rounds.c.begun_at < begun
        mine = update(scrub_rounds).where(scrub_rounds.c.begun_at == begun)
        async with self._working() as session:
            await session.execute(delete(scrub_rounds).where(older))
            await session.execute(mine.values(ended_at=at))

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[AsyncSession]:
        with translated({}):
            async with self._sessions.begin() as session:
                yield session
