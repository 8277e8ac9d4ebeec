"""Pages of books and their facets, each in one statement where that can be."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, Select, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.adapters.postgres.cards import COLUMNS, shown, view_of
from app.adapters.postgres.engine import read_at_once
from app.adapters.postgres.facets import FACET_COLUMNS, LOOKED_AT, counted, of_all, of_found
from app.adapters.postgres.lists import Order, Shape, kind, order_of, shape_of, some, values_of
from app.adapters.postgres.planning import PLAN_EACH, timed
from app.adapters.postgres.questions import (
    FEW,
    POOL,
    Question,
    Ways,
    corrected,
    found_by,
    loosened,
    relevance,
    understood,
)
from app.adapters.postgres.tables.catalog import books, standings
from app.adapters.postgres.tallies import COUNTED, likely_total, total_of
from app.domains.catalog.model import BookQuery, BookView, Facets
from app.shared.pages import Page, PageRequest, cursor_for


async def found_page(session: AsyncSession, query: BookQuery, page: PageRequest) -> Page[BookView]:
    shape = shape_of(query, page)
    order = order_of(query.sort, relevance() if query.q else None)
    values = {**values_of(query), **order.place(query.sort, page), "limit": page.limit + 1}
    with timed():
        await _plan_each(session, shape)
        if query.q:
            rows, total = await _answered(session, query.q, shape, values)
            estimated = total >= POOL
        else:
            rows, total, estimated = await _listed(session, shape, values)
    last = rows[page.limit - 1] if len(rows) > page.limit else None
    cursor = cursor_for(query.sort, last.key, last.id) if last else None
    return Page([view_of(row) for row in rows[: page.limit]], cursor, total, estimated)


async def found_facets(session: AsyncSession, query: BookQuery, limit: int) -> Facets:
    shape, values = shape_of(query), {**values_of(query), "limit": limit}
    with timed():
        await _plan_each(session, shape)
        if query.q:
            return await _facets_of_answers(session, query.q, shape, values)
        if shape.filters or shape.available is not None:
            return await _facets_of_kind(session, shape, values)
        return counted((await session.execute(of_all(), values)).all())


async def _facets_of_answers(
    session: AsyncSession, q: str, shape: Shape, values: dict[str, Any]
) -> Facets:
    question = await _meant(session, q, shape, values)
    if question.is_empty:
        return counted([])
    among = _among_answers(shape, question.ways)
    return counted((await session.execute(among, {**values, **question.values})).all())


async def _facets_of_kind(session: AsyncSession, shape: Shape, values: dict[str, Any]) -> Facets:
    rows = (await session.execute(_among_kind(shape), values)).all()
    looked = next(n for facet, _, n in rows if facet == "all")
    if looked < LOOKED_AT:
        return counted(rows)
    return counted(rows, looked / max(await _total(session, shape, values), looked + 1))


async def _plan_each(session: AsyncSession, shape: Shape) -> None:
    if shape.filters or shape.asked or shape.available is not None:
        await session.execute(PLAN_EACH)
    else:
        await read_at_once(session)


async def _listed(
    session: AsyncSession, shape: Shape, values: dict[str, Any]
) -> tuple[Sequence[Any], int, bool]:
    statement, exact = _list(shape)
    rows = (await session.execute(statement, values)).all()
    total = rows[0].every if rows else await _total(session, shape, values)
    if exact or total <= COUNTED:
        return rows, total, False
    return rows, await likely_total(session, shape, values), True


async def _total(session: AsyncSession, shape: Shape, values: dict[str, Any]) -> int:
    column, exact = total_of(shape)
    total = int((await session.execute(select(column), values)).scalar_one())
    return total if exact or total <= COUNTED else await likely_total(session, shape, values)


@lru_cache(maxsize=512)
def _list(shape: Shape) -> tuple[Select[Any], bool]:
    order = order_of(shape.sort)
    total, exact = total_of(shape)
    wanted = _in_order(select(*COLUMNS, order.key.label("key")).where(*kind(shape)), order, shape)
    return _page(wanted, order, total.label("every")), exact


def _in_order(wanted: Select[Any], order: Order, shape: Shape) -> Select[Any]:
    if shape.sort.lstrip("-") == "rating":
        wanted = wanted.join(standings, standings.c.book_id == books.c.id)
    if shape.behind:
        wanted = wanted.where(order.behind())
    return wanted.order_by(*order.by()).limit(bindparam("limit", type_=Integer))


def _page(wanted: Select[Any], order: Order, *more: Any) -> Select[Any]:
    found = wanted.subquery("page")
    keys = [found.c.key, found.c.id]
    return shown(found, *more).order_by(*([k.desc() for k in keys] if order.descending else keys))


async def _answered(
    session: AsyncSession, q: str, shape: Shape, values: dict[str, Any]
) -> tuple[Sequence[Any], int]:
    question = await understood(session, q)
    if question.is_empty:
        return [], 0
    rows, total = await _answers_to(session, question, shape, values)
    if total < FEW:
        question = await corrected(session, question)
        rows, total = await _answers_to(session, question, shape, values)
    if total == 0 and len(question.words) > 1:
        rows, total = await _answers_to(session, loosened(question), shape, values)
    return rows, total


async def _answers_to(
    session: AsyncSession, question: Question, shape: Shape, values: dict[str, Any]
) -> tuple[Sequence[Any], int]:
    bound = {**values, **question.values}
    rows = (await session.execute(_answers(shape, question.ways), bound)).all()
    if rows or not shape.behind:
        return rows, rows[0].every if rows else 0
    return rows, await _count(session, question, shape, values)


async def _count(
    session: AsyncSession, question: Question, shape: Shape, values: dict[str, Any]
) -> int:
    found = found_by(question.ways, kind(shape)).subquery()
    bound = {**values, **question.values}
    count = await session.execute(select(func.count()).select_from(found), bound)
    return int(count.scalar_one())


async def _meant(session: AsyncSession, q: str, shape: Shape, values: dict[str, Any]) -> Question:
    """The question as it was asked, or corrected where that finds little."""
    question = await understood(session, q)
    if await _count(session, question, shape, values) < FEW:
        question = await corrected(session, question)
        if await _count(session, question, shape, values) == 0:
            return loosened(question)
    return question


@lru_cache(maxsize=512)
def _answers(shape: Shape, ways: Ways) -> Select[Any]:
    found = found_by(ways, kind(shape)).cte("found")
    order = order_of(shape.sort, relevance())
    wanted = select(*COLUMNS, order.key.label("key")).join(found, found.c.id == books.c.id)
    every = select(func.count()).select_from(found).scalar_subquery()
    return _page(_in_order(wanted, order, shape), order, every.label("every"))


@lru_cache(maxsize=512)
def _among_answers(shape: Shape, ways: Ways) -> Select[Any]:
    found = found_by(ways, kind(shape)).subquery()
    return of_found(select(*FACET_COLUMNS).join(found, found.c.id == books.c.id))


@lru_cache(maxsize=512)
def _among_kind(shape: Shape) -> Select[Any]:
    return of_found(some(select(*FACET_COLUMNS), shape, LOOKED_AT))
