"""The ledger against the library: what was acknowledged is there, once, and done."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg

from app.adapters.storage.local import LocalStorage
from benchmarks.campaigns._invariants import broken
from benchmarks.campaigns._patrons import Ledger

# Rows are faults.
_WRONG: Mapping[str, str] = {
    "a job failed": """
        SELECT kind, report.error->>'code', args::text FROM procrastinate_jobs AS job
        JOIN job_reports AS report ON report.queue_id = job.id
        WHERE status IN ('failed', 'aborted', 'cancelled')
          AND report.error->>'code' IS DISTINCT FROM 'superseded'""",
    "a job is not at its end": """
        SELECT task_name, status::text, attempts FROM procrastinate_jobs
        WHERE status = 'doing' OR (status = 'todo' AND coalesce(scheduled_at, now()) <= now())""",
    "a job ended twice": """
        SELECT job_id FROM procrastinate_events WHERE type = 'succeeded'
        GROUP BY job_id HAVING count(*) > 1""",
    "a job has no report": """
        SELECT id FROM procrastinate_jobs AS job WHERE NOT EXISTS (
          SELECT FROM job_reports WHERE queue_id = job.id)""",
    "a book is not read": "SELECT id FROM books WHERE ingestion_status <> 'ready'",
    "a book has no text": """
        SELECT id FROM books WHERE NOT EXISTS (
          SELECT FROM passages WHERE passages.book_id = books.id)""",
    "a book has no summary": """
        SELECT id FROM books LEFT JOIN summaries ON summaries.book_id = books.id
        WHERE summaries.status IS DISTINCT FROM 'ready'""",
    "a passage cannot be found": """
        SELECT book_id, ordinal FROM passages
        EXCEPT SELECT book_id, ordinal FROM indexed_passages""",
    "a file's record belongs to nothing": """
        SELECT storage_key FROM stored_files EXCEPT SELECT storage_key FROM books
        EXCEPT SELECT storage_key FROM models EXCEPT SELECT storage_key FROM announced_files""",
    "a book's file has no record": """
        SELECT storage_key FROM books EXCEPT SELECT storage_key FROM stored_files""",
    "a review was not heard": """
        SELECT reviews.id FROM reviews LEFT JOIN consensus USING (book_id)
        WHERE consensus.status IS DISTINCT FROM 'fresh' OR read_revision <> revision""",
}


async def differences(url: str, files: Path, ledger: Ledger) -> list[str]:
    """What the library should have and has not, or has and should not have."""
    connection = await asyncpg.connect(url)
    try:
        found = [fault async for fault in _told(connection, ledger)]
    finally:
        await connection.close()
    return [*found, *await wounds(url, files), *ledger.faults]


async def wounds(url: str, files: Path) -> list[str]:
    """What has not healed: work that did not come to its end, files that are not those of the
    rows, and broken invariants."""
    connection = await asyncpg.connect(url)
    try:
        found = await _stored(connection, files)
        for name, query in _WRONG.items():
            rows = await connection.fetch(query)
            if rows:
                found.append(f"{name}: {len(rows)}, as {[tuple(row) for row in rows[:3]]}")
    finally:
        await connection.close()
    return found + await broken(url)


async def _told(connection: Any, ledger: Ledger) -> Any:
    books = await connection.fetch("SELECT id::text, sha256 FROM books")
    hashes = {id: hashlib.sha256(text.encode()).hexdigest() for id, text in ledger.books.items()}
    for fault in _unlike("book", hashes, dict(books)):
        yield fault
    loans = await connection.fetch("SELECT id::text, returned_at IS NOT NULL FROM loans")
    for fault in _unlike("loan", ledger.loans, dict(loans)):
        yield fault
    reviews = await connection.fetch("SELECT id::text, rating, text FROM reviews")
    said = {id: (rating, text) for id, rating, text in reviews}
    for fault in _unlike("review", ledger.reviews, said):
        yield fault
    jobs = await connection.fetch("SELECT id::text FROM job_reports")
    for job in ledger.jobs - {id for (id,) in jobs}:
        yield f"the job {job} was lost"


def _unlike(noun: str, told: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for key in told.keys() - found.keys():
        yield f"the {noun} {key} was lost"
    for key in found.keys() - told.keys():
        yield f"the {noun} {key} is there, and nobody was told: doubled"
    for key in told.keys() & found.keys():
        if told[key] != found[key]:
            yield f"the {noun} {key} is {found[key]} and not {told[key]}"


async def _stored(connection: Any, files: Path) -> list[str]:
    """Objects without a row and rows without their object, byte for byte."""
    rows = await connection.fetch("SELECT storage_key, sha256 FROM books")
    announced = await connection.fetch("SELECT storage_key FROM announced_files")
    models = await connection.fetch("SELECT storage_key FROM models")
    known = {row["storage_key"] for row in (*rows, *announced, *models)}
    found = [f"the object {key} belongs to nobody" for key in stored_keys(files) - known]
    storage = LocalStorage(files)
    for key, sha256 in rows:
        digest = hashlib.sha256()
        try:
            async for piece in await storage.read(key):
                digest.update(piece)
        except Exception as error:
            found.append(f"the object {key} is gone: {error!r}")
        else:
            if digest.hexdigest() != sha256:
                found.append(f"the object {key} holds other bytes")
    return found


def stored_keys(files: Path) -> set[str]:
    """The keys of all objects a LocalStorage keeps there."""
    paths = [path.relative_to(files) for path in files.rglob("*") if path.is_file()]
    inside = [path for path in paths if path.parent.name.endswith("+")]
    return {path.as_posix().replace("+/", "/") for path in inside}
