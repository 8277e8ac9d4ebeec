"""What readers did, and what there is to read, as a recommender may know it: the rows of
other rooms, read across them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    LargeBinary,
    ScalarSelect,
    Select,
    Table,
    Text,
    Uuid,
    any_,
    cast,
    column,
    delete,
    extract,
    func,
    literal,
    null,
    select,
    true,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.tables.accounts import users
from app.adapters.postgres.tables.audit import audit_events
from app.adapters.postgres.tables.catalog import books, summaries
from app.adapters.postgres.tables.lending import borrowing_marks, loans
from app.adapters.postgres.tables.recommendations import feedback, forgotten, showings, views
from app.adapters.postgres.tables.reviews import reviews
from app.domains.catalog.model import UNKNOWN_AUTHOR
from app.domains.recommendations.model import Deed, DeedKind, FeedbackAction, Past, deeds_of_loan
from app.domains.recommendations.ports import Extent, ReadingRepository, Revision
from app.ports.audit import Act
from app.ports.recommender import Item

_LOAN = "loan"
_KINDS = {
    FeedbackAction.CLICK: DeedKind.CLICKED,
    FeedbackAction.LIKE: DeedKind.LIKED,
    FeedbackAction.DISMISS: DeedKind.DISMISSED,
    "viewed": DeedKind.VIEWED,
    "rated": DeedKind.RATED,
}
_NO_TIME = cast(null(), DateTime(timezone=True))
_NOTHING = cast(null(), Integer)


class SqlReadingRepository(ReadingRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def extent(self, up_to: int) -> Extent:
        counts = select(*(_counted(table, up_to) for table in (books, loans, users)))
        found = (await self._session.execute(counts)).one()
        return Extent(found[0], found[1], found[2])

    @override
    async def revision(self) -> Revision:
        nobodys = select(func.count()).where(loans.c.user_id.is_(None)).scalar_subquery()
        erased = select(func.count()).where(audit_events.c.act == Act.ACCOUNT_ERASED)
        library = _fingerprint(
            _state_of(books, books.c.updated_at),
            _state_of(summaries, summaries.c.updated_at),
            _loans_roughly(),
            length=12,
        )
        # Erased readers leave nameless loans behind, and those who never borrowed only the act.
        forgot = _state_of(forgotten, forgotten.c.at)
        memory = _fingerprint(forgot, nobodys, erased.scalar_subquery(), length=8)
        found = (await self._session.execute(select(library, memory))).one()
        return Revision(found[0], found[1])

    @override
    async def items(self, after: UUID | None, limit: int) -> Sequence[Item]:
        # Whoever borrows a book twice is still one reader, also when they are gone.
        readers = func.count(func.coalesce(loans.c.user_id, loans.c.id).distinct())
        lent = select(readers).where(loans.c.book_id == books.c.id).scalar_subquery()
        told = summaries.c.presentation["summary"].astext
        words = func.concat_ws(" ", books.c.description, told)
        page = _described(words, lent).outerjoin(summaries, summaries.c.book_id == books.c.id)
        if after:
            page = page.where(books.c.id > after)
        rows = await self._session.execute(page.order_by(books.c.id).limit(limit))
        return [_item(row) for row in rows]

    @override
    async def items_among(self, book_ids: Collection[UUID]) -> Mapping[UUID, Item]:
        wanted = _described().where(books.c.id == any_(_uuids(book_ids)))
        rows = await self._session.execute(wanted) if book_ids else ()
        return {row.id: _item(row) for row in rows}

    @override
    async def free_copies(self, book_ids: Collection[UUID]) -> Mapping[UUID, int]:
        out = select(func.count()).where(loans.c.open_book_id == books.c.id).scalar_subquery()
        free = select(books.c.id, (books.c.copies - out).label("free"))
        rows = await self._session.execute(free.where(books.c.id == any_(_uuids(book_ids))))
        return {row.id: row.free for row in rows}

    @override
    async def popular(self, limit: int) -> Sequence[Item]:
        often = func.count().label("often")
        lent = select(loans.c.book_id, often).group_by(loans.c.book_id)
        most = lent.order_by(often.desc(), loans.c.book_id).limit(limit).subquery()
        wanted = _described(popularity=most.c.often).join(most, most.c.book_id == books.c.id)
        ranked = wanted.order_by(most.c.often.desc(), books.c.id)
        found = [_item(row) for row in await self._session.execute(ranked)]
        # At least as many as are missing, whichever of them are among those already.
        newest = _described().order_by(books.c.created_at.desc(), books.c.id.desc()).limit(limit)
        known = {item.id for item in found}
        rows = await self._session.execute(newest) if len(found) < limit else ()
        return [*found, *(_item(row) for row in rows if row.id not in known)][:limit]

    @override
    async def arrived(self, since: datetime, limit: int) -> Sequence[Item]:
        newest = _described().where(books.c.created_at >= since)
        ordered = newest.order_by(books.c.created_at.desc(), books.c.id.desc()).limit(limit)
        return [_item(row) for row in await self._session.execute(ordered)]

    @override
    async def readers(self, after: UUID | None, limit: int) -> Sequence[UUID]:
        page = select(users.c.id).order_by(users.c.id).limit(limit)
        behind = page.where(users.c.id > after) if after else page
        return (await self._session.scalars(behind)).all()

    @override
    async def deeds_of(self, user_id: UUID, limit: int) -> Sequence[Deed]:
        def latest(told: Select[Any], whose: Any) -> Select[Any]:
            return told.where(whose == user_id).order_by(column("at").desc()).limit(limit)

        parts = [select(latest(told, whose).subquery()) for told, whose in _tellings()]
        return list(_deeds(await self._session.execute(union_all(*parts))))

    @override
    async def deeds_of_all(self, user_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Deed]]:
        wanted = _uuids(user_ids)
        parts = [told.where(whose == any_(wanted)) for told, whose in _tellings()]
        rows: defaultdict[UUID, list[Any]] = defaultdict(list)
        for row in await self._session.execute(union_all(*parts)):
            rows[row.user_id].append(row)
        return {user_id: list(_deeds(theirs)) for user_id, theirs in rows.items()}

    @override
    async def past_of(self, user_id: UUID) -> Past:
        dismissed = feedback.c.action == FeedbackAction.DISMISS
        past = select(
            _books_in(loans, loans.c.user_id == user_id),
            _books_in(feedback, feedback.c.user_id == user_id, dismissed),
        )
        had, refused = (await self._session.execute(past)).one()
        return Past(frozenset(had or ()), frozenset(refused or ()))

    @override
    async def marked(self, marks: Collection[bytes]) -> Collection[bytes]:
        mark = borrowing_marks.c.mark
        wanted = select(mark).where(mark == any_(literal(list(marks), ARRAY(LargeBinary))))
        return set(await self._session.scalars(wanted)) if marks else set()

    @override
    async def note_view(self, user_id: UUID, book_id: UUID, at: datetime) -> None:
        day = literal(at.astimezone(UTC).date())
        both = books.join(users, (books.c.id == book_id) & (users.c.id == user_id))
        moment = literal(at, DateTime(timezone=True))
        there = select(books.c.id, users.c.id, day, moment).select_from(both)
        row = upsert(views).from_select(["book_id", "user_id", "day", "at"], there)
        await self._session.execute(row.on_conflict_do_nothing())

    @override
    async def forget_views(self, before: datetime, limit: int) -> int:
        key = tuple_(*views.primary_key)
        old = select(*views.primary_key).where(views.c.at < before).limit(limit)
        gone = await self._session.execute(delete(views).where(key.in_(old)).returning(1))
        return len(gone.all())

    @override
    async def forget_learnt(self, limit: int) -> int:
        undone = 0
        for table, learnt in ((views, true()), (feedback, feedback.c.action != "dismiss")):
            key = tuple_(*table.primary_key)
            some = select(*table.primary_key).where(learnt).limit(limit)
            gone = await self._session.execute(delete(table).where(key.in_(some)).returning(1))
            undone += len(gone.all())
        some = select(showings.c.id).where(func.cardinality(showings.c.propensities) > 0)
        told = update(showings).where(showings.c.id.in_(some.limit(limit)))
        changed = await self._session.execute(told.values(propensities=[]).returning(1))
        return undone + len(changed.all())

    @override
    async def forget_history(self, user_id: UUID, at: datetime) -> None:
        for table in (views, feedback, showings):
            await self._session.execute(delete(table).where(table.c.user_id == user_id))
        over = (loans.c.user_id == user_id) & loans.c.returned_at.is_not(None)
        await self._session.execute(update(loans).where(over).values(user_id=None))
        row = upsert(forgotten).values(user_id=user_id, at=at)
        again = row.on_conflict_do_update(index_elements=["user_id"], set_={"at": at})
        await self._session.execute(again)


def _counted(table: Table, up_to: int) -> ScalarSelect[int]:
    some = select(literal(1)).select_from(table).limit(up_to).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def _fingerprint(*states: ScalarSelect[Any], length: int) -> ColumnElement[str]:
    return func.left(func.md5(func.concat_ws("/", *states)), length)


def _state_of(table: Table, changed_at: ColumnElement[Any]) -> ScalarSelect[str]:
    """How many rows, and a sum that grows with every change, in whatever order the changes
    become visible: the latest time would miss what commits late."""
    moments = func.sum(extract("epoch", changed_at))
    counted = func.concat_ws(",", func.count(), moments)
    return select(counted).select_from(table).scalar_subquery()


def _loans_roughly() -> ScalarSelect[str]:
    """Models move with every loan, but hardly: two digits are enough."""
    number = cast(func.count(), Text)
    rounded = func.concat_ws("e", func.left(number, 2), func.length(number))
    return select(rounded).select_from(loans).scalar_subquery()


def _described(words: Any = "", popularity: Any = 0) -> Select[Any]:
    return select(
        books.c.id,
        books.c.title,
        books.c.author,
        books.c.genres,
        books.c.tags,
        books.c.language,
        books.c.year_published,
        (literal("") if words == "" else words).label("words"),
        (literal(0) if popularity == 0 else popularity).label("popularity"),
    )


def _item(row: Any) -> Item:
    return Item(
        id=row.id,
        title=row.title,
        # Books nobody knows the author of are not by the same author.
        author="" if row.author == UNKNOWN_AUTHOR else row.author,
        genres=tuple(row.genres),
        tags=tuple(row.tags),
        language=row.language,
        text=row.words,
        popularity=row.popularity,
        year=row.year_published,
    )


def _tellings() -> Iterator[tuple[Select[Any], Any]]:
    """Each kind of row that tells of deeds, and the column that says whose."""
    yield (
        _telling(loans, literal(_LOAN), loans.c.borrowed_at, loans.c.returned_at, loans.c.renewals),
        loans.c.user_id,
    )
    yield (
        _telling(reviews, literal("rated"), reviews.c.updated_at, value=reviews.c.rating),
        reviews.c.user_id,
    )
    # Ten clicks on a book say what one does, and ten looks at it too.
    told = _telling(feedback, feedback.c.action, func.max(feedback.c.at), told_at=feedback.c.at)
    yield (
        told.group_by(feedback.c.user_id, feedback.c.book_id, feedback.c.action),
        feedback.c.user_id,
    )
    seen = _telling(views, literal("viewed"), func.max(views.c.at), told_at=views.c.at)
    yield seen.group_by(views.c.user_id, views.c.book_id), views.c.user_id


def _telling(
    table: Any,
    kind: ColumnElement[Any],
    at: ColumnElement[Any],
    until: ColumnElement[Any] = _NO_TIME,
    value: ColumnElement[Any] = _NOTHING,
    *,
    told_at: ColumnElement[Any] | None = None,
) -> Select[Any]:
    told = select(
        table.c.user_id,
        kind.label("kind"),
        table.c.book_id,
        at.label("at"),
        until.label("until"),
        value.label("value"),
    )
    since = forgotten.c.at
    known = told.select_from(table.outerjoin(forgotten, forgotten.c.user_id == table.c.user_id))
    return known.where(since.is_(None) | ((at if told_at is None else told_at) > since))


def _deeds(rows: Iterable[Any]) -> Iterator[Deed]:
    for row in rows:
        if row.kind == _LOAN:
            yield from deeds_of_loan(
                row.book_id, borrowed_at=row.at, returned_at=row.until, renewals=row.value
            )
        else:
            yield Deed(_KINDS[row.kind], row.book_id, row.at, row.value)


def _books_in(table: Any, *wanted: ColumnElement[bool]) -> ScalarSelect[Any]:
    named = func.array_agg(table.c.book_id.distinct(), type_=ARRAY(Uuid))
    return select(named).where(*wanted).scalar_subquery()


def _uuids(ids: Collection[UUID]) -> ColumnElement[Any]:
    return literal(list(ids), ARRAY(Uuid))
