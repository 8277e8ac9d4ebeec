"""The catalog room over fakes: people who bring books, a model, and the jobs in between."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from typing_extensions import override

from app.adapters.llm.extractive import ExtractiveLLM
from app.domains.accounts.model import Role, User
from app.domains.catalog.jobs import (
    DiscardFile,
    ReadFile,
    SummariseBook,
    SummariseText,
    SweepOrphans,
)
from app.domains.catalog.model import Book, BookView, Summary
from app.domains.catalog.service import (
    IngestionService,
    ReceivedFile,
    ShelvingService,
    SummaryService,
)
from app.ports.jobs import Handler, JobReport, JobRun
from app.ports.llm import Completion, CompletionRequest, LLMProvider, ModelFailure
from app.ports.storage import ByteRange, StoredObject
from app.ports.text import Document
from app.shared.fencing import fenced_blocks
from tests.fakes.catalog import InMemoryCatalog, work_is_open
from tests.fakes.clock import FrozenClock
from tests.fakes.extractor import PlainTextExtractor
from tests.fakes.jobs import InlineRunner, InMemoryJobBoard
from tests.fakes.lending import a_reader
from tests.fakes.llm import ScriptedLLM
from tests.fakes.storage import InMemoryStorage

Answer = Mapping[str, Any] | ModelFailure | str
Say = Callable[[CompletionRequest], Answer]

MAX_UPLOAD = 1 << 20


def block(request: CompletionRequest, label: str) -> str:
    blocks = fenced_blocks(request.messages[-1].content)
    return next(text for name, text in blocks if name == label)


def sensible(request: CompletionRequest) -> dict[str, Any]:
    """An answer as a good model gives it: it begins with what it read."""
    material = block(request, "passage" if request.task == "summarise_passage" else "parts")
    told = re.sub(r"It tells of|and so on\.|^\d+\. ", "", material, flags=re.MULTILINE)
    words = list(dict.fromkeys(re.findall(r"\w+", told)))[:12]
    summary = f"It tells of {' '.join(words)} and so on."
    if request.task != "introduce_book":
        return {"summary": summary}
    return {
        "hook": "What came after it?",
        "blurb": summary,
        "themes": ["sea"],
        "characters": [],
        "content_warnings": [],
    }


class WatchfulLLM(ScriptedLLM):
    """Answers nobody who stands inside a unit of work."""

    def __init__(self, say: Say = sensible, *, context: int = 8192, model: str = "m-1") -> None:
        super().__init__(say, context=context, model=model)

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        assert not work_is_open()
        return await super().complete(request)


class WatchfulStorage(InMemoryStorage):
    @override
    async def write(self, key: str, stream: AsyncIterator[bytes]) -> StoredObject:
        assert not work_is_open()
        return await super().write(key, stream)

    @override
    async def read(self, key: str, part: ByteRange | None = None) -> AsyncIterator[bytes]:
        assert not work_is_open()
        return await super().read(key, part)

    @override
    async def delete(self, key: str) -> None:
        assert not work_is_open()
        await super().delete(key)


class WatchfulExtractor(PlainTextExtractor):
    """Something may happen while it reads."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    @override
    async def extract(self, stream: AsyncIterator[bytes], media_type: str) -> Document:
        assert not work_is_open()
        if self.meanwhile:
            await self.meanwhile()
        return await super().extract(stream, media_type)


