"""Books over the wire."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator
from pydantic_core import to_json

from app.api.schemas.base import In, Line, Out, PageOut, Prose, Storable
from app.api.schemas.reviews import RatingOut
from app.domains.catalog.model import BookView, Facets
from app.domains.catalog.service.summarising import ShownSummary
from app.shared.pages import Page

Sort = Literal[
    "title", "-title", "author", "-author", "year_published", "-year_published",
    "created_at", "-created_at", "rating", "-rating", "relevance", "-relevance",
]  # fmt: skip


def _isbn(text: str) -> str:
    digits = text.replace("-", "").replace(" ", "").upper()
    if not (_is_isbn_13(digits) or _is_isbn_10(digits)):
        raise ValueError("must be an ISBN-10 or ISBN-13 with its right check digit")
    return digits


def _is_isbn_13(digits: str) -> bool:
    if len(digits) != 13 or not (digits.isascii() and digits.isdigit()):
        return False
    return sum(int(d) * (1, 3)[n % 2] for n, d in enumerate(digits)) % 10 == 0


def _is_isbn_10(digits: str) -> bool:
    body, last = digits[:-1], digits[-1:]
    if len(digits) != 10 or not (body.isascii() and body.isdigit() and last in "0123456789X"):
        return False
    value = 10 if last == "X" else int(last)
    return (sum((10 - n) * int(d) for n, d in enumerate(body)) + value) % 11 == 0


def _language(text: str) -> str:
    parts = text.replace("_", "-").lower().split("-")
    if not all(part.isascii() and part.isalnum() for part in parts) or not 2 <= len(parts[0]) <= 3:
        raise ValueError("must be a language tag such as 'en' or 'pt-BR'")
    return "-".join(parts)


def _not_too_far(year: int) -> int:
    if year > datetime.now(UTC).year + 1:
        raise ValueError("must not be later than next year")
    return year


def _distinct(names: list[str]) -> list[str]:
    return list({name.casefold(): name for name in reversed(names)}.values())[::-1]


Year = Annotated[int, Field(strict=True, ge=-4000), AfterValidator(_not_too_far)]
Names = Annotated[list[Line], Field(max_length=100), AfterValidator(_distinct)]
Isbn = Annotated[str, StringConstraints(max_length=32), Storable, AfterValidator(_isbn)]
Language = Annotated[
    str, StringConstraints(max_length=35, strip_whitespace=True), AfterValidator(_language)
]


class BookIn(In):
    """What somebody says of a book; what is left out stays as it is, or is read from the
    file. `genre` is short for a list of one in `genres`."""

    title: Line | None = None
    author: Line | None = None
    genre: Line | None = None
    genres: Names | None = None
    year_published: Year | None = None
    isbn: Isbn | None = None
    language: Language | None = None
    tags: Names | None = None
    description: Prose | None = None
    copies: Annotated[int, Field(strict=True, ge=1, le=10_000)] | None = None

    @field_validator("genres", "tags", mode="before")
    @classmethod
    def _from_form(cls, value: Any) -> Any:
        """A form sends lists as text with commas."""
        if isinstance(value, str):
            return [name.strip() for name in value.split(",") if name.strip()]
        return value

    @model_validator(mode="after")
    def _one_genre(self) -> "BookIn":
        if self.genre is not None and "genres" in self.model_fields_set:
            raise ValueError("give genre or genres, not both")
        return self

    def said(self) -> dict[str, Any]:
        """What was given, by the book's own field names; an empty value takes it back."""
        given = self.model_dump(exclude_unset=True, exclude={"genre"})
        if "genre" in self.model_fields_set:
            given["genres"] = [self.genre] if self.genre else []
        for name in ("genres", "tags"):
            if name in given and given[name] is None:
                given[name] = []
        for name in ("title", "author", "copies"):
            if given.get(name, "") is None:
                del given[name]
        return given


class ProgressOut(Out):
    done: int
    planned: int


class ErrorOut(Out):
    code: str
    detail: str


class ContentOut(Out):
    media_type: str
    size: int
    sha256: str
    words: int | None
    filename: str


class IngestionOut(Out):
    status: Literal["pending", "running", "ready", "failed"]
    progress: ProgressOut
    error: ErrorOut | None = None
    notes: list[str] = []


class SummaryStateOut(Out):
    status: Literal["pending", "running", "ready", "failed", "cancelled"]
    progress: ProgressOut


class BookRatingOut(Out):
    average: float | None
    count: int


class BookOut(Out):
    id: UUID
    title: str
    author: str
    genre: str | None
    genres: list[str]
    year_published: int | None
    isbn: str | None
    language: str | None
    tags: list[str]
    description: str | None
    copies: int
    available: int
    added_by: UUID | None
    created_at: datetime
    updated_at: datetime
    version: int
    content: ContentOut
    ingestion: IngestionOut
    summary: SummaryStateOut
    rating: BookRatingOut

    @classmethod
    def of(cls, view: BookView) -> "BookOut":
        return cls.model_validate(_told(view))


_PLAIN = [
    name
    for name in BookOut.model_fields
    if name not in ("available", "content", "ingestion", "summary", "rating")
]


