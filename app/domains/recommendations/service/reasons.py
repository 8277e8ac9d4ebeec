"""Reasons in words that are true of the reader and the book they are given for."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from app.domains.catalog.model import BookView
from app.ports.recommender import Reason, ReasonKind

Sentences = Mapping[ReasonKind, str]

FOR_A_READER: Sentences = {
    "because_you_borrowed": "Because you borrowed “{}”",
    "you_like_genre": "You like {}",
    "you_like_author": "You like {}",
    "readers_like_you": "Readers like you liked it",
    "popular": "Popular with readers of this library",
}
# A book is like another whether or not the reader had or likes anything of it.
FOR_A_BOOK: Sentences = {
    "because_you_borrowed": "Like “{}”",
    "you_like_genre": "Also {}",
    "you_like_author": "Also by {}",
    "readers_like_you": "Readers of the one liked the other",
    "popular": "Popular with readers of this library",
}
_READ_WITH = "Readers of “{}” liked it too"
_NEVER_BORROWED = "Nobody here may have discovered it yet"


@dataclass(frozen=True, slots=True)
class SpokenReason:
    kind: ReasonKind
    book_id: UUID | None
    value: str | None
    text: str


def spoken(
    reason: Reason, sentences: Sentences, views: Mapping[UUID, BookView], *, borrowed: bool
) -> SpokenReason:
    """The reason with its sentence; `borrowed` says whether anybody ever had the book."""
    return SpokenReason(
        reason.kind, reason.item_id, reason.value, _text(reason, sentences, views, borrowed)
    )


def _text(
    reason: Reason, sentences: Sentences, views: Mapping[UUID, BookView], borrowed: bool
) -> str:
    if reason.kind == "popular" and not borrowed:
        return _NEVER_BORROWED
    if reason.item_id is None:
        return sentences[reason.kind].format(reason.value)
    view = views.get(reason.item_id)
    sentence = _READ_WITH if reason.kind == "readers_like_you" else sentences[reason.kind]
    return sentence.format(view.book.title if view else "a book of the library")
