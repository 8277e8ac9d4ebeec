"""Sentences of a text, by position.

A small rule-based splitter of our own: it keeps exact offsets, needs no model and reads a
long novel in a second, where the libraries measured take minutes or lose the offsets.
"""

import re
from collections.abc import Iterator

_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof rev hon st sr jr vs etc vol pp fig gen col capt lt sgt maj gov sen rep "
    "messrs mme mlle esq inc ltd ca cf al approx dept est hr bzw usw nr bd ff sog vgl".split()
)
# Possessive, and never begun inside a row of stops: a page of dots costs a page of dots.
_END = re.compile(
    r"(?P<stop>(?<![.!?…])[.!?…]++[\"'”’»)\]]*+)(?=\s+\S)"
    r"|(?P<stop_cjk>[。！？]+[」』”’]*)|(?P<gap>\n[ \t]*\n+)"
)
_LAST_WORD = re.compile(r"(?<!\w)(\w++)$")


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each sentence without surrounding white space; a blank line always
    ends one. Sentences cover everything but white space."""
    start = 0
    for found in _END.finditer(text):
        if found["stop"] and not _really_ends(text, found.start("stop"), found.end()):
            continue
        yield from _trimmed(text, start, found.end())
        start = found.end()
    yield from _trimmed(text, start, len(text))


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def _really_ends(text: str, stop: int, end: int) -> bool:
    if text[stop] != ".":
        return True
    word = _LAST_WORD.search(text, max(0, stop - 24), stop)
    if word and (word[1].lower() in _ABBREVIATIONS or (len(word[1]) == 1 and word[1].isupper())):
        return False
    following = text[end : end + 40].lstrip()[:1]
    return not following.islower()


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end