class House:
    def __init__(
        self,
        llm: LLMProvider | None = None,
        *,
        enabled: bool = True,
        contribute: bool = True,
        at_once: int = 2,
        heed_every: float = 0.4,
        max_upload: int = MAX_UPLOAD,
    ) -> None:
        self.clock = FrozenClock()
        self.board = InMemoryJobBoard(now=self.clock.now)
        self.catalog = InMemoryCatalog(self.board)
        self.storage = WatchfulStorage()
        self.extractor = WatchfulExtractor()
        self.owner = a_reader("Owner")
        self.stranger = a_reader("Stranger")
        self.librarian = a_reader("Librarian", Role.LIBRARIAN)
        self._enabled = enabled
        self._at_once = at_once
        self._heed_every = heed_every
        self.shelving = ShelvingService(
            begin=self.catalog.begin,
            storage=self.storage,
            extractor=self.extractor,
            clock=self.clock,
            max_upload=max_upload,
            members_contribute=contribute,
        )
        self.ingestion = IngestionService(
            begin=self.catalog.begin,
            storage=self.storage,
            extractor=self.extractor,
            clock=self.clock,
            summarise=enabled,
        )
        self.staff(llm or WatchfulLLM())

    def staff(self, llm: LLMProvider) -> None:
        """The same house with another model."""
        self.llm = llm
        self.summaries = SummaryService(
            begin=self.catalog.begin,
            storage=self.storage,
            llm=llm,
            stand_in=ExtractiveLLM(),
            clock=self.clock,
            enabled=self._enabled,
            at_once=self._at_once,
            heed_every=self._heed_every,
        )
        self.runner = InlineRunner(self.board, self._handlers())

    def _handlers(self) -> dict[str, Handler]:
        async def read_file(arguments: Mapping[str, Any], run: JobRun) -> Mapping[str, Any]:
            return await self.ingestion.read_file(UUID(arguments["book_id"]), run)

        async def summarise_book(arguments: Mapping[str, Any], run: JobRun) -> Mapping[str, Any]:
            return await self.summaries.summarise(UUID(arguments["book_id"]), run)

        async def summarise_text(arguments: Mapping[str, Any], run: JobRun) -> Mapping[str, Any]:
            return await self.summaries.summarise_text(**arguments, run=run)

        async def discard_file(arguments: Mapping[str, Any], run: JobRun) -> None:
            await self.shelving.discard_stored(arguments["storage_key"])

        async def sweep_orphans(arguments: Mapping[str, Any], run: JobRun) -> Mapping[str, Any]:
            await self.ingestion.schedule_sweep(later=True)
            return await self.ingestion.sweep()

        return {
            ReadFile.kind: read_file,
            SummariseBook.kind: summarise_book,
            SummariseText.kind: summarise_text,
            DiscardFile.kind: discard_file,
            SweepOrphans.kind: sweep_orphans,
        }

    async def receive(
        self, content: str | bytes, *, filename: str = "book.txt", actor: User | None = None
    ) -> ReceivedFile:
        data = content.encode() if isinstance(content, str) else content
        return await self.shelving.receive(
            actor or self.owner, filename=filename, stream=streamed(data)
        )

    async def bring(self, content: str, *, filename: str = "book.txt", **said: Any) -> UUID:
        """A book on the shelf whose file has not been read yet."""
        file = await self.receive(content, filename=filename)
        return (await self.shelving.shelve(self.owner, file, said)).book.id

    async def shelve(self, content: str, **said: Any) -> UUID:
        """A book, read and summarised."""
        book_id = await self.bring(content, **said)
        await self.work()
        return book_id

    async def work(self) -> None:
        await self.runner.kick()

    async def wait(self, **time: float) -> None:
        """Let time pass, then do what is due."""
        self.clock.advance(timedelta(**time))
        await self.work()

    async def see(self, book_id: UUID) -> BookView:
        return await self.shelving.find(book_id)

    async def book(self, book_id: UUID) -> Book:
        book = (await self.see(book_id)).book
        assert isinstance(book, Book)
        return book

    async def summary(self, book_id: UUID) -> Summary:
        return (await self.summaries.show(book_id)).summary

    async def shown(self, book_id: UUID) -> dict[str, Any]:
        presentation = (await self.summary(book_id)).presentation
        assert presentation
        return presentation

    async def report(self, job_id: UUID) -> JobReport:
        report = await self.board.find(job_id)
        assert report
        return report

    @property
    def requests(self) -> list[CompletionRequest]:
        assert isinstance(self.llm, ScriptedLLM)
        return self.llm.requests


async def streamed(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def a_novel(chapters: int = 4, sentences: int = 330, salt: str = "") -> str:
    """Chapters of distinct sentences, each chapter of several passages."""
    return "\n\n".join(
        f"CHAPTER {c}\n\n" + " ".join(_sentence(c, s, salt) for s in range(sentences))
        for c in range(1, chapters + 1)
    )


def _sentence(chapter: int, number: int, salt: str) -> str:
    return (
        f"On day {number} of part {chapter}{salt} the keeper {_name(2 * number + chapter * 1000)}"
        f" of lamp {chapter * number} wrote down that {_name(2 * number + chapter * 1000 + 1)}"
        f" had passed the rock without a sound."
    )


def _name(number: int) -> str:
    """Six letters; a name for each number below 8,000, no two alike."""
    return "".join(_SYLLABLES[number // 20**n % 20] for n in range(3)).title()


_SYLLABLES = "ka lo mi re su ta vo be ti ok pa du ne zu fi ga ho ji ul er".split()
