"""The consensus of a book, brought up to date: read what is unread, count, tell if it matters.

A state, not a text that is rewritten: each review is read once, by itself; the sums are the
database's; the text is told from the sums and a few sentences, whatever the number of reviews.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.domains.reviews.jobs import RereadReviews
from app.domains.reviews.model import Exemplar, Source, Standing
from app.domains.reviews.ports import ReviewsWork
from app.domains.reviews.prompts import tell_consensus_prompt
from app.domains.reviews.service.reading import ReviewReader
from app.domains.reviews.service.telling import (
    TOLD_BY_NUMBERS,
    basis_of,
    facts_of,
    is_sound,
    matters,
    text_by_numbers,
    voices_of,
)
from app.ports.clock import Clock
from app.ports.jobs import JobRun
from app.ports.llm import LLMProvider, ModelFailure

_ASK_AGAIN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class _Matter:
    """What there is to tell, as it stood after so many retractions."""

    standing: Standing
    exemplars: Sequence[Exemplar]
    retractions: int


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
            text, source, voices = await self._tell(matter)
            await self._keep(matter, text, source, voices)
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
        if review is None:
            return True
        if review.is_read and self._reader.model_fails:
            return False
        reading = await self._reader.read(review)
        async with self._begin() as work:
            await work.reviews.hold(self._book_id)
            current = await work.reviews.find(review_id)
            if current and current.revision == review.revision:
                await work.reviews.read(current, reading)
        return True

    async def _gather(self) -> _Matter | None:
        """What is to be told, or None when the text that is there will do."""
        async with self._begin() as work:
            await work.reviews.hold(self._book_id)
            standing = await work.reviews.standing(self._book_id)
            consensus = await work.consensus.find(self._book_id)
            if consensus is None or not standing.readers:
                return None
            # A text of numbers costs nothing and shows its age: always anew.
            if consensus.text and not consensus.degraded and not matters(consensus.basis, standing):
                consensus.vouch(covered=standing.readers, at=self._clock.now())
                if standing.all_read:
                    consensus.settle()
                return None
            exemplars = await work.reviews.exemplars(self._book_id)
            return _Matter(standing, exemplars, consensus.retractions)

    async def _tell(self, matter: _Matter) -> tuple[str, Source, Sequence[Exemplar]]:
        facts, voices = facts_of(matter.standing), voices_of(matter.exemplars)
        request = tell_consensus_prompt(facts=facts, voices=[line for _, line in voices])
        if not self._reader.model_fails:
            try:
                answer = await self._llm.complete(request)
            except ModelFailure as failure:
                self._reader.give_up(failure)
            else:
                text = str((answer.parsed or {}).get("consensus", "")).strip()
                if is_sound(text, facts):
                    used = [exemplar for exemplar, _ in voices]
                    return text, self._source(request.prompt), used
        return text_by_numbers(matter.standing), TOLD_BY_NUMBERS, ()

    async def _keep(
        self, matter: _Matter, text: str, source: Source, voices: Sequence[Exemplar]
    ) -> None:
        async with self._begin() as work:
            await work.reviews.hold(self._book_id)
            consensus = await work.consensus.find(self._book_id)
            # It may rest on a review that is gone; the job of that change tells it anew.
            if consensus is None or consensus.retractions != matter.retractions:
                return
            basis = basis_of(matter.standing, voices)
            covered, now = matter.standing.readers, self._clock.now()
            consensus.tell(text, source, basis=basis, covered=covered, at=now)
            standing = await work.reviews.standing(self._book_id)
            if standing == matter.standing and standing.all_read:
                consensus.settle()

    def _source(self, prompt: str) -> Source:
        card = self._llm.card
        stands_in = card.provider == self._fallback.card.provider
        return Source(card.provider, card.model, prompt, degraded=stands_in)
