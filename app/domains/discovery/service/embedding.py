"""Giving the passages of the books their vectors, a few at a time, behind everything else."""

import logging
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from app.domains.discovery.jobs import EmbedBook
from app.domains.discovery.model import Space, Unembedded
from app.domains.discovery.ports import DiscoveryWork
from app.ports.embeddings import EmbeddingProvider, EmbeddingsRefused, EmbeddingsUnavailable
from app.ports.jobs import JobRun

# As many as a model is asked for at once, and what a job does before it steps behind whatever
# waits meanwhile: seconds on a small machine.
_STRETCH = 16
_TURN = 64
_PAGE = 500
_FORGOTTEN_AT_ONCE = 2_000

log = logging.getLogger(__name__)


class EmbeddingService:
    """Without a model, and on a database that keeps no vectors, nothing is asked for and
    nothing done. Failures of the model are let out: the job is run again later."""

    def __init__(
        self, *, begin: Callable[[], DiscoveryWork], model: EmbeddingProvider | None
    ) -> None:
        self._begin = begin
        self._model = model

    async def ask_for(self, book_id: UUID) -> None:
        """Have the passages of the book embedded that are not."""
        if self._model is not None:
            async with self._begin() as work:
                await work.jobs.enqueue(EmbedBook(book_id))

    async def ask_for_unfinished(self) -> int:
        """Have every book embedded that is not wholly; how many there are. When there is none
        left, drop what other models have made and nobody uses. Nothing while the model is
        away: whoever asks comes again."""
        try:
            space = await self._space()
        except (EmbeddingsUnavailable, EmbeddingsRefused) as error:
            log.warning("Books are not embedded: %s", error)
            return 0
        if space is None:
            return 0
        number, after = 0, None
        while True:
            async with self._begin() as work:
                books = await work.vectors.unfinished(space, after, _PAGE)
                for book_id in books:
                    await work.jobs.enqueue(EmbedBook(book_id))
            if not books:
                break
            number, after = number + len(books), books[-1]
        if not number:
            await self._forget_others(space)
        return number

    async def embed(self, book_id: UUID, run: JobRun) -> Mapping[str, object]:
        """Embed some of the book; the rest follows in a job of its own."""
        space = await self._space()
        if space is None:
            return {"passages": 0}
        async with self._begin() as work:
            planned = await work.vectors.left(space, book_id)
        done = 0
        while done < _TURN and (stretch := await self._missing(space, book_id)):
            done += await self._give(space, book_id, stretch)
            await run.report(min(done, planned), planned)
        if done < planned:
            await self.ask_for(book_id)
        return {"passages": done}

    async def embed_whole(self, book_id: UUID) -> int:
        """Embed what is missing of the book, at once; how many passages."""
        space = await self._space()
        done = 0
        while space is not None and (stretch := await self._missing(space, book_id)):
            done += await self._give(space, book_id, stretch)
        return done

    async def _space(self) -> Space | None:
        if self._model is None:
            return None
        card = await self._model.card()
        async with self._begin() as work:
            return await work.vectors.open(card.reference, card.dimensions)

    async def _missing(self, space: Space, book_id: UUID) -> Sequence[Unembedded]:
        async with self._begin() as work:
            return await work.vectors.missing(space, book_id, _STRETCH)

    async def _give(self, space: Space, book_id: UUID, stretch: Sequence[Unembedded]) -> int:
        """Equal texts are embedded once."""
        assert self._model is not None
        texts = list(dict.fromkeys(each.text for each in stretch if not each.known))
        vectors = await self._model.embed(texts, kind="passage") if texts else []
        made = dict(zip(texts, vectors, strict=True))
        async with self._begin() as work:
            return await work.vectors.write(
                space, book_id, {each: made.get(each.text) for each in stretch}
            )

    async def _forget_others(self, space: Space) -> None:
        while True:
            async with self._begin() as work:
                if not await work.vectors.forget_others(space, _FORGOTTEN_AT_ONCE):
                    return
