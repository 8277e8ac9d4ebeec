"""Summaries of whole books, made in the background and never waited for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.domains.accounts.model import User
from app.domains.catalog.errors import (
    GeneratedTextOff,
    NotYourBook,
    StillBeingRead,
    SummaryNotPossible,
)
from app.domains.catalog.jobs import SummariseBook, SummariseText
from app.domains.catalog.model import Book, Summary
from app.domains.catalog.ports import CatalogWork
from app.domains.catalog.service.citing import CitedEvidence, cited_evidence
from app.domains.catalog.service.heeding import heeding
from app.domains.catalog.service.interview import Memory
from app.domains.catalog.service.memory import Claim, NodeMemory, NoMemory, RunEnded
from app.domains.catalog.service.outline import Budget, estimated_tokens
from app.domains.catalog.service.reading import Reading, read_book, read_text
from app.domains.catalog.service.tree import SummaryTree, questions_for
from app.ports.clock import Clock
from app.ports.jobs import JobRun
from app.ports.llm import LLMProvider, ModelUnavailable
from app.ports.storage import StorageProvider
from app.shared.errors import LibraryError, Unavailable
from app.shared.ids import new_id

# What is asked for is kept until its turn comes, however long the line is.
_LONGEST_IN_LINE = timedelta(days=29)
_SOURCE = ("provider", "model", "prompt", "degraded")


@dataclass(frozen=True, slots=True)
class Generated:
    """A summary made at once, or the job that will make it."""

    presentation: dict[str, Any] | None
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Task:
    """What one run reads."""

    book: Book
    run: UUID
    reading: Reading
    shown: bool


@dataclass(frozen=True, slots=True)
class ShownSummary:
    """A summary, and what bears it out where that was asked for and is known."""

    summary: Summary
    evidence: CitedEvidence | None = None


class SummaryService:
    def __init__(
        self,
        *,
        begin: Callable[[], CatalogWork],
        storage: StorageProvider,
        llm: LLMProvider,
        stand_in: LLMProvider,
        clock: Clock,
        enabled: bool,
        at_once: int = 2,
        heed_every: float = 0.4,
    ) -> None:
        """`heed_every`: seconds until a run that goes on notices that it was cancelled."""
        self._begin = begin
        self._storage = storage
        self._llm = llm
        self._stand_in = stand_in
        self._clock = clock
        self._enabled = enabled
        self._at_once = at_once
        self._heed_every = heed_every

    async def show(self, book_id: UUID, *, evidence: bool = False) -> ShownSummary:
        """The summary as it stands, with what bears it out if that is wanted; never waits for
        a model. Raises BookNotFound."""
        async with self._begin() as work:
            await work.books.get(book_id)
            summary = await work.summaries.find(book_id)
            if not (evidence and self._enabled and summary and summary.presentation):
                return ShownSummary(self._as_it_stands(book_id, summary))
            return ShownSummary(summary, await cited_evidence(work, book_id))

    async def make_anew(self, actor: User, book_id: UUID) -> UUID:
        """Ask for the summary once more; the id of the job. What was answered already is
        not asked again. Raises SummaryNotPossible before the file has been read."""
        self._require_model()
        async with self._begin() as work:
            book = await self._changeable(work, actor, book_id)
            if book.ingestion.status != "ready":
                raise SummaryNotPossible("The summary starts by itself once the file is read.")
            await self._start_over(work, book)
            return await self._ask(work, book, actor)

    async def cancel(self, actor: User, book_id: UUID) -> None:
        """Stop the running summary; what was shown before stays."""
        async with self._begin() as work:
            await self._changeable(work, actor, book_id)
            summary = await work.summaries.find(book_id, for_change=True)
            if summary and summary.status in ("pending", "running"):
                summary.cancel(new_id(), self._clock.now())

    async def generate_for_book(self, actor: User, book_id: UUID) -> Generated:
        """The book's summary if there is one, else a job that ends with it. Raises
        SummaryNotPossible when the file cannot be read."""
        self._require_model()
        async with self._begin() as work:
            book = await work.books.get(book_id, for_change=True)
            if book.ingestion.status == "failed":
                raise SummaryNotPossible("The file of this book cannot be read.")
            summary = await work.summaries.find(book_id)
            if summary and summary.status == "ready":
                return Generated(summary.presentation)
            if summary and summary.status in ("failed", "cancelled"):
                if not book.may_be_changed_by(actor):
                    raise NotYourBook("Its summary was stopped; who added the book may start it.")
                await self._start_over(work, book)
            return Generated(None, await self._ask(work, book, actor))

    async def generate_for_text(self, actor: User, *, content: str, title: str) -> Generated:
        """Summarise a text at once when it fits one question, else by a job."""
        self._require_model()
        if estimated_tokens(content) <= self._budget.longest:
            return Generated(await self._told_of_text(content, title))
        key = f"texts/{new_id()}"
        async with self._begin() as work:
            await work.files.announce(key, self._clock.now() + _LONGEST_IN_LINE)
        await self._storage.write(key, _once(content.encode()))
        async with self._begin() as work:
            return Generated(
                None, await work.jobs.enqueue(SummariseText(key, title), owner=actor.id)
            )

    async def summarise_text(self, storage_key: str, title: str, run: JobRun) -> dict[str, Any]:
        """The handler of SummariseText; the text is swept away a day after its last try."""
        async with self._begin() as work:
            await work.files.announce(storage_key, self._clock.now())
        chunks = [chunk async for chunk in await self._storage.read(storage_key)]
        content = b"".join(chunks).decode()
        return presentation_reply(await self._told_of_text(content, title, run))

    async def summarise(self, book_id: UUID, run: JobRun) -> dict[str, Any]:
        """The handler of SummariseBook. A reader sees an extractive summary within seconds,
        and the model's once it is there; while the model is away the job waits."""
        task = await self._take_up(book_id)
        if not isinstance(task, _Task):
            return task
        try:
            return await heeding(
                self._run(task, run), lambda: self._is_wanted(task), every=self._heed_every
            )
        except RunEnded:
            return {"cancelled": True}
        except Exception as error:
            await self._note(task, error, waiting=isinstance(error, Unavailable))
            raise

    async def _take_up(self, book_id: UUID) -> _Task | dict[str, Any]:
        """What there is to do, or the result if there is nothing left to do."""
        async with self._begin() as work:
            book = await work.books.get(book_id)
            summary = await work.summaries.find(book_id)
            if book.ingestion.status in ("pending", "running"):
                raise StillBeingRead
            if summary and summary.status == "ready" and summary.presentation:
                return presentation_reply(summary.presentation)
            if summary is None or summary.status == "cancelled":
                return {"skipped": True}
            chapters = await work.texts.chapters(book_id)
            passages = await work.texts.passages(book_id)
        known = [book.title, book.author, *(chapter.title for chapter in chapters)]
        reading = await asyncio.to_thread(read_book, chapters, passages, self._budget, known=known)
        if not reading.sections:
            await self.give_up(book_id, code="no_text", detail="There is no text to summarise.")
            return {"skipped": True}
        return _Task(book, summary.run, reading, summary.presentation is not None)

    async def _is_wanted(self, task: _Task) -> bool:
        async with self._begin() as work:
            summary = await work.summaries.find(task.book.id)
        return bool(summary and summary.run == task.run and summary.status != "cancelled")

    async def _run(self, task: _Task, run: JobRun) -> dict[str, Any]:
        planned = questions_for(task.reading, self._llm, self._stand_in)
        if not task.shown and self._llm.card.provider != self._stand_in.card.provider:
            await self._show_stand_in(task)
        async with self._begin() as work:
            (await self._mine(work, task)).begin(self._clock.now(), planned=planned)
        memory = self._memory(run, planned, Claim(task.book.id, task.run))
        tree = self._tree(task, self._llm, memory)
        presentation, evidence = await tree.present()
        shown = asdict(presentation)
        async with self._begin() as work:
            # In the order of whoever removes the book: the book first, then what hangs on it.
            await work.books.get(task.book.id, for_change=True)
            summary = await self._mine(work, task)
            summary.show(shown, self._clock.now())
            summary.finish(self._clock.now())
            await work.summaries.keep_evidence(task.book.id, asdict(evidence))
            await work.nodes.use(task.book.id, tree.keys)
        await run.report(planned, planned)
        return {**presentation_reply(shown), "nodes": planned, "asked": memory.asked}

    async def _show_stand_in(self, task: _Task) -> None:
        presentation, evidence = await self._tree(task, self._stand_in, NoMemory()).present()
        async with self._begin() as work:
            summary = await self._mine(work, task)
            summary.show(asdict(replace(presentation, degraded=True)), self._clock.now())
            await work.summaries.keep_evidence(task.book.id, asdict(evidence))

    async def give_up(self, book_id: UUID, *, code: str, detail: str) -> None:
        """Say that nobody is at work on the summary any more."""
        async with self._begin() as work:
            summary = await work.summaries.find(book_id, for_change=True)
            if summary and summary.status in ("pending", "running"):
                summary.fail(self._clock.now(), {"code": code, "detail": detail})

    async def _note(self, task: _Task, error: Exception, *, waiting: bool) -> None:
        code = error.code if isinstance(error, LibraryError) else "internal_error"
        detail = error.detail if isinstance(error, LibraryError) else "The summary failed."
        async with self._begin() as work:
            summary = await work.summaries.find(task.book.id, for_change=True)
            if summary and summary.run == task.run:
                put = summary.wait if waiting else summary.fail
                put(self._clock.now(), {"code": code, "detail": detail})

    async def _mine(self, work: CatalogWork, task: _Task) -> Summary:
        summary = await work.summaries.find(task.book.id, for_change=True)
        if summary is None or summary.run != task.run or summary.status == "cancelled":
            raise RunEnded
        return summary

    async def _start_over(self, work: CatalogWork, book: Book) -> None:
        summary = await work.summaries.find(book.id, for_change=True)
        if summary is None:
            await work.summaries.add(Summary.pending(book.id, new_id(), self._clock.now()))
        else:
            summary.start_over(new_id(), self._clock.now(), forget=False)

    async def _ask(self, work: CatalogWork, book: Book, actor: User) -> UUID:
        return await work.jobs.enqueue(SummariseBook(book.id, actor.id), owner=actor.id)

    async def _changeable(self, work: CatalogWork, actor: User, book_id: UUID) -> Book:
        book = await work.books.get(book_id, for_change=True)
        if not book.may_be_changed_by(actor):
            raise NotYourBook
        return book

    async def _told_of_text(
        self, content: str, title: str, run: JobRun | None = None
    ) -> dict[str, Any]:
        reading = await asyncio.to_thread(read_text, content, title, self._budget)
        # Without an introduction; and a single passage is not told once more.
        planned = questions_for(reading, self._llm, self._stand_in) - 1
        memory = self._memory(run, 1 if len(reading.passages) == 1 else planned)
        try:
            node = await self._tree_of(reading, title, "", self._llm, memory).summarise()
        except ModelUnavailable:
            if run is not None:
                raise
            node = await self._tree_of(reading, title, "", self._stand_in, NoMemory()).summarise()
            node = replace(node, degraded=True)
        return {
            "summary": node.output["summary"],
            **{name: getattr(node, name) for name in _SOURCE},
        }

    def _tree(self, task: _Task, llm: LLMProvider, memory: Memory) -> SummaryTree:
        return self._tree_of(task.reading, task.book.title, task.book.author, llm, memory)

    def _tree_of(
        self, reading: Reading, title: str, author: str, llm: LLMProvider, memory: Memory
    ) -> SummaryTree:
        return SummaryTree(
            reading,
            title=title,
            author=author,
            llm=llm,
            stand_in=self._stand_in,
            memory=memory,
            at_once=self._at_once,
        )

    @property
    def _budget(self) -> Budget:
        return Budget.for_window(self._llm.card.context)

    def _as_it_stands(self, book_id: UUID, summary: Summary | None) -> Summary:
        if not self._enabled:
            return _none(book_id, self._clock.now(), "cancelled")
        return summary or Summary.pending(book_id, new_id(), self._clock.now())

    def _memory(self, run: JobRun | None, planned: int, claim: Claim | None = None) -> NodeMemory:
        return NodeMemory(
            begin=self._begin, clock=self._clock, run=run, planned=planned, claim=claim
        )

    def _require_model(self) -> None:
        if not self._enabled:
            raise GeneratedTextOff


def presentation_reply(presentation: dict[str, Any]) -> dict[str, Any]:
    """{summary, source} of a stored presentation."""
    source = {key: presentation[key] for key in _SOURCE}
    return {"summary": presentation["summary"], "source": source}


def _none(book_id: UUID, at: datetime, status: str) -> Summary:
    summary = Summary.pending(book_id, new_id(), at)
    summary.status = status
    return summary


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
