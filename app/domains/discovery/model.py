"""What is asked, where it is found, and how it is shown."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Literal, NamedTuple
from uuid import UUID

from app.domains.catalog.model import BookView
from app.shared.words import UNSPACED

Scope = Literal["books", "passages", "all"]
# How a book was found: by what it is exactly called, or by something alike.
Route = Literal["isbn", "title", "author", "alike"]
# What passages were looked for by.
Way = Literal["words", "meaning"]
_PLAIN_WORD = re.compile(r"[^\W_]+")
_WORD = re.compile(rf"{UNSPACED.pattern}|(?:(?!{UNSPACED.pattern})[^\W_])+")


def words_of(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each word as search sees words: letters and digits together, and each
    sign of a script that puts no space between words."""
    return (found.span() for found in _pattern(text).finditer(text))


def different_words(text: str) -> set[str]:
    """The same words as they are written, each once."""
    return set(_pattern(text).findall(text))


def _pattern(text: str) -> re.Pattern[str]:
    return _WORD if UNSPACED.search(text) else _PLAIN_WORD


class Place(NamedTuple):
    """A passage, by its number in its book."""

    book_id: UUID
    ordinal: int


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a question as a language stems it. `position` says which word it is (the
    same word has several terms where languages stem it differently), `share` in what share
    of all passages it is found, 0 to 1."""

    lexeme: str
    position: int
    share: float

    @property
    def weight(self) -> float:
        """How much the word tells: the inverse document frequency of BM25 (Robertson and
        Zaragoza 2009), for a collection of any size."""
        return log(1 + (1 - self.share) / self.share)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may answer: for each term of the question how strongly it is there, 0
    to 1; for each pair of neighbouring terms whether they stand together; and how many
    different words it has."""

    place: Place
    strengths: Sequence[float]
    together: Sequence[bool]
    length: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A place and how much of the question is said there, 0 to 1."""

    place: Place
    score: float


@dataclass(frozen=True, slots=True)
class Space:
    """Where the vectors of one model are kept: its number there, and their length."""

    number: int
    dimensions: int


class Unembedded(NamedTuple):
    """A passage of a book that has no vector; `known` when an equal one has."""

    ordinal: int
    text: str
    known: bool


@dataclass(frozen=True, slots=True)
class PassageText:
    """A passage with what surrounds it. `start` is its place in the whole text, in
    characters. `forms` are the words of it that are words of the question, folded, with
    their position there."""

    place: Place
    title: str
    author: str
    chapter: int
    heading: str
    page: int | None
    start: int
    text: str
    forms: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """One passage, or neighbours that were found together. `end` is excluded; `text` is
    verbatim what lies between. The score is the best one's."""

    first: Place
    last: int
    title: str
    author: str
    chapter: int
    heading: str
    page: int | None
    start: int
    text: str
    forms: Mapping[str, int]
    score: float

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Snippet:
    """Characters `start` to `end` (excluded) of a book's text, verbatim. `highlights` are
    places in the snippet itself, in order and apart."""

    start: int
    end: int
    text: str
    highlights: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class PassageHit:
    """`readable`: whether who asks may read the book; others see less of it."""

    passage: FoundPassage
    snippet: Snippet
    readable: bool

    @property
    def score(self) -> float:
        return self.passage.score


@dataclass(frozen=True, slots=True)
class BookHit:
    view: BookView
    route: Route
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, the best first, and by which ways it was looked for."""

    hits: Sequence[BookHit | PassageHit]
    ways: Sequence[Way]


@dataclass(frozen=True, slots=True)
class InBookPage:
    """Hits in one book; `next_ordinal` is where the list goes on, None at its end."""

    hits: Sequence[PassageHit]
    total: int
    next_ordinal: int | None
    ways: Sequence[Way]
