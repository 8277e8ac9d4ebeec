"""Which passages are looked at for a question: those with its rare words, and those with
several of its common ones, so that no question reads through half of a library."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.adapters.postgres.tables.catalog import books
from app.domains.discovery.model import Term

# Words of one passage belong together: they meet far more often than by chance.
_TOGETHER = 3.0
_COMBINED = 6
# Of what is looked at, for a question to have been looked up.
_ENOUGH = 0.2
# So few books are looked through one by one.
_FEW_BOOKS = 200


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a query, and how many passages it is expected to find."""

    query: str
    expected: float


async def few_books(
    session: AsyncSession, filters: Sequence[ColumnElement[bool]]
) -> Sequence[UUID] | None:
    """The books the filters leave, when they are few."""
    if not filters:
        return None
    wanted = select(books.c.id).where(*filters).limit(_FEW_BOOKS + 1)
    found = (await session.scalars(wanted)).all()
    return found if len(found) <= _FEW_BOOKS else None


def any_of(terms: Sequence[Term]) -> str:
    """The query for passages that have any of the terms."""
    return " | ".join(quoted(term.lexeme) for term in terms)


def rare_of(terms: Sequence[Term], *, passages: int, most: int) -> str:
    """The query for passages that have a rare term, or two or three common ones, that is
    expected to find about `most` of so many passages, and some in any case: a rare term may
    be in none at all."""
    words = sorted(_words(terms, passages), key=lambda part: part.expected)
    chosen: list[_Part] = []
    common = _taken(words, chosen, most)
    for several in (2, 3):
        over = _taken(_combined(common[:_COMBINED], several, passages), chosen, most)
        if sum(part.expected for part in chosen) >= most * _ENOUGH:
            break
        # Nearer than any other, though it may find more than is looked at.
        chosen += (over or common)[:1]
    return " | ".join(part.query for part in chosen)


def _taken(parts: Sequence[_Part], chosen: list[_Part], most: int) -> list[_Part]:
    """Choose the parts, the rarest first, as long as not too much is found; the rest."""
    left = most - sum(part.expected for part in chosen)
    for number, part in enumerate(parts):
        if part.expected > left:
            return list(parts[number:])
        chosen.append(part)
        left -= part.expected
    return []


def quoted(lexeme: str) -> str:
    """The lexeme as it stands in a query."""
    inner = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{inner}'"


def _words(terms: Sequence[Term], passages: int) -> Iterator[_Part]:
    for _, forms in groupby(terms, key=lambda term: term.position):
        alike = list(forms)
        expected = sum(term.share for term in alike) * passages
        yield _Part(f"({any_of(alike)})", expected)


def _combined(words: Sequence[_Part], several: int, passages: int) -> list[_Part]:
    found = []
    for chosen in combinations(words, several):
        expected = float(passages)
        for word in chosen:
            expected *= word.expected / passages
        query = " & ".join(word.query for word in chosen)
        found.append(_Part(f"({query})", expected * _TOGETHER ** (several - 1)))
    return sorted(found, key=lambda part: part.expected)
