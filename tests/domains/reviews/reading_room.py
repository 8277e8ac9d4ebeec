"""The reviews room over fakes, with a model that reads and tells as a test wants it to."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from typing_extensions import override

from app.adapters.llm.extractive import ExtractiveLLM
from app.domains.accounts.model import User
from app.domains.lending.service import LendingService
from app.domains.reviews.model import Analysis, Review
from app.domains.reviews.service import ReviewsService
from app.ports.jobs import Job
from app.ports.llm import Completion, CompletionRequest, LLMProvider, ModelFailure
from app.shared.fencing import fenced_blocks
from tests.fakes.clock import FrozenClock
from tests.fakes.lending import InMemoryLending
from tests.fakes.llm import ScriptedLLM
from tests.fakes.reviews import InMemoryReviews, WatchedRun

Answer = Mapping[str, Any] | ModelFailure | str


def told(text: str = "Readers like the plot and little else.") -> dict[str, Any]:
    return {"consensus": text}


def opinion(sentence: int, aspect: str, polarity: str) -> dict[str, Any]:
    return {"sentence": sentence, "aspect": aspect, "polarity": polarity}


def by_words(request: CompletionRequest) -> dict[str, Any]:
    """Opinions of sentences that begin with `+plot`, `-ending`, `~prose` …"""
    signs = {"+": "positive", "-": "negative", "~": "mixed"}
    (lines,) = [text for label, text in fenced_blocks(asked(request)) if label == "sentences"]
    said = [line.split(": ", 1)[1].split()[0].rstrip(".") for line in lines.splitlines()]
    found = [
        opinion(number, word[1:], signs[word[0]])
        for number, word in enumerate(said, start=1)
        if word[0] in signs
    ]
    return {"opinions": found}


def model(
    *,
    reads: Callable[[CompletionRequest], Answer] = by_words,
    tells: Callable[[CompletionRequest], Answer] = lambda _: told(),
    name: str = "scripted-1",
) -> ScriptedLLM:
    def say(request: CompletionRequest) -> Answer:
        return reads(request) if request.task == "read_review" else tells(request)

    return ScriptedLLM(say, model=name)


class InterruptedLLM(ScriptedLLM):
    """Something happens while it tells the consensus."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(lambda q: by_words(q) if q.task == "read_review" else told())
        self._meanwhile = meanwhile

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        if request.task == "tell_consensus":
            await self._meanwhile()
        return await super().complete(request)


def asked(request: CompletionRequest) -> str:
    return request.messages[-1].content


class ReadingRoom:
    """Readers who borrow, books they review, and the service under test."""

    def __init__(self, llm: LLMProvider | None = None, *, enabled: bool = True) -> None:
        self.shelf = InMemoryReviews()
        self.loans = InMemoryLending()
        self.clock = FrozenClock()
        self.lending = LendingService(begin=self.loans.begin, clock=self.clock, limit=1000)
        self.service = self.staffed(llm or model(), enabled=enabled)

    def staffed(self, llm: LLMProvider, *, enabled: bool = True) -> ReviewsService:
        """The same room with another model."""
        self.llm = llm
        self.service = ReviewsService(
            begin=self.shelf.begin,
            clock=self.clock,
            lending=self.lending,
            llm=llm,
            fallback=ExtractiveLLM(),
            enabled=enabled,
        )
        return self.service

    async def add_book(self) -> UUID:
        book = await self.shelf.add_book()
        self.loans.shelf.copies[book] = 10_000
        return book

    async def add_reader(self, name: str = "Ada", *, of: UUID | None = None) -> User:
        reader = await self.shelf.add_reader(name)
        self.loans.shelf.readers.add(reader.id)
        if of:
            await self.lending.borrow(reader, of)
        return reader

    async def review(self, book: UUID, text: str, *, rating: int = 4) -> tuple[User, Review]:
        reader = await self.add_reader(of=book)
        view = await self.service.review(reader, book, rating=rating, text=text)
        return reader, view.review

    async def refresh(self, book: UUID) -> WatchedRun:
        """Run what is pending, and let the delayed wait."""
        run = WatchedRun()
        self.shelf.shelf.jobs.clear()
        await self.service.refresh_consensus(book, run)
        return run

    async def analysis(self, book: UUID) -> Analysis:
        return await self.service.analysis(book)

    @property
    def jobs(self) -> list[tuple[Job, timedelta | None]]:
        return self.shelf.shelf.jobs

    def questions(self, task: str) -> list[CompletionRequest]:
        assert isinstance(self.llm, ScriptedLLM)
        return [request for request in self.llm.requests if request.task == task]
