"""What a reader's words find: by the exact names, by parts of them, by words, by words that
were misspelt, and by the text of the books.

Each way is an index of its own and brings at most POOL books, so that no question costs more
because more books answer it; only these are ranked. Words that find little are looked up
among the known words, one edit away.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    text,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession

from app.adapters.postgres.tables.catalog import books, passages

POOL = 300
# With so few books found, perhaps something was misspelt.
FEW = 5
_NEIGHBOURS = 400
_WORDS = 12
_GRAMS = 12
_PART = re.compile(r"[a-z0-9]{3}")
_PLAIN = re.compile(r"[a-z0-9 ]*")
_SPECIAL, _ESCAPED = re.compile(r"([\\%_])"), r"\\\1"
_WORDS_OF = text(
    "SELECT lumina_fold(:q) AS folded, tsvector_to_array(to_tsvector('lumina', :q)) AS words"
)
_NEAR = text(
    "SELECT asked.word AS asked, near.word FROM unnest(CAST(:words AS text[])) AS asked (word),"
    " LATERAL (SELECT word FROM known_words WHERE lumina_near(word) && lumina_near(asked.word)"
    " LIMIT :most) AS near"
)


class Ways(NamedTuple):
    """Which ways a question can be answered: tells one statement from another."""

    part: bool
    signs: bool
    words: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, folded; its words as the index spells them, each with those that were
    perhaps meant. `within`: as a part of a name, too. `loose`: one word may be missing."""

    said: str
    folded: str
    words: Mapping[str, Sequence[str]]
    within: bool = False
    loose: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.folded

    @property
    def ways(self) -> Ways:
        has_part = bool(_PART.search(self.folded))
        signs = not has_part and not _PLAIN.fullmatch(self.folded)
        return Ways(has_part and self.within, signs, bool(self.words))

    @property
    def values(self) -> Mapping[str, Any]:
        """What `found_by` and `relevance` are bound to."""
        ways = self.ways
        known: dict[str, Any] = {"folded": self.folded, "digits": _digits(self.said)}
        if ways.part or ways.signs:
            known["pattern"] = f"%{_SPECIAL.sub(_ESCAPED, self.folded)}%"
        if ways.signs:
            known["grams"] = _grams(self.folded)
        if ways.words:
            known["asked"] = _tsquery(self)
        return known


async def understood(session: AsyncSession, said: str) -> Question:
    row = (await session.execute(_WORDS_OF, {"q": said})).one()
    return Question(said, row.folded.strip(), {word: [word] for word in row.words})


async def corrected(session: AsyncSession, question: Question) -> Question:
    """The same, as a part of a name, too, or with known words one edit away from those that
    were asked. Parts are looked for where words find little: what many names have all parts
    of, and few in a row, would take long."""
    words = list(question.words)[:_WORDS]
    rows = await session.execute(_NEAR, {"words": words, "most": _NEIGHBOURS})
    meant = {word: [word] for word in question.words}
    for row in rows:
        if row.word != row.asked and is_one_edit(row.asked, row.word):
            meant[row.asked].append(row.word)
    return replace(question, words=meant, within=True)


def loosened(question: Question) -> Question:
    return replace(question, loose=len(question.words) > 1)


def is_one_edit(one: str, other: str) -> bool:
    """Whether one sign more, less, another or two swapped make one word the other."""
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None:
        return abs(len(one) - len(other)) <= 1
    a, b = one[start:], other[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def found_by(ways: Ways, kind: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """The ids of the books of a kind that answer a question, POOL for each way."""
    folded = bindparam("folded", type_=Text)
    title = func.lumina_fold(books.c.title)
    # Titles that begin so stand together in the order of titles, or nearly.
    behind = select(books.c.id, title.label("title")).where(title >= folded, *kind)
    nearby = behind.order_by(title, books.c.id).limit(POOL).subquery()
    routes = [
        _ids(kind, books.c.isbn == bindparam("digits", type_=Text)),
        _ids(kind, title == folded),
        _ids(kind, func.lumina_fold(books.c.author) == folded),
        select(nearby.c.id).where(func.starts_with(nearby.c.title, folded)),
    ]
    like = books.c.named_by.like(bindparam("pattern", type_=Text))
    if ways.part:
        routes.append(_ids(kind, like))
    if ways.signs:
        grams = bindparam("grams", type_=ARRAY(Text))
        routes.append(_ids(kind, func.lumina_signs(books.c.named_by).op("@>")(grams), like))
    if ways.words:
        asked = cast(bindparam("asked", type_=Text), TSQUERY)
        routes.append(_ids(kind, books.c.said.op("@@")(asked)))
        routes.append(_in_text(kind, asked))
    return union(*(select(route.subquery()) for route in routes))  # type: ignore[return-value]


def _ids(kind: Sequence[ColumnElement[bool]], *tests: ColumnElement[bool]) -> Select[Any]:
    return select(books.c.id).where(*tests, *kind).limit(POOL)


def _in_text(kind: Sequence[ColumnElement[bool]], asked: Any) -> Select[Any]:
    saying = select(passages.c.book_id.label("id")).where(passages.c.words.op("@@")(asked))
    if kind:
        saying = saying.join(books, books.c.id == passages.c.book_id).where(*kind)
    some = saying.limit(POOL * 2).subquery()
    return select(some.c.id).distinct().limit(POOL)


def relevance() -> ColumnElement[Any]:
    """How well a book answers: its ISBN, its title, its author, and then what is alike."""
    folded = bindparam("folded", type_=Text)
    title, author = func.lumina_fold(books.c.title), func.lumina_fold(books.c.author)
    exact = [
        case((test, literal_column(points)), else_=literal_column("0"))
        for test, points in (
            (books.c.isbn == bindparam("digits", type_=Text), "8"),
            (title == folded, "4"),
            (author == folded, "4"),
        )
    ]
    alike = [
        func.word_similarity(folded, func.left(func.coalesce(books.c.named_by, ""), 500)),
        func.similarity(folded, title),
        func.similarity(folded, author),
    ]
    return sum((cast(part, Float) for part in (*exact, *alike)), start=cast(0, Float))


def _tsquery(question: Question) -> str:
    """All the words, or all but one."""
    meant = [
        "(" + "|".join(map(_quoted, words)) + ")"
        for words in list(question.words.values())[:_WORDS]
    ]
    if not question.loose:
        return "&".join(meant)
    without = ("&".join(meant[:n] + meant[n + 1 :]) for n in range(len(meant)))
    return "|".join(f"({part})" for part in without)


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def _grams(folded: str) -> list[str]:
    """What of it stands in the index of signs."""
    pairs = ["".join(pair) for pair in pairwise(folded)] or [folded]
    return [pair for pair in dict.fromkeys(pairs) if not _PLAIN.fullmatch(pair)][:_GRAMS]


def _digits(said: str) -> str:
    return "".join(c for c in said if c.isalnum()).upper()
