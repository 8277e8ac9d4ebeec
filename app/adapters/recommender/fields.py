"""What two books are compared by, field by field: each field turns an item into tokens."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from enum import StrEnum

from app.ports.recommender import Item

_SERIES = re.compile(r"\(([^()]*#\s*\d[^()]*)\)")
_VOLUME = re.compile(r",?(?<!\s)\s*#\s*\d.*$")
_BETWEEN_AUTHORS = re.compile(r"(?<!\s)\s*(?:[,;&/]\s*|(?<=\s)and\s+)")
_PUNCTUATION = re.compile(r"[\s._\-'’,]+")
_WORD = re.compile(r"[^\W_]{2,}")


class Field(StrEnum):
    TITLE = "title"
    AUTHOR = "author"
    SERIES = "series"
    GENRE = "genre"
    TAG = "tag"
    TEXT = "text"


def name_key(name: str) -> str:
    """One key for the spellings of a name: `Sci-Fi` and `sci fi`, `King, Stephen` and his cover."""
    last, _, first = name.partition(",")
    name = f"{first} {last}"
    return _PUNCTUATION.sub("", unicodedata.normalize("NFKC", name).casefold())


def author_names(author: str) -> list[str]:
    """The people in an author line, as written; `King, Stephen` is one."""
    names = [name for name in _BETWEEN_AUTHORS.split(author.strip()) if name]
    inverted = len(names) == 2 and "," in author and not any(" " in name for name in names)
    return [author.strip()] if inverted else names


def series_names(title: str) -> list[str]:
    """The series in a title's brackets: `Mort (Death, #1; Discworld, #4)` names two."""
    parts = [part for bracket in _SERIES.findall(title) for part in bracket.split(";")]
    return [_VOLUME.sub("", part).strip() for part in parts]


def language_key(language: str) -> str:
    """The language without its region: `en-GB` is `en`."""
    return re.split(r"[-_]", language.strip().casefold())[0]


NAMES: dict[Field, Callable[[Item], Sequence[str]]] = {
    Field.AUTHOR: lambda item: author_names(item.author),
    Field.SERIES: lambda item: [item.series] if item.series else series_names(item.title),
    Field.GENRE: lambda item: item.genres,
    Field.TAG: lambda item: item.tags,
}

_WORDS: dict[Field, Callable[[Item], str]] = {
    Field.TITLE: lambda item: _SERIES.sub(" ", item.title),
    Field.TEXT: lambda item: item.text,
}


def tokens(item: Item, field: Field) -> list[str]:
    """What the field counts: words of the title and the text, whole names elsewhere."""
    if field in _WORDS:
        text = unicodedata.normalize("NFKC", _WORDS[field](item)).casefold()
        return _WORD.findall(text)
    # A name given twice says no more than once.
    return list(dict.fromkeys(filter(None, map(name_key, NAMES[field](item)))))


def spelling(item: Item, field: Field, key: str) -> str | None:
    """The name as this item writes it, or None when the item does not have it."""
    return next((name for name in NAMES[field](item) if name_key(name) == key), None)
