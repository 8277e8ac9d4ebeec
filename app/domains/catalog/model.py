"""Books, their files, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domains.accounts.model import User
from app.ports.text import Metadata

FILLED_FROM_FILE = (
    "title",
    "author",
    "genres",
    "year_published",
    "isbn",
    "language",
    "tags",
    "description",
)
UNKNOWN_AUTHOR = "Unknown"


@dataclass(frozen=True)
class Content:
    """The stored file: where its bytes are, what they are, and how they were called."""

    storage_key: str
    media_type: str
    size: int
    sha256: str
    filename: str


@dataclass(frozen=True)
class Ingestion:
    """How far the reading of the file is; an error has a code and words for a person."""

    status: str = "pending"
    done: int = 0
    planned: int = 1
    error_code: str | None = None
    error_detail: str | None = None


@dataclass(eq=False, kw_only=True)
class Book:
    """One title of the library. `unsaid` names the fields nobody gave: the file fills them.
    `version` grows with every change of the metadata or the file."""

    id: UUID
    title: str
    author: str
    genres: list[str]
    year_published: int | None
    isbn: str | None
    language: str | None
    tags: list[str]
    description: str | None
    copies: int
    added_by: UUID | None
    created_at: datetime
    updated_at: datetime
    version: int
    content: Content
    ingestion: Ingestion
    words: int | None = None
    notes: list[str] = field(default_factory=list)
    unsaid: list[str] = field(default_factory=list)

    @property
    def genre(self) -> str | None:
        return self.genres[0] if self.genres else None

    def may_be_changed_by(self, user: User) -> bool:
        return user.keeps_the_library or self.added_by == user.id

    def describe(self, changes: Mapping[str, Any], at: datetime) -> None:
        """Take over what somebody says of the book; what they say is no longer read from
        the file."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.unsaid = [name for name in self.unsaid if name not in changes]
        self._changed(at)

    def learn(self, metadata: Metadata, at: datetime) -> None:
        """Fill what nobody said from what the file says of itself."""
        fields = _fields_of(metadata)
        found = {name: fields[name] for name in self.unsaid if fields[name]}
        if all(getattr(self, name) == value for name, value in found.items()):
            return
        for name, value in found.items():
            setattr(self, name, value)
        self._changed(at)

    def replace_file(self, content: Content, at: datetime) -> None:
        self.content = content
        self.ingestion = Ingestion()
        self.words = None
        self.notes = []
        self._changed(at)

    def _changed(self, at: datetime) -> None:
        self.version += 1
        self.updated_at = at


def _fields_of(metadata: Metadata) -> dict[str, Any]:
    return {
        "title": metadata.title,
        "author": metadata.author,
        "language": metadata.language,
        "description": metadata.description,
        "isbn": metadata.isbn,
        "year_published": metadata.year_published,
        "genres": list(metadata.subjects[:3]),
        "tags": list(metadata.subjects[:30]),
    }


@dataclass(frozen=True, slots=True)
class SummaryState:
    status: str
    done: int
    planned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogCard:
    """What a book says of itself, to be shown and not to be changed: a list of them costs
    far less to read than as many entities."""

    id: UUID
    title: str
    author: str
    genres: list[str]
    year_published: int | None
    isbn: str | None
    language: str | None
    tags: list[str]
    description: str | None
    copies: int
    added_by: UUID | None
    created_at: datetime
    updated_at: datetime
    version: int
    content: Content
    ingestion: Ingestion
    words: int | None
    notes: list[str]

    @property
    def genre(self) -> str | None:
        return self.genres[0] if self.genres else None


@dataclass(frozen=True, slots=True)
class BookView:
    """A book with what the rest of the library knows of it at this moment."""

    book: Book | CatalogCard
    available: int
    rating_average: float | None
    rating_count: int
    summary: SummaryState


@dataclass(frozen=True, slots=True)
class BookQuery:
    """Which books, in which order. `sort` may start with `-` for descending."""

    q: str | None = None
    author: str | None = None
    genre: str | None = None
    tag: str | None = None
    language: str | None = None
    year_from: int | None = None
    year_to: int | None = None
    available: bool | None = None
    sort: str = "title"


FACETS = ("genre", "author", "language", "year", "tag")


