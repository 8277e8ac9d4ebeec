"""Whether a model's summary may be shown: small models fail by degenerating, into one word,
into loops, into an echo of the question."""

import re
from collections.abc import Mapping
from typing import Any

from app.shared.sentences import sentences

# Scripts without spaces: a character counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
_ECHOES = ("<data:", "</data:", "between data marks", "one json object")


def is_degenerate(output: Mapping[str, Any], *, source: str, words: int) -> bool:
    """True for a summary that is empty or far too short for its source, far over its limit,
    broken off, repeating itself, or repeating the question."""
    text = str(output.get("summary", "")).strip()
    count = len(_WORD.findall(text))
    enough = min(8, len(_WORD.findall(source[:2000])) // 4)
    return (
        count < enough
        or not text
        or count > 3 * words + 40
        or (count >= 8 and _breaks_off(text))
        or any(echo in text.lower() for echo in _ECHOES)
        or _repeats(text)
    )


def evidence_for(summary: str, passage: str) -> str:
    """The sentence of the passage (240 characters at most) that says most of what the
    summary says: by words in common, longer words counting more."""
    wanted = {word for word in _WORD.findall(summary.lower()) if len(word) > 3 or word > "\u3040"}

    def support(sentence: str) -> float:
        found = set(_WORD.findall(sentence.lower()))
        return sum(len(word) for word in wanted & found) / (8 + len(found))

    candidates = [s for s in sentences(passage) if len(s) <= 240]
    return " ".join(max(candidates, key=support, default="").split())


def _breaks_off(text: str) -> bool:
    """Ends in the middle; scripts without case may well end without a full stop."""
    last = text[-1]
    return last in ",;:-–—" or last.isdecimal() or last.lower() != last.upper()


def _repeats(text: str) -> bool:
    words = _WORD.findall(text.lower())
    fours = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    return len(fours) >= 6 and len(set(fours)) < 0.8 * len(fours)
