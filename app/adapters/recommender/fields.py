"""What is compared between two books, field by field: each field turns an item into tokens."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from enum import StrEnum

from app.ports.recommender import Item

_SERIES = re.compile(r"\(([^()]*#\s*\d[^()]*)\)")
_NUMBER = re.compile(r",?\s*#\s*\d.*$")
_AUTHORS = re.compile(r"\s*[,;&/]\s*|\s+and\s+")
_FILLER = re.compile(r"[\s._\-'’,]+")
_WORD = re.compile(r"[^\W_]{2,}")


class Field(StrEnum):
    TITLE = "title"
    AUTHOR = "author"
    SERIES = "series"
    GENRE = "genre"
    TAG = "tag"
    TEXT = "text"


def name_key(name: str) -> str:
    """One spelling for one name: `Sci-Fi` and `sci fi`, `J.K. Rowling` and `J. K. Rowling`."""
    return _FILLER.sub("", unicodedata.normalize("NFKC", name).casefold())


def keys(names: Iterable[str]) -> list[str]:
    return [key for key in map(name_key, names) if key]


def author_names(author: str) -> list[str]:
    """The people in an author line, as written; `King, Stephen` is one person."""
    names = [name for name in _AUTHORS.split(author.strip()) if name]
    inverted = len(names) == 2 and "," in author and not any(" " in name for name in names)
    return [f"{names[1]} {names[0]}"] if inverted else names


def series_names(title: str) -> list[str]:
    """The series a title names in brackets: `Mort (Death, #1; Discworld, #4)` names two."""
    return [
        _NUMBER.sub("", part).strip()
        for bracket in _SERIES.findall(title)
        for part in bracket.split(";")
    ]


def words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def language_key(language: str) -> str:
    """The language without its region: `en-GB` is `en`."""
    return re.split(r"[-_]", language.strip().casefold())[0]


TOKENS: dict[Field, Callable[[Item], list[str]]] = {
    Field.TITLE: lambda item: words(_SERIES.sub(" ", item.title)),
    Field.AUTHOR: lambda item: keys(author_names(item.author)),
    Field.SERIES: lambda item: keys(series_names(item.title)),
    Field.GENRE: lambda item: keys(item.genres),
    Field.TAG: lambda item: keys(item.tags),
    Field.TEXT: lambda item: words(item.text),
}
