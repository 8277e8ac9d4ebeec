"""Vectors on servers as they are: without the extension, and with an index for each model."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.adapters.postgres.discovery import SqlDiscoveryWork
from app.adapters.postgres.engine import open_engine, sessions_of
from app.adapters.postgres.vectors import SqlPassageVectors
from app.domains.catalog.model import BookQuery
from app.domains.discovery.model import Space
from app.domains.discovery.ports import Within
from tests.database import cloned, migrate

MODEL = "fake:compass:4"
PASSAGES = 20_000
NEAR = [0.6, 0.8, 0.0, 0.0]

_FILLED = f"""
  INSERT INTO books (id, title, author, genres, language, tags, copies, created_at, updated_at,
    version, storage_key, media_type, size, sha256, filename, ingestion_status, ingestion_done,
    ingestion_planned, notes, unsaid)
  SELECT md5(n::text)::uuid, 'T' || n, 'Writer ' || n % 50, '{{}}', (ARRAY['en', 'de'])[1 + n % 2],
    '{{}}', 1, now(), now(), 1, 'k', 'text/plain', 1, n::text, 'f', 'ready', 1, 1, '{{}}', '{{}}'
  FROM generate_series(1, {PASSAGES // 10}) AS n;
  INSERT INTO passages (book_id, ordinal, chapter, start, text)
  SELECT md5((1 + n / 10)::text)::uuid, n % 10, 0, 0, 'x' FROM generate_series(0, {PASSAGES} - 1) n;
  INSERT INTO passage_vectors (book_id, ordinal, model, content, vector)
  SELECT book_id, ordinal, 1, '\\x00',
    CAST(ARRAY[cos(n), sin(n), sin(n * 7), cos(n * 5)] AS halfvec)
  FROM (SELECT book_id, ordinal, row_number() OVER () AS n FROM passages) AS numbered
"""


@pytest.fixture
def modest_url(server_url: str) -> Iterator[str]:
    """A database of somebody who may not create the extension."""
    name = f"modest_{uuid4().hex}"
    role = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), name)
    address = urlsplit(server_url)
    with cloned(server_url, template="template1") as url:
        database = sql.Identifier(urlsplit(url).path[1:])
        owner = sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(name))
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(role)
            connection.execute(owner)
        mine = address._replace(netloc=f"{name}:{name}@{address.hostname}:{address.port}")
        yield mine._replace(path=urlsplit(url).path).geturl()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


async def test_a_server_without_vectors_is_migrated_and_says_so_until_it_has_them(
    modest_url: str, server_url: str
) -> None:
    migrate(modest_url)
    engine = open_engine(modest_url)
    sessions = sessions_of(engine)
    try:
        async with SqlDiscoveryWork(sessions) as work:
            assert await work.vectors.open(MODEL, 4) is None
            assert await work.vectors.space_of(MODEL) is None
        address = urlsplit(server_url)._replace(path=urlsplit(modest_url).path).geturl()
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        async with SqlDiscoveryWork(sessions) as work:
            assert await work.vectors.open(MODEL, 4) == Space(1, 4)
    finally:
        await engine.dispose()


@pytest.fixture(scope="module")
def filled_url(server_url: str) -> Iterator[str]:
    with cloned(server_url) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            model = "INSERT INTO embedding_models (reference, dimensions) VALUES (%s, 4)"
            connection.execute(model, [MODEL])
            connection.execute(_FILLED)
            connection.execute("ANALYZE")
        yield url


@pytest.fixture
async def connection(filled_url: str) -> AsyncIterator[AsyncConnection]:
    engine = open_engine(filled_url)
    try:
        async with SqlDiscoveryWork(sessions_of(engine)) as work:
            await work.vectors.open(MODEL, 4)
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def _plan(connection: AsyncConnection, within: Within) -> str:
    """How the last thing is found that is asked for what is near."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    async with AsyncSession(bind=connection) as session:
        event.listen(connection.sync_connection, "before_cursor_execute", note)
        try:
            assert await SqlPassageVectors(session).nearest(Space(1, 4), NEAR, 10, within)
        finally:
            event.remove(connection.sync_connection, "before_cursor_execute", note)
        # In the same transaction, which says how its statements are planned.
        statement, values = asked[-1]
        rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", values)
        return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize(
    "within", [Within(), Within(BookQuery(language="de"))], ids=["all", "half"]
)
async def test_what_is_near_is_read_off_the_index_of_the_model(
    connection: AsyncConnection, within: Within
) -> None:
    plan = await _plan(connection, within)
    assert "ix_passage_vectors_nearest_1" in plan
    assert "Seq Scan" not in plan


async def test_in_few_books_every_vector_is_compared(connection: AsyncConnection) -> None:
    plan = await _plan(connection, Within(BookQuery(author="Writer 7")))
    assert "ix_passage_vectors_nearest_1" not in plan
    assert "Seq Scan" not in plan
