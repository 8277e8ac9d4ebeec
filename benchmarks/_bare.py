"""The floors: the least an ASGI server can do for the same request, and nothing else."""

import asyncio
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp, Receive, Scope, Send

from app.adapters.postgres.catalog import SqlCatalogWork
from app.adapters.postgres.engine import open_engine, sessions_of
from app.adapters.postgres.recommendations import SqlRecommendationsWork
from app.adapters.postgres.standing import STANDING
from app.domains.catalog.model import BookQuery
from app.domains.recommendations.model import Showing
from app.shared.ids import new_id
from app.shared.pages import PageRequest

Statements = Sequence[tuple[str, Any]]


def _plan() -> Any:
    return json.loads(Path(os.environ["BENCH_PLAN"]).read_text("utf-8"))


def storing() -> ASGIApp:
    """Stores the body as a synced file and tells the database of it."""
    plan = _plan()
    folder = Path(plan["folder"])
    folder.mkdir(exist_ok=True)
    pool: list[asyncpg.Pool] = []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if not pool:
            pool.append(await asyncpg.create_pool(plan["database_url"], max_size=10))
        number = scope["path"].removeprefix("/")
        size = await _stored(folder / number, receive)
        await pool[0].execute("INSERT INTO bench_floor VALUES ($1, $2)", number, size)
        await _reply(send, b"{}", status=202)

    return answer


async def _stored(path: Path, receive: Receive) -> int:
    fresh, size = path.with_suffix(".new"), 0
    with fresh.open("wb") as file:
        while True:
            message = await receive()
            size += file.write(message.get("body", b""))
            if not message.get("more_body"):
                break
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    fresh.replace(path)
    return size


def replaying() -> ASGIApp:
    """Answers `/n` with the statements of the nth list and as many bytes of JSON as the
    library sends; `/n/signed-in` reads the session first, as the library does."""
    plan = _plan()
    engine = open_engine(plan["database_url"])
    known: dict[str, Statements] = {}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        number, _, signed_in = scope["path"].removeprefix("/").partition("/")
        case = plan["cases"][int(number)]
        if number not in known:
            known[number] = await _searched(engine, case)
            known["session"] = _stood(*plan["session"])
        if signed_in:
            await _replay(engine, known["session"])
        await _replay(engine, known[number])
        await _reply(send, b"x" * case["size"])

    return answer


def advising() -> ASGIApp:
    """Answers `/n` with what the library reads and writes to recommend books to the nth
    reader, the session included, and as many bytes of JSON."""
    plan = _plan()
    engine = open_engine(plan["database_url"])
    known: dict[str, Statements] = {}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        number = scope["path"].removeprefix("/")
        case = plan["cases"][int(number)]
        if number not in known:
            stood = _stood(*case["session"])
            known[number] = [*stood, *await _advised(engine, case)]
        await _replay(engine, known[number])
        async with SqlRecommendationsWork(sessions_of(engine)) as work:
            await work.showings.add(_showing(case))
        await _reply(send, b"x" * case["size"])

    return answer


async def _advised(engine: AsyncEngine, case: Any) -> Statements:
    sessions, reader = sessions_of(engine), UUID(case["session"][0])
    with _recorded(engine) as statements:
        async with SqlRecommendationsWork(sessions) as work:
            await work.preferences.of(reader)
            await work.reading.past_of(reader)
            deeds = await work.reading.deeds_of(reader, 1000)
            assert deeds
        async with SqlRecommendationsWork(sessions) as work:
            await work.reading.free_copies([UUID(book) for book in case["candidates"]])
        async with SqlCatalogWork(sessions) as catalog:
            await catalog.books.views([UUID(book) for book in case["books"]])
    return statements


def _showing(case: Any) -> Showing:
    return Showing(
        id=new_id(),
        user_id=UUID(case["session"][0]),
        model="bare",
        model_version="0",
        book_ids=[UUID(book) for book in case["books"][:10]],
        propensities=[1.0] * 10,
        shown_at=datetime.now(UTC),
    )


async def _searched(engine: AsyncEngine, case: Any) -> Statements:
    query, page = BookQuery(**case["query"]), PageRequest(case["limit"], case["cursor"])
    with _recorded(engine) as statements:
        async with SqlCatalogWork(sessions_of(engine)) as work:
            if case["facets"]:
                await work.books.facets(query)
            else:
                await work.books.search(query, page)
    return statements


def _stood(user_id: str, session_id: str) -> Statements:
    return [(STANDING, ([UUID(session_id)], [UUID(user_id)]))]


@contextmanager
def _recorded(engine: AsyncEngine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are run meanwhile, as the driver gets them."""
    statements: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


async def _replay(engine: AsyncEngine, statements: Statements) -> None:
    async with engine.begin() as connection:
        for statement, parameters in statements:
            (await connection.exec_driver_sql(statement, parameters)).fetchall()


async def _reply(send: Send, body: bytes, *, status: int = 200) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
