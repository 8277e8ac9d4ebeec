"""Where the database keeps what is about one person, to hand it out and to erase it.

`tests/integration/test_personal_data.py` fails for a table that refers to users and is named
neither here nor there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.tables.accounts import failed_logins, sessions, users
from app.adapters.postgres.tables.audit import audit_events
from app.adapters.postgres.tables.budget import taken_tokens
from app.adapters.postgres.tables.catalog import books
from app.adapters.postgres.tables.jobs import job_reports, remembered_replies
from app.adapters.postgres.tables.lending import loans
from app.adapters.postgres.tables.recommendations import (
    feedback,
    forgotten,
    preferences,
    showings,
    views,
)
from app.adapters.postgres.tables.reviews import review_opinions, reviews
from app.domains.accounts.model import User
from app.domains.accounts.ports import PersonalData


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a table that are about a person; `hidden` are secrets and the library's own
    book-keeping."""

    table: Table
    of: Callable[[User], ColumnElement[bool]]
    hidden: frozenset[str] = frozenset()

    def columns(self) -> list[ColumnElement[Any]]:
        return [column for column in self.table.c if column.name not in self.hidden]


def _part(table: Table, owner: str, *hidden: str) -> Part:
    return Part(table, lambda user: table.c[owner] == user.id, frozenset(hidden))


PARTS: Mapping[str, Part] = {
    "account": _part(users, "id", "password_hash"),
    "sessions": _part(sessions, "user_id", "refresh_hash"),
    "failed_sign_ins": Part(
        failed_logins, lambda user: failed_logins.c.account == f"account:{user.email.lower()}"
    ),
    "loans": _part(
        loans, "user_id", "open_book_id", "open_copy_number", "returned_book_id", "copy_number"
    ),
    "reviews": _part(reviews, "user_id", "words_key"),
    "opinions_found_in_reviews": Part(
        review_opinions,
        lambda user: review_opinions.c.review_id.in_(
            select(reviews.c.id).where(reviews.c.user_id == user.id)
        ),
        frozenset({"telling"}),
    ),
    "preferences": _part(preferences, "user_id"),
    "books_looked_at": _part(views, "user_id"),
    "history_forgotten": _part(forgotten, "user_id"),
    "recommendations_shown": _part(showings, "user_id"),
    "feedback_on_recommendations": _part(feedback, "user_id"),
    "uploads": _part(books, "added_by", "storage_key", "said", "named_by"),
    "jobs": _part(job_reports, "owner_id", "queue_id"),
    "remembered_answers": _part(remembered_replies, "user_id", "fingerprint"),
    "model_tokens": Part(
        taken_tokens, lambda user: taken_tokens.c.account.startswith(f"user/{user.id}/")
    ),
    "audit_events": Part(
        audit_events,
        lambda user: (
            (audit_events.c.actor_id == user.id) | (audit_events.c.object_id == str(user.id))
        ),
    ),
}

# What hangs on the user's row goes with it, or forgets them by its foreign key; this is the rest.
# A job's result may be what a model said of a text of theirs; the text itself goes with the next
# sweep, like any file that was announced and never came to be of use.
_TRACES = (
    """
    WITH theirs AS (
      DELETE FROM procrastinate_jobs WHERE status <> 'doing' AND task_name = 'summarise_text'
        AND id IN (SELECT queue_id FROM job_reports WHERE owner_id = :user)
      RETURNING args ->> 'storage_key' AS storage_key)
    UPDATE announced_files SET announced_at = now() - interval '30 days'
    WHERE storage_key IN (SELECT storage_key FROM theirs)
    """,
    """
    DELETE FROM job_reports r WHERE owner_id = :user AND NOT EXISTS (
      SELECT FROM procrastinate_jobs j WHERE j.id = r.queue_id AND j.status IN ('todo', 'doing'))
    """,
    """
    UPDATE procrastinate_jobs SET queueing_lock = NULL, args = args || '{"asked_by": null}'
    WHERE args ->> 'asked_by' = CAST(CAST(:user AS uuid) AS text)
    """,
    """
    DELETE FROM taken_tokens
    WHERE account LIKE 'user/' || CAST(CAST(:user AS uuid) AS text) || '/%'
    """,
)


class SqlPersonalData(PersonalData):
    sections = tuple(PARTS)

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def page(
        self, section: str, user: User, *, after: Sequence[Any] | None, limit: int
    ) -> tuple[Sequence[Mapping[str, Any]], Sequence[Any] | None]:
        part = PARTS[section]
        key = list(part.table.primary_key)
        keys = [column.label(f"key_{number}") for number, column in enumerate(key)]
        wanted = select(*part.columns(), *keys).where(part.of(user)).order_by(*key)
        if after is not None:
            wanted = wanted.where(tuple_(*key) > tuple_(*after))
        rows = (await self._session.execute(wanted.limit(limit))).mappings().all()
        names = [column.name for column in part.columns()]
        last = [rows[-1][label.name] for label in keys] if len(rows) == limit else None
        return [{name: row[name] for name in names} for row in rows], last


async def erase_traces(session: AsyncSession, user: User) -> None:
    """Remove what no foreign key would."""
    for statement in _TRACES:
        await session.execute(text(statement), {"user": user.id})
