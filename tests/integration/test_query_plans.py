"""How PostgreSQL answers the lists of a large library: by an index, and without sorting more
than a page. Each index that matters is missed when it is not there."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.adapters.postgres.books import SqlBookRepository
from app.adapters.postgres.discovery import SqlPassageIndex
from app.adapters.postgres.engine import open_engine, sessions_of
from app.domains.catalog.model import BookQuery
from app.domains.discovery.ports import Within
from app.domains.discovery.service.ranking import pairs_of
from app.shared.pages import Page, PageRequest
from tests.database import cloned

BOOKS = 20_000
# Rows that may be sorted or read at once: a page, or the answers to a question.
FEW = 3_000
LARGE = ("books", "standings", "passages", "book_counts", "known_words", "indexed_passages")

_FILLED = f"""
  INSERT INTO books (id, title, author, genres, year_published, isbn, language, tags,
    description, copies, created_at, updated_at, version, storage_key, media_type, size, sha256,
    filename, ingestion_status, ingestion_done, ingestion_planned, notes, unsaid)
  SELECT md5(n::text)::uuid, 'The ' || md5(n || 'a') || ' of ' || md5(n || 'b'),
    'Writer ' || n % 5000, ARRAY['Genre ' || n % 9, 'Rare ' || n % 2000],
    1500 + n % 500, '97800000' || n, (ARRAY['en', 'de', 'fr', 'eo'])[1 + n % 3],
    ARRAY['tag ' || n % 300], md5(n || 'c'), 1, moment, moment, 1, 'k', 'text/plain', 1,
    n::text, 'f', 'ready', 1, 1, '{{}}', '{{}}'
  FROM (SELECT n, timestamptz '2020-01-01' + n * interval '1 hour' AS moment
        FROM generate_series(1, {BOOKS}) AS n) AS numbers;
  INSERT INTO rating_stats (book_id, count, total, stars_1, stars_2, stars_3, stars_4, stars_5)
  SELECT md5(n::text)::uuid, 10, 10 + n % 41, 1, 1, 1, 1, 6 FROM generate_series(1, {BOOKS}, 2) n;
  INSERT INTO passages (book_id, ordinal, chapter, start, text)
  SELECT md5(n::text)::uuid, 0, 0, 0, md5(n || 'd') || ' ' || md5(n || 'e')
  FROM generate_series(1, {BOOKS}) n
"""


@pytest.fixture(scope="module")
def filled_url(server_url: str) -> Iterator[str]:
    with cloned(server_url) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_FILLED)
            connection.execute("VACUUM ANALYZE")
        yield url


@pytest.fixture
async def connection(filled_url: str) -> AsyncIterator[AsyncConnection]:
    """What is changed on it is undone."""
    engine = open_engine(filled_url)
    sessions_of(engine)
    async with engine.connect() as connection:
        yield connection
        await connection.rollback()
    await engine.dispose()


LISTS: list[dict[str, Any]] = [
    *({"sort": sign + sort} for sign in ("", "-")
      for sort in ("title", "author", "year_published", "created_at", "rating")),
    {"genre": "genre 3"}, {"genre": "rare 7"}, {"genre": "genre 3", "sort": "-created_at"},
    {"language": "de"}, {"language": "eo"}, {"language": "de", "sort": "-rating"},
    {"author": "writer 77"}, {"tag": "tag 9"}, {"tag": "tag 9", "sort": "author"},
    {"available": True}, {"available": False}, {"available": True, "sort": "-created_at"},
    {"genre": "genre 3", "language": "de", "available": True},
    {"year_from": 1900, "year_to": 1901}, {"year_from": 1900},
]  # fmt: skip
QUESTIONS = [
    "the", "the of", "a", "of", "zzz", "%", "_%_", "the 0cc175b9c0f1b6a831c399e269772661",
    "9780000012", "writer 44", "wrlter 44", "книга", "😀", "OR AND -the", '"the',
]  # fmt: skip
DEPTHS = (0, BOOKS // 2, BOOKS - 30)


async def _page(connection: AsyncConnection, query: BookQuery, page: PageRequest) -> Page[Any]:
    async with AsyncSession(bind=connection) as session:
        return await SqlBookRepository(session).search(query, page)


async def _plans(
    connection: AsyncConnection, query: BookQuery, page: PageRequest, *, facets: bool = False
) -> list[dict[str, Any]]:
    """The plans of all that is asked to answer it."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    listening = connection.sync_connection
    async with AsyncSession(bind=connection) as session:
        books = SqlBookRepository(session)
        event.listen(listening, "before_cursor_execute", note)
        try:
            await (books.facets(query) if facets else books.search(query, page))
        finally:
            event.remove(listening, "before_cursor_execute", note)
        # In the same transaction: it says how its statements are to be planned.
        explained = [
            (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {said}", values)).scalar_one()
            for said, values in asked
        ]
    return [plan[0]["Plan"] for plan in explained]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)


def _faults(plans: list[dict[str, Any]]) -> list[str]:
    nodes = [node for plan in plans for node in _nodes(plan)]
    scans = [
        f"Seq Scan on {node['Relation Name']}"
        for node in nodes
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE
    ]
    sorts = [
        f"{node['Node Type']} of {node['Plan Rows']}"
        for node in nodes
        if node["Node Type"] == "Sort" and _sorted_rows(node) > FEW
    ]
    return scans + sorts


def _sorted_rows(node: dict[str, Any]) -> int:
    return int(max(part["Plan Rows"] for part in node["Plans"]))


