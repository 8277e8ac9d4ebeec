"""What a model is fitted on, read page by page."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import islice
from uuid import UUID

from app.domains.recommendations.model import Deed, StoredModel
from app.domains.recommendations.ports import RecommendationsWork, Revision
from app.domains.recommendations.service.learning import books_liked
from app.ports.recommender import Interaction, Item, Snapshot

# Each page is made in the process that may be answering readers, so they are small.
ITEMS_AT_ONCE = 500
READERS_AT_ONCE = 25
# More of one reader says nothing of others, and might drown them.
MOST_OF_A_READER = 1000
UNLEARNT = "unlearnt"


class SnapshotReader:
    """Reads the library as a model may know it. Readers go by other names, made up for each
    reading, and none of their deeds is read where history is not `learnt` from.

    The pages are of as many moments; a book or a reader that goes meanwhile may be in it.
    """

    def __init__(self, begin: Callable[[], RecommendationsWork], *, learns: bool) -> None:
        self._begin = begin
        self._learns = learns

    def version(self, revision: Revision) -> str:
        """What a model fitted to that revision is called: another name when nothing of readers
        is in it, so that it takes the place of one that knows them, and the other way round."""
        return f"{revision.library}-{revision.memory if self._learns else UNLEARNT}"

    def suits(self, model: StoredModel) -> bool:
        """Whether the model was fitted on readers if and only if models may be."""
        return (model.memory != UNLEARNT) == self._learns

    async def items(self) -> AsyncIterator[Sequence[Item]]:
        last: UUID | None = None
        while True:
            async with self._begin() as work:
                page = await work.reading.items(last, ITEMS_AT_ONCE)
            if not page:
                return
            yield page
            last = page[-1].id

    async def interactions(self) -> AsyncIterator[Sequence[Interaction]]:
        last: UUID | None = None
        key = secrets.token_bytes(32)
        while self._learns:
            async with self._begin() as work:
                readers = await work.reading.readers(last, READERS_AT_ONCE)
                deeds = await work.reading.deeds_of_all(readers)
            if not readers:
                return
            yield await asyncio.to_thread(_interactions, deeds, key)
            last = readers[-1]

    async def whole(self, version: str) -> Snapshot:
        """For a library that fits in memory."""
        items = [item async for page in self.items() for item in page]
        done = [one async for page in self.interactions() for one in page]
        return Snapshot(version, items, done)


def _interactions(deeds: Mapping[UUID, Sequence[Deed]], key: bytes) -> list[Interaction]:
    return [one for reader, theirs in deeds.items() for one in _said_by(reader, theirs, key)]


def _said_by(reader: UUID, deeds: Sequence[Deed], key: bytes) -> Iterator[Interaction]:
    name = UUID(bytes=hashlib.blake2b(reader.bytes, key=key, digest_size=16).digest())
    last = {deed.book_id: deed.at for deed in sorted(deeds, key=lambda deed: deed.at)}
    # As they were meant at their time: what age takes from them is for the model to say.
    liked = books_liked(deeds, None)
    # A weight of nothing (three stars) still says that the reader came by the book.
    for book, weight in islice(liked.items(), MOST_OF_A_READER):
        yield Interaction(name, book, weight, last[book])
