from typing import Literal
from uuid import UUID

from app.api.schemas.base import Out
from app.api.schemas.catalog import BookOut, FacetsOut
from app.domains.catalog.model import Facets
from app.domains.discovery.model import Answer, BookHit, InBookPage, PassageHit, Route, Way


class FoundBookOut(Out):
    """A book as it is named wherever it is only pointed at."""

    id: UUID
    title: str
    author: str


class SnippetOut(Out):
    """Characters `start` to `end` (excluded) of the book's text, counted in Unicode code
    points; `text` is verbatim what is there. `highlights` are places in `text`."""

    start: int
    end: int
    text: str
    highlights: list[tuple[int, int]]


class PassageHitOut(Out):
    """A place in a book: characters `start` to `end` of its text around the snippet.
    `page` is that on which the chapter begins, where the file has pages. Who may not read
    the book sees a shorter snippet (`readable` is false)."""

    kind: Literal["passage"] = "passage"
    score: float
    book: FoundBookOut
    chapter: int
    chapter_title: str
    page: int | None
    start: int
    end: int
    snippet: SnippetOut
    readable: bool

    @classmethod
    def of(cls, hit: PassageHit) -> "PassageHitOut":
        found = hit.passage
        return cls(
            score=round(hit.score, 4),
            book=FoundBookOut(id=found.first.book_id, title=found.title, author=found.author),
            chapter=found.chapter,
            chapter_title=found.heading,
            page=found.page,
            start=found.start,
            end=found.end,
            snippet=SnippetOut.model_validate(hit.snippet),
            readable=hit.readable,
        )


class BookHitOut(Out):
    """A book found by what it is called: exactly (`isbn`, `title`, `author`) or `alike`."""

    kind: Literal["book"] = "book"
    score: float
    route: Route
    book: BookOut

    @classmethod
    def of(cls, hit: BookHit) -> "BookHitOut":
        return cls(score=round(hit.score, 4), route=hit.route, book=BookOut.of(hit.view))


class SearchOut(Out):
    """What was found, the best first; scores go from 0 to 1 and can be compared. `facets`
    count all books that GET /books finds for the question; null unless asked for. `ways`
    says what passages were looked for by: `meaning` is missing where no embedding model is
    set, when it did not answer in time, and while it has read nothing yet."""

    items: list[BookHitOut | PassageHitOut]
    facets: FacetsOut | None
    ways: list[Way]

    @classmethod
    def of(cls, answer: Answer, facets: Facets | None) -> "SearchOut":
        shown = FacetsOut.of(facets) if facets else None
        return cls(items=[_out(hit) for hit in answer.hits], facets=shown, ways=list(answer.ways))


class InBookOut(Out):
    """Places of one book; a list in the order of the book goes on at `next_after`, and has
    those only that have the words."""

    items: list[PassageHitOut]
    total: int
    next_after: int | None
    ways: list[Way]

    @classmethod
    def of(cls, page: InBookPage) -> "InBookOut":
        items = [PassageHitOut.of(hit) for hit in page.hits]
        return cls(
            items=items, total=page.total, next_after=page.next_ordinal, ways=list(page.ways)
        )


def _out(hit: BookHit | PassageHit) -> BookHitOut | PassageHitOut:
    return BookHitOut.of(hit) if isinstance(hit, BookHit) else PassageHitOut.of(hit)
