"""The consensus of a book, brought up to date: read what is unread, count, tell if it matters.

A state, not a text that is rewritten: each review is read once, by itself; the sums are the
database's; the text is told from the sums and a few sentences, whatever the number of reviews.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.domains.reviews.jobs import RereadReviews
from app.domains.reviews.model import Exemplar, Reading, Review, Source, Standing
from app.domains.reviews.ports import ReviewsWork
from app.domains.reviews.service.answer import Told, faults, heard_in, text_of, told_in
from app.domains.reviews.service.question import Question
from app.domains.reviews.service.reading import ReviewReader, carried_over
from app.domains.reviews.service.telling import (
    TOLD_BY_NUMBERS,
    basis_of,
    matters,
    owed,
    text_by_numbers,
)
from app.ports.clock import Clock
from app.ports.jobs import JobRun
from app.ports.llm import ContextOverflow, LLMProvider, ModelFailure, StructureBroken

_ATTEMPTS = 2
_CARRIED = 3
_ASK_AGAIN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class _Matter:
    """What there is to tell, as it stood after so many retractions; `failed`: the basis of
    the answers that were of no use, if it has hardly changed."""

    standing: Standing
    exemplars: Sequence[Exemplar]
    retractions: int
    failed: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Found:
    """A reading, and the text it quotes."""

    reading: Reading
    text: str


@dataclass(frozen=True, slots=True)
class _Telling:
    text: str
    source: Source
    basis: Mapping[str, Any]


class ConsensusRefresh:
    """One run for one book. No transaction is open while a model thinks; whatever changed
    meanwhile is noticed afterwards, and has a job of its own."""

    def __init__(
        self,
        book_id: UUID,
        *,
        begin: Callable[[], ReviewsWork],
        clock: Clock,
        llm: LLMProvider,
        fallback: LLMProvider,
    ) -> None:
        self._book_id = book_id
        self._begin = begin
        self._clock = clock
        self._llm = llm
        self._fallback = fallback
        self._reader = ReviewReader(llm, fallback)

    async def run(self, run: JobRun) -> None:
        """Raises the catalog's BookNotFound when the book goes meanwhile."""
        await self._read_reviews(run)
        if matter := await self._gather():
            await self._keep(matter, await self._tell(matter))
        if self._reader.model_may_return:
            async with self._begin() as work:
                await work.jobs.enqueue(RereadReviews(self._book_id), delay=_ASK_AGAIN)

    async def _read_reviews(self, run: JobRun) -> None:
        async with self._begin() as work:
            reader = self._llm.card.reference
            waiting = await work.reviews.waiting_for(reader, self._book_id)
        for done, review_id in enumerate(waiting, start=1):
            if not await self._read_review(review_id):
                break
            await run.report(done, len(waiting))

    async def _read_review(self, review_id: UUID) -> bool:
        """False once only reviews are left that the stand-in has read before."""
        async with self._begin() as work:
            review = await work.reviews.find(review_id)
            found = await self._read_before(work, review) if review else None
        if review is None:
            return True
        if review.is_read and self._reader.model_fails and found is None:
            return False
        await self._count(review, found or _Found(await self._reader.read(review), review.text))
        return True

    async def _count(self, review: Review, found: _Found) -> None:
        """Count what was found, quoted from the text as it stands by now; of one that has
        other words, or others of its white space each time, nothing: its edit has a job."""
        text = review.text
        for _ in range(_CARRIED):
            carried = await asyncio.to_thread(
                carried_over, found.reading.opinions, found.text, text
            )
            async with self._begin() as work:
                await work.reviews.hold(self._book_id)
                current = await work.reviews.find(review.id)
                if current is None or not current.says_the_same_as(text):
                    return
                if current.text == text:
                    await work.reviews.read(current, replace(found.reading, opinions=carried))
                    return
                text = current.text

    async def _read_before(self, work: ReviewsWork, review: Review) -> _Found | None:
        """What was found where the same words were read in the same way."""
        reader, prompt = self._llm.card.reference, self._reader.prompt
        twin = await work.reviews.twin_of(review, reader=reader, prompt=prompt)
        if twin is None:
            return None
        opinions = await work.reviews.opinions_of(twin)
        return _Found(Reading(opinions, reader, twin.read_degraded, prompt), twin.text)

    async def _gather(self) -> _Matter | None:
        """What is to be told, or None when the text that is there will do."""
        async with self._begin() as work:
            await work.reviews.hold(self._book_id)
            standing = await work.reviews.standing(self._book_id)
            consensus = await work.consensus.find(self._book_id)
            if consensus is None or not standing.readers:
                return None
            same = bool(consensus.text) and not matters(consensus.basis, standing)
            if same and not consensus.degraded:
                consensus.vouch(covered=standing.readers, at=self._clock.now())
                if standing.all_read:
                    consensus.settle()
                return None
            # A text of numbers costs nothing and shows its age: always anew. A model that
            # could not tell this much is not asked again until there is something else to tell.
            failed = consensus.basis if same and self._has_failed(consensus.basis) else None
            exemplars = await work.reviews.exemplars(self._book_id)
            return _Matter(standing, exemplars, consensus.retractions, failed)

    async def _tell(self, matter: _Matter) -> _Telling:
        question = Question.about(matter.standing, matter.exemplars)
        for _ in range(_ATTEMPTS if self._may_ask(matter) else 0):
            try:
                answer = await self._llm.complete(question.request())
            except ModelFailure as failure:
                self._reader.give_up(failure)
                useless = isinstance(failure, StructureBroken | ContextOverflow)
                return self._told_in_vain(matter, asked=useless)
            told = told_in(answer.parsed or {}, matter.standing)
            wrong = faults(told, matter.standing, question.voices)
            if not wrong:
                return self._telling(question, told)
            question = question.again(wrong)
        return self._told_in_vain(matter, asked=question.attempt > 0)

    def _may_ask(self, matter: _Matter) -> bool:
        """Where readers speak of nothing there is nothing to tell but their stars, and a
        stand-in has no words but ours."""
        away = self._reader.model_fails or self._reader.is_stand_in
        return bool(matter.standing.aspects) and not away and matter.failed is None

    def _told_in_vain(self, matter: _Matter, *, asked: bool) -> _Telling:
        telling = _by_numbers(matter.standing)
        if asked:
            failed = {**telling.basis, "failed": self._llm.card.reference}
            return replace(telling, basis=failed)
        return replace(telling, basis=matter.failed) if matter.failed else telling

    def _has_failed(self, basis: Mapping[str, Any]) -> bool:
        return bool(basis.get("failed") == self._llm.card.reference)

    def _telling(self, question: Question, told: Sequence[Told]) -> _Telling:
        card, prompt = self._llm.card, question.request().prompt
        return _Telling(
            text_of(told, question.standing),
            Source(card.provider, card.model, prompt, degraded=False),
            question.record(heard_in(told)),
        )

    async def _keep(self, matter: _Matter, telling: _Telling) -> None:
        async with self._begin() as work:
            await work.reviews.hold(self._book_id)
            consensus = await work.consensus.find(self._book_id)
            # It may rest on a review that is gone; the job of that change tells it anew.
            if consensus is None or consensus.retractions != matter.retractions:
                return
            covered, now = matter.standing.readers, self._clock.now()
            consensus.tell(
                telling.text, telling.source, basis=telling.basis, covered=covered, at=now
            )
            standing = await work.reviews.standing(self._book_id)
            if standing == matter.standing and standing.all_read:
                consensus.settle()


def _by_numbers(standing: Standing) -> _Telling:
    basis = basis_of(standing, (), owed(standing))
    return _Telling(text_by_numbers(standing), TOLD_BY_NUMBERS, basis)
