"""Passages by their meaning, in memory and compared one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from typing_extensions import override

from app.domains.discovery.model import Place, Ranked, Space, Unembedded
from app.domains.discovery.ports import PassageVectors, Within
from tests.fakes.catalog import CatalogShelf
from tests.fakes.indexed_shelf import is_of_kind, passages_of


@dataclass
class Embedded:
    """The vectors by the number of their model, with the texts they were made of. Without
    `possible` it is as on a database without pgvector; `unused` are numbers nobody needs."""

    spaces: dict[str, Space] = field(default_factory=dict)
    vectors: dict[int, dict[Place, tuple[str, Sequence[float]]]] = field(default_factory=dict)
    possible: bool = True
    unused: set[int] = field(default_factory=set)


class InMemoryPassageVectors(PassageVectors):
    def __init__(self, shelf: CatalogShelf, embedded: Embedded) -> None:
        self._shelf = shelf
        self._embedded = embedded

    @override
    async def space_of(self, reference: str) -> Space | None:
        return self._embedded.spaces.get(reference)

    @override
    async def open(self, reference: str, dimensions: int) -> Space | None:
        if not self._embedded.possible:
            return None
        spaces = self._embedded.spaces
        number = max(self._embedded.vectors, default=0) + 1
        space = spaces.setdefault(reference, Space(number, dimensions))
        self._embedded.vectors.setdefault(space.number, {})
        self._embedded.unused.discard(space.number)
        return space

    @override
    async def missing(self, space: Space, book_id: UUID, at_most: int) -> Sequence[Unembedded]:
        known = self._known(space)
        return [
            Unembedded(number, passage.text, passage.text in known)
            for number, passage in enumerate(passages_of(self._shelf, book_id))
            if not self._has(space, Place(book_id, number))
        ][-at_most:]

    @override
    async def left(self, space: Space, book_id: UUID) -> int:
        return len(await self.missing(space, book_id, len(passages_of(self._shelf, book_id)) or 1))

    @override
    async def write(
        self, space: Space, book_id: UUID, vectors: Mapping[Unembedded, Sequence[float] | None]
    ) -> int:
        passages, known, written = passages_of(self._shelf, book_id), self._known(space), 0
        for each, made in vectors.items():
            vector = made or known.get(each.text)
            there = each.ordinal < len(passages) and passages[each.ordinal].text == each.text
            if vector and there:
                mine = self._embedded.vectors[space.number]
                mine[Place(book_id, each.ordinal)] = (each.text, vector)
                written += 1
        return written

    @override
    async def unfinished(self, space: Space, after: UUID | None, at_most: int) -> Sequence[UUID]:
        books = sorted(book for book in self._shelf.books if passages_of(self._shelf, book))
        left = [book for book in books if not self._has(space, Place(book, 0))]
        return [book for book in left if after is None or book > after][:at_most]

    @override
    async def nearest(
        self, space: Space, vector: Sequence[float], k: int, within: Within
    ) -> Sequence[Ranked]:
        found = [
            Ranked(place, sum(a * b for a, b in zip(vector, theirs, strict=True)))
            for place, (_, theirs) in self._embedded.vectors[space.number].items()
            if self._has(space, place) and within.book_id in (None, place.book_id)
            if is_of_kind(self._shelf.books[place.book_id], within.books)
        ]
        return sorted(found, key=lambda hit: (-hit.score, hit.place))[:k]

    @override
    async def forget_others(self, space: Space, at_most: int) -> int:
        for number in self._embedded.unused - {space.number}:
            gone = list(self._embedded.vectors[number])[:at_most]
            for place in gone:
                del self._embedded.vectors[number][place]
            if gone:
                return len(gone)
            self._embedded.spaces = {
                name: each for name, each in self._embedded.spaces.items() if each.number != number
            }
        return 0

    def _has(self, space: Space, place: Place) -> bool:
        passages = passages_of(self._shelf, place.book_id)
        text, _ = self._embedded.vectors[space.number].get(place, (None, ()))
        return place.ordinal < len(passages) and passages[place.ordinal].text == text

    def _known(self, space: Space) -> Mapping[str, Sequence[float]]:
        vectors = self._embedded.vectors[space.number]
        return {text: vector for p, (text, vector) in vectors.items() if self._has(space, p)}
