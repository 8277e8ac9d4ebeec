"""Who and what a text is about: names and themes, found by how words are written and used."""

import re
from collections import Counter
from collections.abc import Iterator

from app.adapters.llm.extractive.words import STOPWORDS, content_words

_NAME_WORD = r"[A-ZÀ-ÞΑ-ΩА-Я][^\W\d_]*[a-zà-ÿα-ωа-я][^\W\d_]*"
_INSIDE = r"(?:(?<=[^\W\d_] )|(?<=, )|(?<=Mr\. )|(?<=Mrs\. )|(?<=Dr\. ))"
_NAME = re.compile(rf"{_INSIDE}({_NAME_WORD}(?: {_NAME_WORD}){{0,2}})")
_WORD_OR_STOP = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|[^\w\s]")
_DETERMINERS = frozenset(
    """the a an his her their its this that these my our your der die das den dem des ein eine einen
    einem einer eines sein seine seinen seiner ihr ihre ihren ihrer le la les l'un un une des du ce
    cette son sa ses leur el los las una unos unas del su sus""".split()
)
_TITLES = frozenset(
    "Mr Mrs Ms Miss Dr Sir Lady Lord Madame Monsieur Herr Frau Señor Chapter".split()
)
_VERB_LIKE = re.compile(r"(ed|ing|ly|est|ous|ful|less|able|ible|ive)$")


def names_in(text: str, *, limit: int, characters: int) -> list[str]:
    """The most frequent names of persons (and places), most frequent first.

    A name is written with a capital inside sentences, hardly ever in small letters, and,
    unlike a German noun, hardly ever after an article.
    """
    counted = Counter(_names(text))
    small = Counter(word for word in re.findall(r"[^\W\d_]+", text) if word[0].islower())
    enough = 2 if sum(counted.values()) > 3 * limit else 1
    found = [
        name
        for name, n in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        if n >= enough and len(name) <= characters and small[name.lower()] <= n
    ]
    return _without_parts(found)[:limit]


def themes_in(text: str, *, limit: int, characters: int) -> list[str]:
    """The nouns the text uses most, in small letters: heads of phrases behind an article;
    in a language whose articles are not known, its most frequent words."""
    heads = Counter(_heads(text))
    names = {
        part.lower() for name in names_in(text, limit=60, characters=80) for part in name.split()
    }
    likely = [w for w in _most_common(heads) if w not in names and not _VERB_LIKE.search(w)]
    themes = [w for w in likely if len(w) > 3] or _most_common(Counter(content_words(text)))
    return _without_plurals([w for w in themes if len(w) <= characters])[:limit]


def _names(text: str) -> Iterator[str]:
    for found in _NAME.finditer(text):
        before = text[max(0, found.start() - 14) : found.start()].split()
        words = [w for w in found[1].split() if w.lower() not in STOPWORDS]
        if before and before[-1].lower() not in _DETERMINERS and set(words) - _TITLES:
            yield " ".join(words)


def _heads(text: str) -> Iterator[str]:
    """The last word of each run of content words behind a determiner."""
    last = ""
    inside = False
    for word in _WORD_OR_STOP.findall(text):
        low = word.lower()
        if low in _DETERMINERS:
            inside, last = True, ""
        elif low in STOPWORDS or not word[0].isalpha():
            if inside and len(last) > 1:
                yield last
            inside, last = False, ""
        else:
            last = low.removesuffix("'s").removesuffix("’s")


def _most_common(counted: Counter[str]) -> list[str]:
    return [w for w, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:80]]


def _without_parts(names: list[str]) -> list[str]:
    """Each person once: of 'Elizabeth' and 'Elizabeth Bennet' the more frequent stays."""
    kept: list[str] = []
    for name in names:
        words = set(name.split())
        if not any(words <= set(other.split()) or words >= set(other.split()) for other in kept):
            kept.append(name)
    return kept


def _without_plurals(words: list[str]) -> list[str]:
    kept: list[str] = []
    for word in words:
        if not {word, word + "s", word.removesuffix("s")} & set(kept):
            kept.append(word)
    return kept
