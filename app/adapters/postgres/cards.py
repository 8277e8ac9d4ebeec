"""Books as they are shown: rows and no entities, one statement for as many as are wanted."""

from typing import Any

from sqlalchemy import Float, Select, Subquery, cast, func, select

from app.adapters.postgres.tables.catalog import books, summaries
from app.adapters.postgres.tables.lending import loans
from app.adapters.postgres.tables.reviews import rating_stats
from app.domains.catalog.model import BookView, CatalogCard, Content, Ingestion, SummaryState

_PLAIN = (
    "id title author genres year_published isbn language tags description copies added_by"
    " created_at updated_at version words notes"
).split()
_CONTENT = "storage_key media_type size sha256 filename".split()
_INGESTION = [f"ingestion_{name}" for name in "status done planned error_code error_detail".split()]
COLUMNS = [books.c[name] for name in (*_PLAIN, *_CONTENT, *_INGESTION)]
_AVERAGE = cast(rating_stats.c.total, Float) / func.nullif(rating_stats.c.count, 0)
_NO_SUMMARY = SummaryState("pending", 0, 1)


def shown(found: Subquery, *more: Any) -> Select[Any]:
    """The cards of the books a subquery found, which has at least COLUMNS; for `view_of`."""
    out = select(func.count()).select_from(loans).where(loans.c.open_book_id == found.c.id)
    return (
        select(
            found,
            (found.c.copies - out.scalar_subquery()).label("available"),
            _AVERAGE.label("average"),
            func.coalesce(rating_stats.c.count, 0).label("ratings"),
            summaries.c.status.label("told"),
            summaries.c.done.label("told_done"),
            summaries.c.planned.label("told_planned"),
            *more,
        )
        .select_from(found)
        .outerjoin(rating_stats, rating_stats.c.book_id == found.c.id)
        .outerjoin(summaries, summaries.c.book_id == found.c.id)
    )


def view_of(row: Any) -> BookView:
    values = row._mapping
    told = SummaryState(row.told, row.told_done, row.told_planned) if row.told else _NO_SUMMARY
    card = CatalogCard(
        content=Content(*(values[name] for name in _CONTENT)),
        ingestion=Ingestion(*(values[name] for name in _INGESTION)),
        **{name: values[name] for name in _PLAIN},
    )
    return BookView(card, row.available, row.average, row.ratings, told)
