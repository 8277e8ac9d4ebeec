"""What readers are told of a book, put together from the answers of its summary tree."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.domains.catalog.service.answers import breaks_off
from app.shared.sentences import sentences

_BLURB_WORDS = 120
_RECITED = 6
_AWAY = re.compile(r"://|\bwww\.|\S@\S|[<>{}|]", re.I)


def abridged(texts: Sequence[str], words: int) -> list[str]:
    """The texts, or where they are longer than so many words together, the first sentences
    of each: as many as its equal share has room for, one at least."""
    if sum(len(text.split()) for text in texts) <= words:
        return list(texts)
    return [_beginning(text, words // len(texts)) for text in texts]


def introduction_of(output: Mapping[str, Any], synopsis: str) -> tuple[str, str]:
    """(hook, blurb), those that are missing from what is there. A hook is one sentence: what a
    model says beyond it often ends in the middle of a word, where its room was over."""
    blurb = str(output.get("blurb", "")).strip() or _beginning(synopsis, _BLURB_WORDS)
    hook = _beginning(str(output.get("hook", "")).strip(), 1)
    return hook if hook and not breaks_off(hook) else _beginning(blurb, 1), blurb


def chosen(values: Iterable[Any], offered: Sequence[str]) -> list[str]:
    """What was chosen of what was offered; nothing where a model only says the list after us,
    from its beginning, as small ones do."""
    found = distinct(values)
    recited = len(found) >= _RECITED and found == list(offered[: len(found)])
    return [] if recited else found


def is_name(text: str) -> bool:
    """Whether a word of it is written as names are; in scripts without capitals any may be."""
    return text.lower() == text.upper() or any(word[:1].isupper() for word in text.split())


def leads_away(text: str) -> bool:
    """Whether there is an address in it, or what is no text for people."""
    return bool(_AWAY.search(text))


def distinct(names: Iterable[Any]) -> list[str]:
    """Each once, as it was written first."""
    found: dict[str, str] = {}
    for name in (str(each).strip() for each in names):
        if name:
            found.setdefault(name.casefold(), name)
    return list(found.values())


def _beginning(text: str, words: int) -> str:
    kept: list[str] = []
    for sentence in sentences(text):
        words -= len(sentence.split())
        if kept and words < 0:
            break
        kept.append(sentence)
    return " ".join(kept)