@pytest.mark.parametrize("query", LISTS, ids=str)
async def test_a_list_is_read_off_an_index(
    connection: AsyncConnection, query: dict[str, Any]
) -> None:
    first = PageRequest(20)
    assert _faults(await _plans(connection, BookQuery(**query), first)) == []
    cursor = (await _page(connection, BookQuery(**query), first)).next_cursor
    if cursor:
        assert _faults(await _plans(connection, BookQuery(**query), PageRequest(20, cursor))) == []


@pytest.mark.parametrize("q", QUESTIONS)
@pytest.mark.parametrize("sort", ["relevance", "title"])
async def test_a_question_looks_at_few_books(
    connection: AsyncConnection, q: str, sort: str
) -> None:
    assert _faults(await _plans(connection, BookQuery(q=q, sort=sort), PageRequest(20))) == []


@pytest.mark.parametrize(
    "query",
    [{}, {"genre": "genre 3"}, {"available": True}, {"q": "the"}, {"year_from": 1990}],
    ids=str,
)
async def test_facets_are_read_off_indexes(
    connection: AsyncConnection, query: dict[str, Any]
) -> None:
    plans = await _plans(connection, BookQuery(**query), PageRequest(), facets=True)
    assert _faults(plans) == []


@pytest.mark.parametrize(
    ("index", "query"),
    [
        ("ix_books_title", {"sort": "title"}),
        ("ix_books_author", {"sort": "-author"}),
        ("ix_books_created_at", {"sort": "-created_at"}),
        ("ix_books_year_undated_first", {"sort": "-year_published"}),
        ("ix_books_year_undated_last", {"sort": "year_published"}),
        ("ix_standings_rating", {"sort": "-rating"}),
        ("ix_books_genres", {"genre": "rare 7", "sort": "rating"}),
        ("ix_books_tags", {"tag": "tag 9", "sort": "rating"}),
        ("ix_books_named_by", {"q": "zzz", "sort": "relevance"}),
        ("ix_books_signs", {"q": "😀", "sort": "relevance"}),
        ("ix_books_said", {"q": "zzz", "sort": "relevance"}),
        ("ix_passages_words", {"q": "zzz", "sort": "relevance"}),
        ("ix_known_words_near", {"q": "wrlter", "sort": "relevance"}),
        ("ix_books_isbn", {"q": "9780000012", "sort": "relevance"}),
    ],
)
async def test_each_index_is_used_for_what_it_was_made(
    connection: AsyncConnection, index: str, query: dict[str, Any]
) -> None:
    plans = await _plans(connection, BookQuery(**query), PageRequest(20))
    assert index in {node.get("Index Name") for plan in plans for node in _nodes(plan)}


@pytest.mark.parametrize("sort", ["title", "-rating", "author"])
async def test_without_its_index_a_list_is_sorted_whole(
    connection: AsyncConnection, sort: str
) -> None:
    query = BookQuery(sort=sort, year_from=1500)
    for index in ("ix_books_title", "ix_books_author", "ix_standings_rating"):
        await connection.exec_driver_sql(f"DROP INDEX {index}")
    assert _faults(await _plans(connection, query, PageRequest(20)))


@pytest.mark.parametrize("sort", ["title", "-rating", "year_published"])
async def test_a_deep_page_is_read_like_the_first(connection: AsyncConnection, sort: str) -> None:
    costs = []
    for depth in DEPTHS:
        cursor = await _cursor_at(connection, sort, depth)
        plan = (await _plans(connection, BookQuery(sort=sort), PageRequest(20, cursor)))[-1]
        costs.append(plan["Total Cost"])
    assert max(costs) < 2 * costs[0]


async def _cursor_at(connection: AsyncConnection, sort: str, depth: int) -> str | None:
    cursor: str | None = None
    for _ in range(0, depth, BOOKS // 4):
        page = await _page(connection, BookQuery(sort=sort), PageRequest(BOOKS // 4, cursor))
        cursor = page.next_cursor or cursor
    return cursor


@pytest.mark.parametrize("question", ["zzz", "0cc175b9c0f1b6a831c399e269772661 zzz", "книга"])
async def test_passages_are_found_by_the_index_of_their_words(
    connection: AsyncConnection, question: str
) -> None:
    await connection.exec_driver_sql(
        "INSERT INTO indexed_passages SELECT book_id, ordinal, 'lumina', words FROM passages"
    )
    await connection.exec_driver_sql("INSERT INTO indexed_languages VALUES ('lumina')")
    await connection.exec_driver_sql("ANALYZE indexed_passages")
    plans = await _plans_of(connection, question)
    assert "ix_indexed_passages_words" in {
        node.get("Index Name") for plan in plans for node in _nodes(plan)
    }
    assert _faults(plans) == []
    await connection.exec_driver_sql("DROP INDEX ix_indexed_passages_words")
    assert _faults(await _plans_of(connection, question)) != []


async def _plans_of(connection: AsyncConnection, question: str) -> list[dict[str, Any]]:
    """How passages are looked for that may answer the question."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    async with AsyncSession(bind=connection, join_transaction_mode="create_savepoint") as session:
        index = SqlPassageIndex(session)
        terms = await index.terms(question)
        assert terms
        event.listen(connection.sync_connection, "before_cursor_execute", note)
        try:
            await index.candidates(terms, pairs_of(terms), Within())
        finally:
            event.remove(connection.sync_connection, "before_cursor_execute", note)
        explained = [
            (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {said}", values)).scalar_one()
            for said, values in asked
        ]
    return [plan[0]["Plan"] for plan in explained]
