"""The stretch of a passage that says most of a question, cut out verbatim."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from app.domains.discovery.model import FoundPassage, Snippet, words_of
from app.domains.discovery.service.likeness import resemblance
from app.shared.sentences import sentence_spans
from app.shared.words import folded


class _Match(NamedTuple):
    start: int
    end: int
    position: int


def snippet_of(passage: FoundPassage, length: int, question: str) -> Snippet:
    """At most `length` characters of the passage around the words of the question, cut
    between words; it begins with a sentence where there is room. Where none of the words is,
    it begins with the sentence whose words are most like them."""
    text = passage.text
    matches = list(_matches(text, passage.forms))
    window = _window(text, matches, length) if matches else _alike(text, question, length)
    start, end = _whole_words(text, *window)
    return Snippet(
        passage.start + start,
        passage.start + end,
        text[start:end],
        [(m.start - start, m.end - start) for m in matches if start <= m.start and m.end <= end],
    )


def _matches(text: str, forms: Mapping[str, int]) -> Iterator[_Match]:
    for start, end in words_of(text):
        position = forms.get(folded(text[start:end]))
        if position is not None:
            yield _Match(start, end, position)


def _window(text: str, matches: Sequence[_Match], length: int) -> tuple[int, int]:
    if len(text) <= length:
        return 0, len(text)
    first, last = max(_groups(matches, length), key=lambda g: _worth(matches[g[0] : g[1]]))
    begin, stop = matches[first].start, matches[last - 1].end
    start = _beginning(text, begin, begin - (length - (stop - begin)))
    return max(0, start), min(len(text), max(0, start) + length)


def _alike(text: str, question: str, length: int) -> tuple[int, int]:
    if len(text) <= length:
        return 0, len(text)
    spans = list(sentence_spans(text)) or [(0, len(text))]
    start, _ = max(spans, key=lambda span: resemblance(question, text[slice(*span)]))
    start = min(start, len(text) - length)
    return start, start + length


def _groups(matches: Sequence[_Match], length: int) -> Iterator[tuple[int, int]]:
    """Matches that fit one window, from each of them on."""
    last = 0
    for first, match in enumerate(matches):
        last = max(last, first + 1)
        while last < len(matches) and matches[last].end - match.start <= length:
            last += 1
        yield first, last


def _worth(matches: Sequence[_Match]) -> tuple[int, int, int]:
    """Different words first, then closeness."""
    different = len({match.position for match in matches})
    return different, len(matches), matches[0].start - matches[-1].end


def _beginning(text: str, begin: int, earliest: int) -> int:
    """Where the last sentence begins that leaves room for what was found, else a little
    before it."""
    starts = [start for start, _ in sentence_spans(text)]
    place = bisect_right(starts, begin) - 1
    if place >= 0 and starts[place] >= earliest:
        return starts[place]
    return max(earliest, begin - (begin - earliest) // 2)


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """The window without torn words at its ends and without space around it."""
    if _tears(text, start):
        start = _first_space(text, start, end)
    if _tears(text, end):
        end = _last_space(text, start, end)
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _tears(text: str, place: int) -> bool:
    return 0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum()


def _first_space(text: str, start: int, end: int) -> int:
    spaces = (i for i in range(start, min(end, start + 40)) if text[i].isspace())
    return next(spaces, start)


def _last_space(text: str, start: int, end: int) -> int:
    spaces = (i for i in range(end - 1, max(start, end - 40), -1) if text[i].isspace())
    return next(spaces, end)
