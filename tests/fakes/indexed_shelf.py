"""What the parts of the discovery room read off the shelf of the catalog."""

from collections.abc import Sequence
from uuid import UUID

from app.domains.catalog.model import Book, BookQuery, Passage
from app.shared.words import folded
from tests.fakes.catalog import CatalogShelf


def passages_of(shelf: CatalogShelf, book_id: UUID) -> Sequence[Passage]:
    return shelf.texts.get(book_id, ((), ()))[1] if book_id in shelf.books else ()


def is_of_kind(book: Book, filters: BookQuery) -> bool:
    year = book.year_published
    return all(
        [
            filters.author is None or folded(filters.author) == folded(book.author),
            filters.genre is None or folded(filters.genre) in map(folded, book.genres),
            filters.tag is None or folded(filters.tag) in map(folded, book.tags),
            filters.language is None or filters.language.lower() == book.language,
            filters.year_from is None or (year is not None and year >= filters.year_from),
            filters.year_to is None or (year is not None and year <= filters.year_to),
        ]
    )
