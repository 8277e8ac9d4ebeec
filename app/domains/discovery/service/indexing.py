"""Making the text of the books searchable, a stretch at a time, beside everything else."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from uuid import UUID

from app.domains.catalog.errors import BookNotFound
from app.domains.discovery.jobs import CountWords, IndexBook
from app.domains.discovery.ports import DiscoveryWork
from app.domains.discovery.service.embedding import EmbeddingService
from app.ports.embeddings import EmbeddingsRefused, EmbeddingsUnavailable
from app.ports.jobs import JobRun
from app.shared.errors import LibraryError

Tell = Callable[[int, int], Awaitable[None]]

# A transaction of about a third of a second.
_STRETCH = 250
_PAGE = 500
# While many books come in, words are counted once for all that came in a minute.
_SETTLING = timedelta(minutes=1)


class IndexingService:
    def __init__(self, *, begin: Callable[[], DiscoveryWork], embedding: EmbeddingService) -> None:
        self._begin = begin
        self._embedding = embedding

    async def ask_for(self, book_id: UUID) -> None:
        """Have the book indexed, as far as it is not."""
        async with self._begin() as work:
            await work.jobs.enqueue(IndexBook(book_id))

    async def ask_for_unfinished(self) -> int:
        """Have every book indexed that has passages which are not; how many there are."""
        number, after = 0, None
        while True:
            async with self._begin() as work:
                books = await work.indexed.unfinished(after, _PAGE)
                for book_id in books:
                    await work.jobs.enqueue(IndexBook(book_id))
            if not books:
                return number
            number, after = number + len(books), books[-1]

    async def index(self, book_id: UUID, run: JobRun) -> Mapping[str, object]:
        """Index what is missing of the book, and have it embedded; goes on where an earlier
        attempt ended."""
        async with self._begin() as work:
            missing = await work.indexed.missing(book_id)
        await self._write(book_id, missing, run.report)
        async with self._begin() as work:
            await work.jobs.enqueue(CountWords(), delay=_SETTLING)
        await self._embedding.ask_for(book_id)
        return {"passages": missing}

    async def count_words(self) -> Mapping[str, object]:
        """Count how common words are, if the text of the library is another by now."""
        async with self._begin() as work:
            if not await work.indexed.has_grown():
                return {"words": None}
            return {"words": await work.indexed.count_words()}

    async def reindex(self, book_id: UUID | None = None) -> AsyncIterator[tuple[UUID, int]]:
        """Index one book or all of them anew, while they stay searchable, and embed what of
        them is not; each with its passages as it is done. Raises BookNotFound, and at the end
        what the embedding model failed with."""
        failure: LibraryError | None = None
        async for each in self._books(book_id):
            async with self._begin() as work:
                size = await work.indexed.size(each)
            await self._write(each, size, _silently)
            failure = failure or await self._embedded(each)
            yield each, size
        await self.count_words()
        if failure:
            raise failure

    async def _embedded(self, book_id: UUID) -> LibraryError | None:
        try:
            await self._embedding.embed_whole(book_id)
        except (EmbeddingsUnavailable, EmbeddingsRefused) as error:
            return error
        return None

    async def _books(self, book_id: UUID | None) -> AsyncIterator[UUID]:
        if book_id is not None:
            async with self._begin() as work:
                if not await work.indexed.size(book_id):
                    raise BookNotFound("There is no text of such a book.")
            yield book_id
            return
        after = None
        while True:
            async with self._begin() as work:
                books = await work.indexed.all(after, _PAGE)
            for each in books:
                yield each
            if not books:
                return
            after = books[-1]

    async def _write(self, book_id: UUID, number: int, tell: Tell) -> None:
        """Index the first so many passages, backwards: whether the first one is indexed says
        whether all are."""
        for stop in range(number, 0, -_STRETCH):
            first = max(0, stop - _STRETCH)
            async with self._begin() as work:
                await work.indexed.write(book_id, first, stop)
            await tell(number - first, number)


async def _silently(done: int, planned: int) -> None:
    """Who asked sees book by book."""