def _told(view: BookView) -> dict[str, Any]:
    """The fields of BookOut, and no others."""
    book, content, read, told = view.book, view.book.content, view.book.ingestion, view.summary
    return {
        **{name: getattr(book, name) for name in _PLAIN},
        "available": view.available,
        "content": {
            "media_type": content.media_type,
            "size": content.size,
            "sha256": content.sha256,
            "words": book.words,
            "filename": content.filename,
        },
        "ingestion": {
            "status": read.status,
            "progress": {"done": read.done, "planned": read.planned},
            "error": _error(read.error_code, read.error_detail),
            "notes": book.notes,
        },
        "summary": {
            "status": told.status,
            "progress": {"done": told.done, "planned": told.planned},
        },
        "rating": {"average": view.rating_average, "count": view.rating_count},
    }


class BookPageOut(PageOut[BookOut]):
    """`total_estimated`: there are too many to count them for a page."""

    total_estimated: bool

    @staticmethod
    def written(page: Page[BookView]) -> bytes:
        """The page as JSON. What the library says of its own books is written as it is: to
        check it once more, field by field, took longer than to find it."""
        return to_json(
            {
                "items": [_told(view) for view in page.items],
                "next_cursor": page.next_cursor,
                "total": page.total,
                "total_estimated": page.total_estimated,
            }
        )


class FacetOut(Out):
    value: str
    count: int


class FacetsOut(Out):
    """The commonest values among the books, most books first; of years the first of ten."""

    genre: list[FacetOut]
    author: list[FacetOut]
    language: list[FacetOut]
    year: list[FacetOut]
    tag: list[FacetOut]
    estimated: bool

    @classmethod
    def of(cls, facets: Facets) -> "FacetsOut":
        return cls.model_validate({**facets.values, "estimated": facets.estimated})


_SHOWN = (
    "hook", "blurb", "chapters", "themes", "characters", "content_warnings", "coverage", "left_out",
)  # fmt: skip


class SourceOut(Out):
    provider: str
    model: str
    prompt: str
    degraded: bool


class ChapterSummaryOut(Out):
    title: str
    summary: str


class LeftOutOut(Out):
    """A stretch that tells nothing of the book, and is not summarised; `reason`: what it is."""

    title: str
    reason: str


class QuoteOut(Out):
    """A sentence of the book, word by word: characters `start` to `end` of its text, in the
    passage of that number, in the chapter of that title."""

    passage: int
    chapter: str
    start: int
    end: int
    quote: str = Field(validation_alias="text")


class CitedSentenceOut(Out):
    """`support`: sentences of the book that bear it out, the best first; `supported`: they
    have most of its words; `unfounded`: names and numbers in it that the book does not have."""

    text: str
    supported: bool
    support: list[QuoteOut]
    unfounded: list[str]


class EvidenceOut(Out):
    """What is told, sentence by sentence, `chapters` in the order of the chapters told of.
    `removed`: sentences of the model that named what the book does not have."""

    summary: list[CitedSentenceOut]
    hook: list[CitedSentenceOut]
    blurb: list[CitedSentenceOut]
    chapters: list[list[CitedSentenceOut]]
    removed: list[str]


class SummaryOut(Out):
    """`summary` is what can be read now, `source` who wrote it; while a model still reads,
    that is an extract made in seconds. `hook` is one sentence, `blurb` a short paragraph that
    does not tell the end. `coverage` is the share of the book it rests on, what was
    `left_out` (a table of contents, an index) apart. `evidence` is there when asked for."""

    book_id: UUID
    status: Literal["pending", "running", "ready", "failed", "cancelled"]
    progress: ProgressOut
    summary: str | None
    hook: str | None = None
    blurb: str | None = None
    chapters: list[ChapterSummaryOut] = []
    themes: list[str] = []
    characters: list[str] = []
    content_warnings: list[str] = []
    source: SourceOut | None = None
    coverage: float | None = None
    left_out: list[LeftOutOut] = []
    evidence: EvidenceOut | None = None
    error: ErrorOut | None = None
    rating: RatingOut

    @classmethod
    def of(cls, told: ShownSummary, rating: RatingOut) -> "SummaryOut":
        summary = told.summary
        shown = summary.presentation or {}
        return cls.model_validate(
            {
                "book_id": summary.book_id,
                "status": summary.status,
                "progress": {"done": summary.done, "planned": summary.planned},
                "summary": shown.get("summary"),
                **{name: shown[name] for name in _SHOWN if name in shown},
                "source": shown or None,
                "evidence": told.evidence,
                "error": summary.error,
                "rating": rating,
            }
        )


class GenerateSummaryIn(In):
    """A text of 1 to 2,000,000 characters, or a book of the library."""

    content: Annotated[str, Field(min_length=1, max_length=2_000_000), Storable] | None = None
    title: Line | None = None
    book_id: UUID | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "GenerateSummaryIn":
        if (self.content is None) == (self.book_id is None):
            raise ValueError("give either content or book_id")
        if self.content is not None and not self.content.strip():
            raise ValueError("content must say something")
        return self


class GeneratedOut(Out):
    summary: str
    source: SourceOut


class JobStartedOut(Out):
    job_id: UUID


def _error(code: str | None, detail: str | None) -> dict[str, str] | None:
    return {"code": code, "detail": detail or code} if code else None
