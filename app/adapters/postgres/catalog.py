"""Books, their text and their summaries in Postgres."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from typing import Any, ClassVar
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.books import SqlBookRepository
from app.adapters.postgres.engine import Violations
from app.adapters.postgres.tables.catalog import (
    announced_files,
    chapters,
    passages,
    summaries,
    summary_evidence,
    summary_nodes,
    summary_uses,
)
from app.adapters.postgres.work import SqlWork
from app.domains.catalog.errors import BookOnLoan, DuplicateContent
from app.domains.catalog.model import ChapterText, Passage, Summary, SummaryNode
from app.domains.catalog.ports import (
    AnnouncedFileRepository,
    CatalogWork,
    NodeRepository,
    SummaryRepository,
    TextRepository,
)
from app.ports.text import Chapter

_NODES = Counter("lumina_summary_nodes", "Summary nodes that were kept", ["degraded"])


class SqlTextRepository(TextRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def keep(
        self, book_id: UUID, chapter_list: Sequence[Chapter], passage_list: Sequence[Passage]
    ) -> None:
        await self.forget(book_id)
        await self._fill(chapters, book_id, [asdict(chapter) for chapter in chapter_list])
        await self._fill(passages, book_id, [asdict(passage) for passage in passage_list])

    async def _fill(self, table: Any, book_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
        numbered = [{"book_id": book_id, "ordinal": n, **row} for n, row in enumerate(rows)]
        if numbered:
            await self._session.execute(insert(table), numbered)

    @override
    async def forget(self, book_id: UUID) -> None:
        await self._session.execute(delete(chapters).where(chapters.c.book_id == book_id))
        await self._session.execute(delete(passages).where(passages.c.book_id == book_id))

    @override
    async def chapters(self, book_id: UUID) -> Sequence[ChapterText]:
        headings = await self._session.execute(
            select(chapters).where(chapters.c.book_id == book_id).order_by(chapters.c.ordinal)
        )
        wanted = select(passages.c.chapter, passages.c.text).where(passages.c.book_id == book_id)
        lines = await self._session.execute(wanted.order_by(passages.c.ordinal))
        texts = {
            number: "".join(line.text for line in group)
            for number, group in groupby(lines, key=lambda line: line.chapter)
        }
        return [
            ChapterText(
                row.ordinal, row.title, row.start, row.end, row.page, texts.get(row.ordinal, "")
            )
            for row in headings
        ]

    @override
    async def titles(self, book_id: UUID) -> Sequence[str]:
        wanted = select(chapters.c.title).where(chapters.c.book_id == book_id)
        return (await self._session.scalars(wanted.order_by(chapters.c.ordinal))).all()

    @override
    async def passages(
        self, book_id: UUID, numbers: Collection[int] | None = None
    ) -> Mapping[int, Passage]:
        columns = passages.c.ordinal, passages.c.chapter, passages.c.start, passages.c.text
        wanted = select(*columns).where(passages.c.book_id == book_id)
        if numbers is not None:
            wanted = wanted.where(passages.c.ordinal == func.any(literal(list(numbers))))
        rows = await self._session.execute(wanted.order_by(passages.c.ordinal))
        return {row.ordinal: Passage(row.chapter, row.start, row.text) for row in rows}


class SqlSummaryRepository(SummaryRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def add(self, summary: Summary) -> None:
        self._session.add(summary)

    @override
    async def find(self, book_id: UUID, *, for_change: bool = False) -> Summary | None:
        wanted = select(Summary).where(summaries.c.book_id == book_id)
        if for_change:
            wanted = wanted.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(wanted)).one_or_none()

    @override
    async def advance(self, book_id: UUID, run: UUID, done: int) -> bool:
        mine = (
            (summaries.c.book_id == book_id)
            & (summaries.c.run == run)
            & (summaries.c.status == "running")
        )
        further = func.greatest(summaries.c.done, done)
        changed = await self._session.execute(
            update(summaries).where(mine).values(done=further).returning(summaries.c.book_id)
        )
        return changed.one_or_none() is not None

    @override
    async def keep_evidence(self, book_id: UUID, evidence: Mapping[str, Any]) -> None:
        row = upsert(summary_evidence).values(book_id=book_id, evidence=evidence)
        await self._session.execute(
            row.on_conflict_do_update(
                index_elements=["book_id"], set_={"evidence": row.excluded.evidence}
            )
        )

    @override
    async def evidence(self, book_id: UUID) -> Mapping[str, Any] | None:
        wanted = select(summary_evidence.c.evidence).where(summary_evidence.c.book_id == book_id)
        return (await self._session.scalars(wanted)).one_or_none()


class SqlNodeRepository(NodeRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def find(self, keys: Collection[str]) -> Mapping[str, SummaryNode]:
        columns = [c for c in summary_nodes.c if c.name != "created_at"]
        wanted = select(*columns).where(summary_nodes.c.key == func.any(literal(list(keys))))
        rows = (await self._session.execute(wanted)).mappings()
        return {row["key"]: SummaryNode(**row) for row in rows}

    @override
    async def keep(self, node: SummaryNode, at: datetime) -> None:
        row = upsert(summary_nodes).values(**asdict(node), created_at=at)
        better = {name: row.excluded[name] for name in asdict(node) if name != "key"}
        await self._session.execute(
            row.on_conflict_do_update(
                index_elements=["key"], set_=better, where=summary_nodes.c.degraded
            )
        )
        _NODES.labels(str(node.degraded).lower()).inc()

    @override
    async def use(self, book_id: UUID, keys: Collection[str]) -> None:
        await self._session.execute(delete(summary_uses).where(summary_uses.c.book_id == book_id))
        kept = select(literal(book_id), summary_nodes.c.key).where(
            summary_nodes.c.key == func.any(literal(list(keys)))
        )
        await self._session.execute(insert(summary_uses).from_select(["book_id", "key"], kept))

    @override
    async def sweep(self, before: datetime, limit: int) -> int:
        unused = ~select(summary_uses).where(summary_uses.c.key == summary_nodes.c.key).exists()
        oldest = (
            select(summary_nodes.c.key)
            .where(unused, summary_nodes.c.created_at < before)
            .order_by(summary_nodes.c.created_at)
            .limit(limit)
        )
        swept = await self._session.execute(
            delete(summary_nodes)
            .where(summary_nodes.c.key.in_(oldest))
            .returning(summary_nodes.c.key)
        )
        return len(swept.all())


class SqlAnnouncedFileRepository(AnnouncedFileRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def announce(self, storage_key: str, at: datetime) -> None:
        row = upsert(announced_files).values(storage_key=storage_key, announced_at=at)
        again = {"announced_at": row.excluded.announced_at}
        await self._session.execute(
            row.on_conflict_do_update(index_elements=["storage_key"], set_=again)
        )

    @override
    async def settle(self, storage_key: str, *, announced_before: datetime | None = None) -> bool:
        mine = announced_files.c.storage_key == storage_key
        if announced_before:
            mine &= announced_files.c.announced_at < announced_before
        settled = delete(announced_files).where(mine).returning(announced_files.c.storage_key)
        return (await self._session.scalars(settled)).one_or_none() is not None

    @override
    async def announced_before(self, moment: datetime) -> Sequence[str]:
        wanted = select(announced_files.c.storage_key).where(
            announced_files.c.announced_at < moment
        )
        return (await self._session.scalars(wanted)).all()


class SqlCatalogWork(SqlWork, CatalogWork):
    violations: ClassVar[Violations] = {
        "uq_books_sha256": DuplicateContent,
        "fk_loans_open_copy": BookOnLoan,
    }

    @override
    def _open(self, session: AsyncSession) -> None:
        self.books = SqlBookRepository(session)
        self.texts = SqlTextRepository(session)
        self.summaries = SqlSummaryRepository(session)
        self.nodes = SqlNodeRepository(session)
        self.files = SqlAnnouncedFileRepository(session)
