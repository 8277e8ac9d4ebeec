from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from app.domains.catalog.model import BookQuery
from app.domains.discovery.model import (
    Candidate,
    PassageText,
    Place,
    Ranked,
    Route,
    Space,
    Term,
    Unembedded,
)
from app.ports.work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Within:
    """Where to look: in the books of this kind (its words and its order say nothing), or in
    one book only."""

    books: BookQuery = field(default_factory=BookQuery)
    book_id: UUID | None = None


class PassageIndex(ABC):
    """The text of the books by its words."""

    @abstractmethod
    async def terms(self, question: str, book_id: UUID | None = None) -> Sequence[Term]:
        """The words of the question, in order of their position, as the languages of the
        library stem them, or that of one book; without the little words of each language.
        At most 24 positions: the rarest."""

    @abstractmethod
    async def candidates(
        self,
        terms: Sequence[Term],
        pairs: Sequence[tuple[Term, Term]],
        within: Within,
    ) -> Sequence[Candidate]:
        """Passages that have some of the terms, the rare ones above all: in one book all
        that have any, else at most 1,000, found at a cost that does not grow with the number
        of passages that have a common word. In no order."""

    @abstractmethod
    async def texts(
        self, places: Collection[Place], terms: Sequence[Term]
    ) -> Mapping[Place, PassageText]:
        """Those of the passages that are there."""

    @abstractmethod
    async def literally(self, words: str, book_id: UUID) -> Sequence[Place]:
        """The passages of the book that have these very signs, in order; case and accents
        aside."""


class IndexedBooks(ABC):
    """The making of the index."""

    @abstractmethod
    async def missing(self, book_id: UUID) -> int:
        """How many passages at the book's beginning hold all that are not indexed, or in
        another language than the book's: books are indexed from their end."""

    @abstractmethod
    async def size(self, book_id: UUID) -> int:
        """How many passages the book has; 0 for a book that is not there."""

    @abstractmethod
    async def write(self, book_id: UUID, first: int, stop: int) -> None:
        """Index the passages `first` to `stop` (excluded), in place of what was there."""

    @abstractmethod
    async def unfinished(self, after: UUID | None, at_most: int) -> Sequence[UUID]:
        """Books with passages that are not indexed, in order of their ids."""

    @abstractmethod
    async def all(self, after: UUID | None, at_most: int) -> Sequence[UUID]:
        """Books that have passages, in order of their ids."""

    @abstractmethod
    async def has_grown(self) -> bool:
        """Whether there are a tenth more or fewer passages than when words were counted."""

    @abstractmethod
    async def count_words(self) -> int:
        """Count in a sample of the passages how common each word is; the words kept."""


class PassageVectors(ABC):
    """The text of the books by its meaning, as models have it; several side by side."""

    @abstractmethod
    async def space_of(self, reference: str) -> Space | None:
        """Where the vectors of the model of that reference are; None when there are none."""

    @abstractmethod
    async def open(self, reference: str, dimensions: int) -> Space | None:
        """The same, made where it is not there, and noted as in use; None when this database
        cannot keep vectors."""

    @abstractmethod
    async def missing(self, space: Space, book_id: UUID, at_most: int) -> Sequence[Unembedded]:
        """The last passages of the book that have no vector, in order; so many at most."""

    @abstractmethod
    async def left(self, space: Space, book_id: UUID) -> int:
        """How many passages of the book have no vector."""

    @abstractmethod
    async def write(
        self, space: Space, book_id: UUID, vectors: Mapping[Unembedded, Sequence[float] | None]
    ) -> int:
        """Keep the vectors, each of length 1; None takes that of an equal passage. How many
        are kept now: none for a passage that is another by now, or gone with its book."""

    @abstractmethod
    async def unfinished(self, space: Space, after: UUID | None, at_most: int) -> Sequence[UUID]:
        """Books whose first passage, which is embedded last, has no vector, in order of their
        ids."""

    @abstractmethod
    async def nearest(
        self, space: Space, vector: Sequence[float], k: int, within: Within
    ) -> Sequence[Ranked]:
        """The passages whose vectors are nearest, the best first, each with its cosine: in one
        book or a few exactly, else about. Raises QueryTooSlow."""

    @abstractmethod
    async def forget_others(self, space: Space, at_most: int) -> int:
        """Drop so many vectors of models that nobody has used for a day; how many."""


class Shelves(ABC):
    """What is known of the books themselves."""

    @abstractmethod
    async def named(
        self, words: str, isbns: Collection[str], filters: BookQuery, at_most: int
    ) -> Sequence[tuple[UUID, Route]]:
        """Books of exactly this title or author (case and accents aside), or one of these
        ISBNs; of these kinds in the order ISBN, title, author."""

    @abstractmethod
    async def readable_by(self, user_id: UUID, books: Collection[UUID]) -> Collection[UUID]:
        """Those of the books the reader has on loan or brought."""


class DiscoveryWork(UnitOfWork):
    index: PassageIndex
    indexed: IndexedBooks
    vectors: PassageVectors
    shelves: Shelves
