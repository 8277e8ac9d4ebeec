"""The discovery room without a database, over the shelf of the catalog."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from uuid import UUID

from typing_extensions import override

from app.domains.catalog.model import Book, BookQuery
from app.domains.discovery.model import (
    Candidate,
    PassageText,
    Place,
    Route,
    Term,
    words_of,
)
from app.domains.discovery.ports import (
    DiscoveryWork,
    IndexedBooks,
    PassageIndex,
    Shelves,
    Within,
)
from app.shared.languages import little_words
from app.shared.words import folded, stems
from tests.fakes.catalog import CatalogShelf, InMemoryCatalog
from tests.fakes.indexed_shelf import is_of_kind, passages_of
from tests.fakes.jobs import InMemoryJobQueue
from tests.fakes.vectors import Embedded, InMemoryPassageVectors

_MOST_WORDS = 24
_MOST_CANDIDATES = 1000


@dataclass
class Indexed:
    """The lexemes of each passage, in order, and the language they were made by."""

    passages: dict[Place, tuple[str | None, list[str]]] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    counted: int = 0


class InMemoryDiscovery:
    def __init__(self, catalog: InMemoryCatalog | None = None) -> None:
        self.catalog = catalog or InMemoryCatalog()
        self.indexed = Indexed()
        self.embedded = Embedded()

    def begin(self) -> DiscoveryWork:
        return InMemoryDiscoveryWork(self)


class InMemoryDiscoveryWork(DiscoveryWork):
    """What is written is written, also when the work fails: nothing here relies on more."""

    def __init__(self, discovery: InMemoryDiscovery) -> None:
        self._discovery = discovery

    @override
    async def __aenter__(self) -> Self:
        shelf, indexed = self._discovery.catalog.shelf, self._discovery.indexed
        self._queue = InMemoryJobQueue(self._discovery.catalog.board)
        self.jobs = self._queue
        self.index = InMemoryPassageIndex(shelf, indexed)
        self.indexed = InMemoryIndexedBooks(shelf, indexed)
        self.vectors = InMemoryPassageVectors(shelf, self._discovery.embedded)
        self.shelves = InMemoryShelves(shelf)
        return self

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._queue.commit()


class InMemoryPassageIndex(PassageIndex):
    def __init__(self, shelf: CatalogShelf, indexed: Indexed) -> None:
        self._shelf = shelf
        self._indexed = indexed

    @override
    async def terms(self, question: str, book_id: UUID | None = None) -> Sequence[Term]:
        places: dict[str, int] = {}
        for position, lexeme in enumerate(_lexemes(question), 1):
            places.setdefault(lexeme, position)
        shares = self._indexed.shares
        found = [Term(w, at, shares.get(w, 0.001)) for w, at in places.items() if _tells(w)]
        rare = sorted(found, key=lambda term: term.share)[:_MOST_WORDS]
        return [term for term in found if term in rare]

    @override
    async def candidates(
        self, terms: Sequence[Term], pairs: Sequence[tuple[Term, Term]], within: Within
    ) -> Sequence[Candidate]:
        found = [
            _candidate(place, said, terms, pairs)
            for place, said in self._within(within)
            if any(term.lexeme in said for term in terms)
        ]
        return found if within.book_id else found[:_MOST_CANDIDATES]

    @override
    async def texts(
        self, places: Collection[Place], terms: Sequence[Term]
    ) -> Mapping[Place, PassageText]:
        found = {place: self._text(place, terms) for place in places}
        return {place: text for place, text in found.items() if text}

    @override
    async def literally(self, words: str, book_id: UUID) -> Sequence[Place]:
        passages = passages_of(self._shelf, book_id)
        return [
            Place(book_id, number)
            for number, passage in enumerate(passages)
            if folded(words) in folded(passage.text)
        ]

    def _within(self, within: Within) -> Iterator[tuple[Place, list[str]]]:
        for place, (_, said) in sorted(self._live()):
            book = self._shelf.books[place.book_id]
            if within.book_id in (None, book.id) and is_of_kind(book, within.books):
                yield place, said

    def _live(self) -> Iterator[tuple[Place, tuple[str | None, list[str]]]]:
        """What was indexed of passages that are still there."""
        for place, made in self._indexed.passages.items():
            passages = passages_of(self._shelf, place.book_id)
            there = place.ordinal < len(passages)
            if there and _lexemes(passages[place.ordinal].text) == made[1]:
                yield place, made

    def _text(self, place: Place, terms: Sequence[Term]) -> PassageText | None:
        passages = passages_of(self._shelf, place.book_id)
        if place.ordinal >= len(passages):
            return None
        book, passage = self._shelf.books[place.book_id], passages[place.ordinal]
        chapters = self._shelf.texts[place.book_id][0]
        chapter = chapters[passage.chapter] if passage.chapter < len(chapters) else None
        positions = {term.lexeme: term.position for term in terms}
        words = {folded(passage.text[start:end]) for start, end in words_of(passage.text)}
        return PassageText(
            place=place,
            title=book.title,
            author=book.author,
            chapter=passage.chapter,
            heading=chapter.title if chapter else "",
            page=chapter.page if chapter else None,
            start=passage.start,
            text=passage.text,
            forms={w: positions[stems(w)[0]] for w in words if stems(w)[0] in positions},
        )


class InMemoryIndexedBooks(IndexedBooks):
    def __init__(self, shelf: CatalogShelf, indexed: Indexed) -> None:
        self._shelf = shelf
        self._indexed = indexed

    @override
    async def size(self, book_id: UUID) -> int:
        return len(passages_of(self._shelf, book_id))

    @override
    async def missing(self, book_id: UUID) -> int:
        language = self._shelf.books[book_id].language if book_id in self._shelf.books else None
        missing = 0
        for number, passage in enumerate(passages_of(self._shelf, book_id)):
            made = self._indexed.passages.get(Place(book_id, number))
            if made != (language, _lexemes(passage.text)):
                missing = number + 1
        return missing

    @override
    async def write(self, book_id: UUID, first: int, stop: int) -> None:
        book = self._shelf.books.get(book_id)
        for number, passage in enumerate(passages_of(self._shelf, book_id)):
            if book and first <= number < stop:
                made = (book.language, _lexemes(passage.text))
                self._indexed.passages[Place(book_id, number)] = made

    @override
    async def unfinished(self, after: UUID | None, at_most: int) -> Sequence[UUID]:
        books = await self.all(after, len(self._shelf.books))
        return [book for book in books if await self.missing(book)][:at_most]

    @override
    async def all(self, after: UUID | None, at_most: int) -> Sequence[UUID]:
        books = sorted(book for book in self._shelf.books if passages_of(self._shelf, book))
        return [book for book in books if after is None or book > after][:at_most]

    @override
    async def has_grown(self) -> bool:
        before = self._indexed.counted
        return abs(len(self._indexed.passages) - before) > 0.1 * before

    @override
    async def count_words(self) -> int:
        said = [set(lexemes) for _, lexemes in self._indexed.passages.values()]
        words = {word for each in said for word in each}
        counts = {word: sum(word in each for each in said) for word in words}
        self._indexed.shares = {w: n / len(said) for w, n in counts.items() if n > 1}
        self._indexed.counted = len(said)
        return len(self._indexed.shares)


class InMemoryShelves(Shelves):
    def __init__(self, shelf: CatalogShelf) -> None:
        self._shelf = shelf

    @override
    async def named(
        self, words: str, isbns: Collection[str], filters: BookQuery, at_most: int
    ) -> Sequence[tuple[UUID, Route]]:
        asked = folded(words.strip())
        tests: list[tuple[Route, Callable[[Book], bool]]] = [
            ("isbn", lambda book: book.isbn in isbns),
            ("title", lambda book: folded(book.title) == asked),
            ("author", lambda book: folded(book.author) == asked),
        ]
        books = sorted(self._shelf.books.values(), key=lambda book: book.id)
        kept = [book for book in books if is_of_kind(book, filters)]
        return [
            (book.id, route)
            for route, fits in tests
            for book in [book for book in kept if fits(book)][:at_most]
        ]

    @override
    async def readable_by(self, user_id: UUID, books: Collection[UUID]) -> Collection[UUID]:
        lent = {book for (book, _), user in self._shelf.loans.items() if user == user_id}
        brought = {b.id for b in self._shelf.books.values() if b.added_by == user_id}
        return set(books) & (lent | brought)


def _candidate(
    place: Place,
    said: Sequence[str],
    terms: Sequence[Term],
    pairs: Sequence[tuple[Term, Term]],
) -> Candidate:
    return Candidate(
        place,
        [_strength(said.count(term.lexeme)) for term in terms],
        [_stand_together(said, *pair) for pair in pairs],
        len(set(said)),
    )


def _strength(times: int) -> float:
    return sum(1 / n**2 for n in range(1, times + 1)) / 1.64493406685


def _stand_together(said: Sequence[str], first: Term, second: Term) -> bool:
    apart = second.position - first.position
    follows = zip(said, said[apart:], strict=False)
    return (first.lexeme, second.lexeme) in follows


def _lexemes(text: str) -> list[str]:
    return [stems(text[start:end])[0] for start, end in words_of(text)]


def _tells(lexeme: str) -> bool:
    return lexeme not in little_words("en")
