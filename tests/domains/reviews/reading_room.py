"""The reviews room over fakes, with a model that reads and tells as a test wants it to."""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from typing_extensions import override

from app.adapters.llm.extractive import ExtractiveLLM
from app.domains.accounts.model import User
from app.domains.lending.model import Marker
from app.domains.lending.service import LendingService
from app.domains.reviews.model import Analysis, Aspect, Consensus, Opinion, Polarity, Review
from app.domains.reviews.service import ReviewsService
from app.ports.jobs import Job
from app.ports.llm import Completion, CompletionRequest, LLMProvider, ModelFailure
from app.shared.fencing import fenced_blocks
from app.shared.ids import new_id
from tests.fakes.clock import FrozenClock
from tests.fakes.lending import InMemoryLending
from tests.fakes.llm import ScriptedLLM
from tests.fakes.reviews import InMemoryReviews, WatchedRun

Answer = Mapping[str, Any] | ModelFailure | str


def sentence(aspect: str, stance: str, text: str) -> dict[str, Any]:
    return {"aspect": aspect, "stance": stance, "text": text}


def told(*sentences: dict[str, Any]) -> dict[str, Any]:
    return {"sentences": list(sentences)}


_FACT = re.compile(r"^(?P<name>.+) \((?P<stance>positive|negative|mixed)\): .+$", re.M)


def facts_in(request: CompletionRequest) -> list[tuple[str, str]]:
    """Which aspect and which stance the facts of a question name, line by line."""
    (facts,) = [text for label, text in fenced_blocks(asked(request)) if label == "facts"]
    return [(fact["name"], fact["stance"]) for fact in _FACT.finditer(facts)]


def faithfully(request: CompletionRequest) -> dict[str, Any]:
    """An answer that says what every fact about an aspect says, and no more."""
    said = [(name, stance) for name, stance in facts_in(request) if name != "overall"]
    return told(*(sentence(n, s, f"On {n} they are {s}: {n[::-1]}, {s[:3]}{n}.") for n, s in said))


def opinion(sentence: int, aspect: str, polarity: str) -> dict[str, Any]:
    return {"sentence": sentence, "aspect": aspect, "polarity": polarity}


def about(number: int, word: str, polarity: str) -> dict[str, Any]:
    if word in set(Aspect):
        return opinion(number, word, polarity)
    return {**opinion(number, "other", polarity), "topic": word}


def by_words(request: CompletionRequest) -> dict[str, Any]:
    """Opinions of sentences that begin with `+plot`, `-ending`, `~prose` …, or with a topic
    beyond our list, as `+maps`."""
    signs = {"+": "positive", "-": "negative", "~": "mixed"}
    (lines,) = [text for label, text in fenced_blocks(asked(request)) if label == "sentences"]
    said = [line.split(": ", 1)[1].split()[0].rstrip(".") for line in lines.splitlines()]
    found = [
        about(number, word[1:], signs[word[0]])
        for number, word in enumerate(said, start=1)
        if word[0] in signs
    ]
    return {"opinions": found}


def model(
    *,
    reads: Callable[[CompletionRequest], Answer] = by_words,
    tells: Callable[[CompletionRequest], Answer] = faithfully,
    name: str = "scripted-1",
) -> ScriptedLLM:
    def say(request: CompletionRequest) -> Answer:
        return reads(request) if request.task == "read_review" else tells(request)

    return ScriptedLLM(say, model=name)


class InterruptedLLM(ScriptedLLM):
    """Something happens while it tells the consensus, or reads a review."""

    def __init__(
        self, meanwhile: Callable[[], Awaitable[None]], *, at: str = "tell_consensus"
    ) -> None:
        super().__init__(lambda q: by_words(q) if q.task == "read_review" else faithfully(q))
        self._meanwhile = meanwhile
        self._at = at

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        if request.task == self._at:
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
        self.lending = LendingService(
            begin=self.loans.begin, clock=self.clock, limit=1000, marker=Marker(b"key")
        )
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

    def fill(self, book: UUID, readers: int) -> None:
        """So many reviews that have been read, two opinions each, without any work."""
        shelf, at = self.shelf.shelf, self.clock.now()
        for number in range(readers):
            text = f"This is what reader {number} has to say, in words of some length."
            review = Review(
                id=new_id(), book_id=book, user_id=new_id(), rating=1 + number % 5, text=text,
                created_at=at, updated_at=at, read_revision=1,
            )  # fmt: skip
            shelf.reviews[review.id] = review
            shelf.opinions[review.id] = [
                Opinion(1, list(Aspect)[(number + step) % 13], list(Polarity)[number % 3], text)
                for step in (0, 5)
            ]
        shelf.consensus[book] = Consensus.untold(book, at)

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
