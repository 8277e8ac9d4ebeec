"""Reading what a file says: its text, its chapters, its own metadata."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from app.domains.catalog.jobs import DiscardFile, SummariseBook, SweepOrphans
from app.domains.catalog.model import Content, Ingestion, Summary
from app.domains.catalog.ports import CatalogWork
from app.domains.catalog.service.passages import passages_of_document
from app.ports.clock import Clock
from app.ports.jobs import JobRun
from app.ports.storage import ObjectMissing, StorageProvider
from app.ports.text import Document, TextExtractor, UnreadableDocument
from app.shared.errors import Unavailable
from app.shared.ids import new_id

_SWEEP_EVERY = timedelta(hours=6)
_ORPHAN_AFTER = timedelta(hours=24)
# Longer than any run takes whose answers no book uses yet, a long absence of the model included.
_NODE_UNUSED_FOR = timedelta(days=30)
_LOT = 1_000


class IngestionService:
    def __init__(
        self,
        *,
        begin: Callable[[], CatalogWork],
        storage: StorageProvider,
        extractor: TextExtractor,
        clock: Clock,
        summarise: bool,
    ) -> None:
        self._begin = begin
        self._storage = storage
        self._extractor = extractor
        self._clock = clock
        self._summarise = summarise

    async def read_file(self, book_id: UUID, run: JobRun) -> dict[str, object]:
        """Read the book's file and keep what it says. A file that cannot be read leaves the
        book with a failed ingestion that says why; that is no failure of the job."""
        content = await self._mark_running(book_id)
        try:
            stream = await self._storage.read(content.storage_key)
            document = await self._extractor.extract(stream, content.media_type)
        except UnreadableDocument as error:
            return await self._mark_failed(book_id, content, error.reason, error.detail)
        except ObjectMissing as error:
            # Gone, or damaged, which is found out before the parser sees any of it.
            return await self._mark_failed(book_id, content, error.code, error.detail)
        except Unavailable:
            raise
        except Exception:
            await self._mark_failed(book_id, content, "internal_error", "The reading failed.")
            raise
        kept = await self._keep(book_id, content, document)
        await run.report(1, 1)
        return {"words": document.words, "chapters": len(document.chapters), "kept": kept}

    async def give_up(self, book_id: UUID, *, code: str, detail: str) -> None:
        """Say that nobody is at work on the file any more."""
        async with self._begin() as work:
            book = await work.books.get(book_id)
        if book.ingestion.status in ("pending", "running"):
            await self._mark_failed(book_id, book.content, code, detail)

    async def sweep(self) -> dict[str, object]:
        """Remove what no book refers to any more."""
        return {"files": await self._sweep_files(), "nodes": await self._sweep_nodes()}

    async def _sweep_files(self) -> int:
        before, swept = self._clock.now() - _ORPHAN_AFTER, 0
        async with self._begin() as work:
            keys = await work.files.announced_before(before)
        for key in keys:
            async with self._begin() as work:
                # It may belong to a book by now, or be announced anew.
                if await work.files.settle(key, announced_before=before):
                    await work.jobs.enqueue(DiscardFile(key))
                    swept += 1
        return swept

    async def _sweep_nodes(self) -> int:
        """In lots, so that nobody waits long for them."""
        before, swept = self._clock.now() - _NODE_UNUSED_FOR, 0
        while True:
            async with self._begin() as work:
                lot = await work.nodes.sweep(before, _LOT)
            swept += lot
            if lot < _LOT:
                return swept

    async def schedule_sweep(self, *, later: bool = False) -> None:
        """Now or, `later`, in some hours."""
        async with self._begin() as work:
            await work.jobs.enqueue(SweepOrphans(), delay=_SWEEP_EVERY if later else None)

    async def _mark_running(self, book_id: UUID) -> Content:
        async with self._begin() as work:
            book = await work.books.get(book_id, for_change=True)
            book.ingestion = Ingestion(status="running")
            return book.content

    async def _mark_failed(
        self, book_id: UUID, content: Content, code: str, detail: str
    ) -> dict[str, object]:
        async with self._begin() as work:
            book = await work.books.get(book_id, for_change=True)
            if book.content.storage_key == content.storage_key:
                book.ingestion = Ingestion("failed", 0, 1, code, detail)
                book.updated_at = self._clock.now()
                await work.texts.forget(book_id)
                summary = await self._summary_anew(work, book_id)
                summary.fail(self._clock.now(), {"code": code, "detail": detail})
        return {"failed": code}

    async def _keep(self, book_id: UUID, content: Content, document: Document) -> bool:
        """Keep the text, unless the book has another file by now."""
        passages = await asyncio.to_thread(passages_of_document, document)
        async with self._begin() as work:
            book = await work.books.get(book_id, for_change=True)
            if book.content.storage_key != content.storage_key:
                return False
            await work.texts.keep(book_id, document.chapters, passages)
            book.learn(document.metadata, self._clock.now())
            if "language" in book.unsaid:
                book.language = document.language
            book.words = document.words
            book.notes = list(document.notes)
            book.ingestion = Ingestion("ready", 1, 1)
            await self._ask_for_summary(work, book_id, book.added_by)
        return True

    async def _ask_for_summary(self, work: CatalogWork, book_id: UUID, owner: UUID | None) -> None:
        summary = await self._summary_anew(work, book_id)
        if self._summarise:
            await work.jobs.enqueue(SummariseBook(book_id), owner=owner)
        else:
            summary.cancel(summary.run, self._clock.now())

    async def _summary_anew(self, work: CatalogWork, book_id: UUID) -> Summary:
        summary = await work.summaries.find(book_id, for_change=True)
        if summary is None:
            summary = Summary.pending(book_id, new_id(), self._clock.now())
            await work.summaries.add(summary)
        summary.start_over(new_id(), self._clock.now(), forget=True)
        return summary
