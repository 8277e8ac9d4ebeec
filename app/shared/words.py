"""Words of a text in any script, and how two forms of one word are told to be one."""

import re
import unicodedata
from functools import lru_cache

# Vowel signs belong to the words of Indian scripts, though they are no letters.
_LETTER = r"(?:[^\W\d_]|[\u0300-\u036f\u0900-\u0963\u0971-\u0dff])"
WORD = re.compile(rf"{_LETTER}+")
# Scripts that put no space between words.
UNSPACED = re.compile(
    r"[\u0e00-\u0edd\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
_MARKS = re.compile(r"[\u0300-\u036f]+")
_ENDINGS = ("ingly", "ing", "edly", "ed", "es", "ly", "en", "er", "em", "s", "e", "n", "d")
_LONGEST_STEM = 6
_LONGEST_WORD = 40
_SHORTEST_STEM = 4


def folded(word: str) -> str:
    """The word without case and, in alphabets, without accents."""
    if word.isascii():
        return word.lower()
    bare = _MARKS.sub("", unicodedata.normalize("NFD", word.casefold()))
    return unicodedata.normalize("NFC", bare)


def stems(word: str) -> tuple[str, ...]:
    """What a word has in common with its other forms: the folded beginning without common
    endings; of scripts without spaces, each pair of characters."""
    if not word.isascii() and UNSPACED.search(word):
        plain = folded(word)
        return tuple(plain[i : i + 2] for i in range(max(1, len(plain) - 1)))
    return (_stem_of(word[:_LONGEST_WORD]),)


@lru_cache(maxsize=1 << 16)
def _stem_of(word: str) -> str:
    word = folded(word)
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            word = word[: -len(ending)]
            break
    return word[:_LONGEST_STEM]
