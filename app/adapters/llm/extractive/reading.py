"""The sentences of a text as a summariser needs them: whole, placed, and with who speaks."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.adapters.llm.extractive.words import tokens, word_count
from app.shared.sentences import sentence_spans

_TERMINAL = re.compile(r"[.!?…。！？।؟][\"'”’»)\]」』]*$")
_SPACE = re.compile(r"\s+")
_GAP = re.compile(r"\n[ \t]*\n")
_MARKS = re.compile('["“”„«»「」『』]')
_CLOSING = {'"': '"', "“": "”", "„": "“", "«": "»", "「": "」", "『": "』"}
_OPENING = {closing: opening for opening, closing in _CLOSING.items()}
# Those who speak of themselves: in speech, in letters, or all through a book.
_SPEAKER = re.compile(
    r"\b(I|me|my|we|our|us|you|your|ich|mich|mir|meine?[nmrs]?|wir|uns|unsere?[nmrs]?|"
    r"je|j(?=')|moi|nous|vous|yo|mi|nosotros|usted(?:es)?)\b",
    re.I,
)
_FEWEST_WORDS, _MOST_WORDS = 4, 45
_LONGEST_READ = 4_000
_PAIRS = (("(", ")"), ("[", "]"))


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence on one line; `start` is its place in the text, 0 to 1. Where it is a piece
    of a longer speech it has quotation marks of its own. `told`: by the narrator, who is not
    among the persons."""

    text: str
    start: float
    words: int
    tokens: Sequence[str]
    told: bool

    @property
    def stands_alone(self) -> bool:
        text = self.text
        return (
            _FEWEST_WORDS <= self.words <= _MOST_WORDS
            and bool(_TERMINAL.search(text))
            and not text.isupper()
            and not text[0].islower()
            and all(text.count(left) == text.count(right) for left, right in _PAIRS)
        )


def sentences_of(text: str) -> list[Sentence]:
    """The sentences fit to stand alone, or else all of them; endless ones are no sentences."""
    found = list(_read(text))
    return [s for s in found if s.stands_alone] or found


def ended(text: str) -> str:
    """The sentence, with a full stop where it has no end of its own."""
    return text if _TERMINAL.search(text) or not text else text.rstrip(" ,;:—–-") + "."


def _read(text: str) -> Iterator[Sentence]:
    awaited, last = "", 0
    for start, end in sentence_spans(text):
        # A speech of several paragraphs is rare, a forgotten mark is not.
        if awaited and _GAP.search(text, last, start):
            awaited = ""
        last = end
        before = awaited
        spoken, awaited = _speech(text, start, end, before)
        if end - start <= _LONGEST_READ:
            line = _SPACE.sub(" ", text[start:end])
            yield Sentence(
                text=f"{_OPENING.get(before, '')}{line}{awaited}",
                start=start / len(text),
                words=word_count(line),
                tokens=[token.removesuffix("'s") for token in tokens(line)],
                told=not spoken and not _SPEAKER.search(line),
            )


def _speech(text: str, start: int, end: int, awaited: str) -> tuple[bool, str]:
    """Whether any of the stretch is spoken, and the mark still awaited at its end."""
    spoken = bool(awaited)
    for mark in _MARKS.finditer(text, start, end):
        if awaited and mark[0] == awaited:
            awaited = ""
        elif not awaited and mark[0] in _CLOSING:
            awaited, spoken = _CLOSING[mark[0]], True
    return spoken, awaited
