"""The text of the books by its words, in Postgres."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    REAL,
    Boolean,
    ColumnElement,
    Float,
    Integer,
    Row,
    Select,
    Text,
    Uuid,
    and_,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, array
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.candidates import any_of, few_books, quoted, rare_of
from app.adapters.postgres.indexed_books import CONFIG, SAMPLE, SqlIndexedBooks
from app.adapters.postgres.known_books import SqlShelves, of_kind
from app.adapters.postgres.planning import PLAN_EACH, timed
from app.adapters.postgres.tables.catalog import books, chapters, passages
from app.adapters.postgres.tables.discovery import (
    indexed_languages,
    indexed_passages,
    lexeme_counts,
)
from app.adapters.postgres.vectors import SqlPassageVectors
from app.adapters.postgres.work import SqlWork
from app.domains.discovery.model import Candidate, PassageText, Place, Term, different_words
from app.domains.discovery.ports import DiscoveryWork, PassageIndex, Within
from app.shared.words import folded

_MOST_CANDIDATES = 1000
_MOST_WORDS = 24
# Before anything is counted all words are taken for equally rare.
_UNCOUNTED = 0.001
_ALL_ALIKE = [1.0, 1.0, 1.0, 1.0]
_TERMS = text(
    """
    SELECT lexeme, min(place) AS position, min(share) AS share
    FROM unnest(CAST(:configs AS text[])) AS config
    CROSS JOIN unnest(to_tsvector(config::regconfig, lumina_spaced(:question))) AS said
    CROSS JOIN unnest(said.positions) AS place
    LEFT JOIN lexeme_shares USING (lexeme)
    GROUP BY lexeme ORDER BY position, lexeme
    """
)
_FORMS = text(
    """
    SELECT form, said.lexeme FROM unnest(CAST(:forms AS text[])) AS form
    CROSS JOIN unnest(to_tsvector(CAST(CAST(:config AS text) AS regconfig), form)) AS said
    WHERE said.lexeme = ANY (CAST(:lexemes AS text[]))
    """
)


class SqlPassageIndex(PassageIndex):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def terms(self, question: str, book_id: UUID | None = None) -> Sequence[Term]:
        configs = select(indexed_languages.c.config)
        if book_id is not None:
            configs = select(CONFIG).where(books.c.id == book_id)
        said = {"configs": (await self._session.scalars(configs)).all(), "question": question}
        rows = await self._session.execute(_TERMS, said)
        counted = await self._counted()
        unknown = 1 / min(max(counted, 2), SAMPLE) if counted else _UNCOUNTED
        # A word all passages have would tell nothing at all.
        found = [Term(r.lexeme, r.position, min(r.share or unknown, 0.99)) for r in rows]
        return _rarest(found)

    @override
    async def candidates(
        self,
        terms: Sequence[Term],
        pairs: Sequence[tuple[Term, Term]],
        within: Within,
    ) -> Sequence[Candidate]:
        with timed():
            rows = await self._looked_at(terms, pairs, within)
        return [
            Candidate(Place(r.book_id, r.ordinal), r.strengths, r.together, r.length) for r in rows
        ]

    async def _looked_at(
        self, terms: Sequence[Term], pairs: Sequence[tuple[Term, Term]], within: Within
    ) -> Sequence[Row[Any]]:
        await self._session.execute(PLAN_EACH)
        found = (await self._found(terms, within)).cte("found")
        strengths = [_strength(found.c.words, term) for term in terms]
        together = [_together(found.c.words, *pair) for pair in pairs]
        rows = await self._session.execute(
            select(
                found.c.book_id,
                found.c.ordinal,
                func.length(found.c.words).label("length"),
                array(strengths).label("strengths"),
                cast(array(together), ARRAY(Boolean)).label("together"),
            )
        )
        return rows.all()

    @override
    async def texts(
        self, places: Collection[Place], terms: Sequence[Term]
    ) -> Mapping[Place, PassageText]:
        rows = (await self._session.execute(_told(places))).all() if places else []
        forms = await self._forms(rows, terms)
        return {
            Place(row.book_id, row.ordinal): PassageText(
                place=Place(row.book_id, row.ordinal),
                title=row.title,
                author=row.author,
                chapter=row.chapter,
                heading=row.heading or "",
                page=row.page,
                start=row.start,
                text=row.text,
                forms=forms[row.config],
            )
            for row in rows
        }

    @override
    async def literally(self, words: str, book_id: UUID) -> Sequence[Place]:
        there = func.strpos(func.lumina_fold(passages.c.text), func.lumina_fold(words)) > 0
        wanted = select(passages.c.ordinal).where(passages.c.book_id == book_id, there)
        numbers = await self._session.scalars(wanted.order_by(passages.c.ordinal))
        return [Place(book_id, number) for number in numbers]

    async def _counted(self) -> int:
        return (await self._session.scalar(select(lexeme_counts.c.passages))) or 0

    async def _found(self, terms: Sequence[Term], within: Within) -> Select[Any]:
        """The passages to look at."""
        columns = [indexed_passages.c[name] for name in ("book_id", "ordinal", "words")]
        filters = of_kind(within.books)
        here = [within.book_id] if within.book_id else await few_books(self._session, filters)
        if here is not None:
            # A barrier, else the index of words would be read for all books.
            of_books = select(*columns).where(indexed_passages.c.book_id.in_(here)).offset(0)
            inner = of_books.subquery()
            found = select(inner).where(_has(inner.c.words, any_of(terms)))
            return found if within.book_id else found.limit(_MOST_CANDIDATES)
        query = rare_of(terms, passages=await self._counted(), most=_MOST_CANDIDATES)
        found = select(*columns).where(_has(indexed_passages.c.words, query))
        if filters:
            found = found.join(books, books.c.id == indexed_passages.c.book_id).where(*filters)
        return found.limit(_MOST_CANDIDATES)

    async def _forms(
        self, rows: Sequence[Any], terms: Sequence[Term]
    ) -> Mapping[str, Mapping[str, int]]:
        """By configuration, the words of the texts that are words of the question."""
        positions = {term.lexeme: term.position for term in terms}
        # No stemmer changes how a word begins.
        first = tuple({lexeme[:2] for lexeme in positions})
        words: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            words[row.config] |= different_words(row.text)
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for config, written in words.items():
            forms = {word for word in map(folded, written) if word.startswith(first)}
            said = {"config": config, "forms": sorted(forms), "lexemes": list(positions)}
            for row in await self._session.execute(_FORMS, said):
                found[config][row.form] = positions[row.lexeme]
        return found


class SqlDiscoveryWork(SqlWork, DiscoveryWork):
    @override
    def _open(self, session: AsyncSession) -> None:
        self.index = SqlPassageIndex(session)
        self.indexed = SqlIndexedBooks(session)
        self.vectors = SqlPassageVectors(session)
        self.shelves = SqlShelves(session)


def _rarest(terms: Sequence[Term]) -> Sequence[Term]:
    """The terms of the rarest words of a long question, in order."""
    common = sorted({t.position: t for t in terms}.values(), key=lambda term: term.share)
    kept = {term.position for term in common[:_MOST_WORDS]}
    return [term for term in terms if term.position in kept]


def _query(words: str) -> ColumnElement[Any]:
    return cast(cast(words, Text), TSQUERY)


def _has(column: Any, words: str) -> ColumnElement[bool]:
    there: ColumnElement[bool] = column.op("@@")(_query(words))
    return there


def _strength(column: Any, term: Term) -> ColumnElement[float]:
    """How strongly it is there: for a single word ts_rank sums 1/n² over its occurrences."""
    weights = cast(_ALL_ALIKE, ARRAY(REAL))
    return func.ts_rank(weights, column, _query(quoted(term.lexeme)), type_=Float)


def _together(column: Any, first: Term, second: Term) -> ColumnElement[bool]:
    apart = second.position - first.position
    return _has(column, f"{quoted(first.lexeme)} <{apart}> {quoted(second.lexeme)}")


def _told(places: Collection[Place]) -> Select[Any]:
    """The passages with what surrounds them."""
    ids, numbers = zip(*places, strict=True)
    asked = (
        func.unnest(cast(list(ids), ARRAY(Uuid)), cast(list(numbers), ARRAY(Integer)))
        .table_valued("book_id", "ordinal")
        .render_derived("asked")
    )
    in_chapter = and_(
        chapters.c.book_id == passages.c.book_id, chapters.c.ordinal == passages.c.chapter
    )
    here = and_(passages.c.book_id == asked.c.book_id, passages.c.ordinal == asked.c.ordinal)
    return (
        select(
            *(passages.c[name] for name in ("book_id", "ordinal", "chapter", "start", "text")),
            chapters.c.title.label("heading"),
            chapters.c.page,
            books.c.title,
            books.c.author,
            CONFIG.label("config"),
        )
        .select_from(asked)
        .join(passages, here)
        .join(books, books.c.id == passages.c.book_id)
        .outerjoin(chapters, in_chapter)
    )
