"""How alike what was asked is to what a book is called, typos forgiven."""

import re

from app.domains.catalog.model import Book, CatalogCard
from app.shared.words import folded

_PLAIN = re.compile(r"[^\W_]+")
# A word counts from here on; below, two words have letters in common by chance.
_ALIKE = 0.4
_SHARE_OF_WORDS = 0.9
_SHARE_OF_TITLE = 0.09


def likeness(asked: str, book: Book | CatalogCard) -> float:
    """0 to 0.99: the share of the words asked for that title, author or tags have, each as
    far as it is alike, and a little for a title that is alike as a whole."""
    words = _words(asked)
    named = _words(" ".join([book.title, book.author, *book.tags]))
    if not words or not named:
        return 0.0
    parts = {word: _trigrams(word) for word in {*words, *named}}
    found = [max(_dice(parts[word], parts[other]) for other in named) for word in words]
    share = sum(each for each in found if each >= _ALIKE) / len(words)
    title = _dice(_trigrams_of_all(words), _trigrams_of_all(_words(book.title)))
    return _SHARE_OF_WORDS * share + _SHARE_OF_TITLE * title


def resemblance(asked: str, said: str) -> float:
    """How much of the words asked for the text has, each as far as a word there is alike:
    their mean, 0 to 1."""
    words, there = set(_words(asked)), set(_words(said))
    if not words or not there:
        return 0.0
    parts = {word: _trigrams(word) for word in {*words, *there}}
    return sum(max(_dice(parts[a], parts[b]) for b in there) for a in words) / len(words)


def isbns_in(asked: str) -> list[str]:
    """The ISBN that was asked for, in both lengths; nothing when it is none (ISO 2108)."""
    digits = re.sub(r"[\s-]", "", asked).upper()
    if re.fullmatch(r"\d{9}[\dX]", digits) and _check_10(digits[:9]) == digits[9]:
        core = f"978{digits[:9]}"
        return [digits, core + _check_13(core)]
    if re.fullmatch(r"\d{13}", digits) and _check_13(digits[:12]) == digits[12]:
        short = digits[3:12]
        return [digits, short + _check_10(short)] if digits.startswith("978") else [digits]
    return []


def _words(text: str) -> list[str]:
    return [folded(word) for word in _PLAIN.findall(text)]


def _trigrams(word: str) -> frozenset[str]:
    padded = f"  {word} "
    return frozenset(padded[i : i + 3] for i in range(len(padded) - 2))


def _trigrams_of_all(words: list[str]) -> frozenset[str]:
    return frozenset().union(*map(_trigrams, words))


def _dice(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 0.0


def _check_10(core: str) -> str:
    total = sum(int(digit) * weight for digit, weight in zip(core, range(10, 1, -1), strict=True))
    return "0123456789X"[-total % 11]


def _check_13(core: str) -> str:
    total = sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(core))
    return str(-total % 10)
