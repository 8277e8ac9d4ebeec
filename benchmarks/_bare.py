"""The floors: the least an ASGI server can do for the same request, and nothing else."""

import asyncio
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp, Receive, Scope, Send

from app.adapters.postgres.accounts import SqlAccountsWork
from app.adapters.postgres.catalog import SqlCatalogWork
from app.adapters.postgres.engine import open_engine, sessions_of
from app.domains.catalog.model import BookQuery
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
    """Answers `/n` with the statements of the nth search and as many bytes of JSON as the
    library sends; `/n/signed-in` reads the session first, as the library does."""
    plan = _plan()
    engine = open_engine(plan["database_url"])
    known: dict[str, Statements] = {}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        number, _, signed_in = scope["path"].removeprefix("/").partition("/")
        case = plan["cases"][int(number)]
        if number not in known:
            known[number] = await _searched(engine, case)
            known["session"] = await _stood(engine, *plan["session"])
        if signed_in:
            await _replay(engine, known["session"])
        await _replay(engine, known[number])
        await _reply(send, b"x" * case["size"])

    return answer


async def _searched(engine: AsyncEngine, case: Any) -> Statements:
    query, page = BookQuery(**case["query"]), PageRequest(case["limit"], case["cursor"])
    with _recorded(engine) as statements:
        async with SqlCatalogWork(sessions_of(engine)) as work:
            await work.books.search(query, page)
    return statements


async def _stood(engine: AsyncEngine, user_id: str, session_id: str) -> Statements:
    with _recorded(engine) as statements:
        async with SqlAccountsWork(sessions_of(engine)) as work:
            assert await work.sessions.standing(UUID(session_id), UUID(user_id))
    return statements


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