@dataclass(frozen=True, slots=True)
class FacetCount:
    """How many books have the value; of a year, how many are of the ten from it on."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """The commonest values among the books of a query, by the names in FACETS. `estimated`:
    there are more books than were looked at, and the counts are drawn up from those."""

    values: Mapping[str, Sequence[FacetCount]]
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of the text inside a chapter (by its number), from character `start`."""

    chapter: int
    start: int
    text: str


@dataclass(frozen=True, slots=True)
class ChapterText:
    """A chapter with its text; `start` and `end` are its place in the whole book."""

    ordinal: int
    title: str
    start: int
    end: int
    page: int | None
    text: str


@dataclass(frozen=True, slots=True)
class SummaryNode:
    """One answered question of the summary tree, stored under the hash of all that went
    into it. `output` is the answer; `degraded` marks the extractive stand-in."""

    key: str
    kind: str
    output: Mapping[str, Any]
    degraded: bool
    provider: str
    model: str
    prompt: str
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class ChapterSummary:
    title: str
    summary: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A stretch that tells nothing of the book (a table of contents, an index, the imprint)
    and is not summarised; `reason` is for a person."""

    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class Presentation:
    """What readers are told of a whole book, and who says it. `coverage` is the share of the
    text it rests on, what is `left_out` apart."""

    summary: str
    hook: str
    blurb: str
    themes: Sequence[str]
    characters: Sequence[str]
    content_warnings: Sequence[str]
    chapters: Sequence[ChapterSummary]
    left_out: Sequence[LeftOut]
    provider: str
    model: str
    prompt: str
    degraded: bool
    coverage: float


@dataclass(frozen=True, slots=True)
class Support:
    """A sentence of the book that bears something out: in the passage of that number, from
    character `start` to `end` of the whole text."""

    passage: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TracedSentence:
    """One sentence readers are told. `supported`: the words of its support say most of it;
    `unfounded`: names and numbers in it that the book does not have."""

    text: str
    supported: bool
    support: Sequence[Support]
    unfounded: Sequence[str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What bears out a presentation, sentence by sentence; `removed` are sentences of the
    model that named what the book does not have, and are not shown."""

    summary: Sequence[TracedSentence]
    hook: Sequence[TracedSentence]
    blurb: Sequence[TracedSentence]
    chapters: Sequence[Sequence[TracedSentence]]
    removed: Sequence[str]


@dataclass(frozen=True, slots=True)
class Quote:
    """A support as it is shown: `text` is verbatim from the book."""

    passage: int
    chapter: str
    start: int
    end: int
    text: str


@dataclass(eq=False, kw_only=True)
class Summary:
    """The summary of a book and the run that makes it anew. `run` names the run that may
    still write; `presentation` is what is shown meanwhile."""

    book_id: UUID
    run: UUID
    status: str
    done: int
    planned: int
    presentation: dict[str, Any] | None
    error: dict[str, Any] | None
    updated_at: datetime

    @classmethod
    def pending(cls, book_id: UUID, run: UUID, at: datetime) -> "Summary":
        return cls(
            book_id=book_id,
            run=run,
            status="pending",
            done=0,
            planned=1,
            presentation=None,
            error=None,
            updated_at=at,
        )

    def start_over(self, run: UUID, at: datetime, *, forget: bool) -> None:
        """Let a new run write and no older one; what is shown stays unless forgotten."""
        self.run, self.status, self.updated_at = run, "pending", at
        self.done, self.planned, self.error = 0, 1, None
        if forget:
            self.presentation = None

    def cancel(self, run: UUID, at: datetime) -> None:
        self.run, self.status, self.updated_at = run, "cancelled", at

    def wait(self, at: datetime, error: dict[str, Any]) -> None:
        self.status, self.error, self.updated_at = "pending", error, at

    def fail(self, at: datetime, error: dict[str, Any]) -> None:
        self.status, self.error, self.updated_at = "failed", error, at

    def begin(self, at: datetime, *, planned: int) -> None:
        self.status, self.done, self.planned, self.error = "running", 0, planned, None
        self.updated_at = at

    def show(self, presentation: dict[str, Any], at: datetime) -> None:
        self.presentation, self.updated_at = presentation, at

    def finish(self, at: datetime) -> None:
        self.status, self.done, self.error, self.updated_at = "ready", self.planned, None, at
