"""What is true of the library's data at any moment, as questions that nothing answers."""

import asyncpg

from benchmarks.campaigns._campaign import Tally

INVARIANTS = {
    "a copy is on loan to one reader at most": """
        SELECT book_id, copy_number FROM loans WHERE returned_at IS NULL
        GROUP BY book_id, copy_number HAVING count(*) > 1""",
    "a reader has a book once at most": """
        SELECT book_id, user_id FROM loans WHERE returned_at IS NULL
        GROUP BY book_id, user_id HAVING count(*) > 1""",
    "what is on loan is a copy of a book that is there": """
        SELECT id FROM loans AS loan WHERE returned_at IS NULL AND NOT EXISTS (
          SELECT FROM copies JOIN books ON books.id = copies.book_id
          WHERE copies.book_id = loan.book_id AND copies.number = loan.copy_number)""",
    "a returned loan is of a book that is there": """
        SELECT id FROM loans WHERE NOT EXISTS (SELECT FROM books WHERE books.id = loans.book_id)""",
    "a loan ends after it began": "SELECT id FROM loans WHERE returned_at < borrowed_at",
    "an open loan has a reader": """
        SELECT id FROM loans WHERE returned_at IS NULL AND user_id IS NULL""",
    # A reader's name may be forgotten on a loan that is over, the loan itself not.
    "who reviews has or had the book": """
        SELECT id FROM reviews AS review WHERE user_id IS NOT NULL AND NOT EXISTS (
          SELECT FROM loans WHERE loans.book_id = review.book_id
          AND (loans.user_id = review.user_id OR loans.user_id IS NULL))""",
    "a reader reviews a book once": """
        SELECT book_id, user_id FROM reviews WHERE user_id IS NOT NULL
        GROUP BY book_id, user_id HAVING count(*) > 1""",
    "ratings are what the reviews give": """
        SELECT book_id FROM (
          SELECT book_id, count(*) AS n, sum(rating) AS total FROM reviews GROUP BY book_id
        ) AS said FULL JOIN rating_stats AS kept USING (book_id)
        WHERE coalesce(said.n, 0) <> coalesce(kept.count, 0)
          OR coalesce(said.total, 0) <> coalesce(kept.total, 0)
          OR coalesce(kept.stars_1 + kept.stars_2 + kept.stars_3 + kept.stars_4 + kept.stars_5, 0)
             <> coalesce(kept.count, 0)""",
    "a book has the copies it says": """
        SELECT id FROM books LEFT JOIN copies ON copies.book_id = books.id
        GROUP BY id HAVING count(copies.number) <> books.copies""",
    "no two books are the same bytes": """
        SELECT sha256 FROM books GROUP BY sha256 HAVING count(*) > 1""",
    "no two books share a file": """
        SELECT storage_key FROM books GROUP BY storage_key HAVING count(*) > 1""",
    "the books counted are the books there": """
        SELECT 1 WHERE (SELECT count(*) FROM books) <> (
          SELECT coalesce(sum(n), 0) FROM (
            SELECT count AS n FROM book_counts WHERE facet = 'all'
            UNION ALL SELECT change FROM book_count_changes WHERE facet = 'all') AS counted)""",
    "every unread book has a job that reads it": """
        SELECT id FROM books WHERE ingestion_status = 'pending' AND NOT EXISTS (
          SELECT FROM procrastinate_jobs WHERE args->>'book_id' = books.id::text
          AND task_name = 'read_file')""",
}


async def broken(database_url: str) -> list[str]:
    """Each invariant that does not hold, with the first rows against it."""
    connection = await asyncpg.connect(database_url)
    try:
        found = {name: await connection.fetch(query) for name, query in INVARIANTS.items()}
    finally:
        await connection.close()
    return [
        f"not so: {name}: {len(rows)} rows, as {[tuple(row) for row in rows[:3]]}"
        for name, rows in found.items()
        if rows
    ]


async def invariants(database_url: str, after: str) -> Tally:
    """Ask all of them once."""
    tally = Tally(f"invariants after {after}", len(INVARIANTS), "each question has 0 rows")
    tally.failures += await broken(database_url)
    tally.done = len(INVARIANTS)
    return tally
