"""From numbers to words: facts for the model, a text without one, and when to tell anew."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from app.domains.reviews.model import Aspect, AspectCount, Exemplar, Polarity, Source, Standing

TOLD_BY_NUMBERS = Source("library", "template", "consensus_by_numbers@1", degraded=True)

_MOST_ASPECTS = 6
_MOVED = 0.10
_GROWN = 1.5
_VOICES_BYTES = 1200
_LONGEST_VOICE = 160
_SPOKEN = {
    Aspect.PROSE: "the writing",
    Aspect.EMOTION: "how it moves them",
    Aspect.EDITION: "this edition",
    Aspect.IDEAS: "its ideas",
}
_VERBS = {
    Polarity.POSITIVE: ("praises", "praise"),
    Polarity.NEGATIVE: ("criticises", "criticise"),
    Polarity.MIXED: ("is of two minds about", "are of two minds about"),
}
_ORDERS = re.compile(
    r"https?://|www\.|[<>{}`]|\bsystem prompt\b|\byou are now\b|\bas an ai\b"
    r"|\b(?:ignore|disregard|forget|override)\b.{0,60}\b(?:instruction|previous|above|prompt|rule)"
    r"|\b(?:answer|respond|reply|output|write|say|print)\b.{0,20}\b(?:with|that|only|exactly)\b",
    re.I | re.S,
)
# Words, and a character each in scripts that do not part them.
_WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]|\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]」』]*$")


def facts_of(standing: Standing, *, aspects: int = _MOST_ASPECTS) -> list[str]:
    """Counted sentences: the stars, then who says what of the aspects most spoken of."""
    ratings = standing.ratings
    facts = [f"{_readers(ratings.count)} {ratings.average:.1f} of 5 stars on average."]
    for count in standing.aspects[:aspects]:
        facts += _facts(count, standing.readers)
    return facts


def text_by_numbers(standing: Standing) -> str:
    """What readers think without any model: the same numbers, the same words."""
    return " ".join(facts_of(standing, aspects=3))


def voices_of(exemplars: Sequence[Exemplar]) -> list[tuple[Exemplar, str]]:
    """Sentences to show the model, as lines: one for each view first, a second one where
    there is room; 1,200 bytes in all, and none that speaks to a machine."""
    by_view: dict[tuple[Aspect, Polarity], list[Exemplar]] = {}
    for exemplar in exemplars:
        if not _ORDERS.search(exemplar.text):
            by_view.setdefault((exemplar.aspect, exemplar.polarity), []).append(exemplar)
    voices, room = [], _VOICES_BYTES
    for exemplar in _in_turns(by_view.values()):
        line = f"{exemplar.aspect} ({exemplar.polarity}): {_shortened(exemplar.text)}"
        if len(line.encode()) <= room:
            room -= len(line.encode())
            voices.append((exemplar, line))
    return voices


def basis_of(standing: Standing, voices: Sequence[Exemplar]) -> dict[str, Any]:
    """What a text rests on, to be compared with what is counted later."""
    return {
        "readers": standing.readers,
        "average": standing.ratings.average,
        "aspects": [[count.aspect.value, *count.counts] for count in standing.aspects],
        "voices": sorted({str(voice.review_id) for voice in voices}),
    }


def matters(basis: Mapping[str, Any], now: Standing) -> bool:
    """Whether what is counted now differs enough from the basis to tell it anew: half as
    many readers more or fewer, another aspect among the six most spoken of, or a tenth of
    the readers (or of the scale of stars) elsewhere than before."""
    before: int = basis.get("readers", 0)
    if not before or not before / _GROWN < now.readers < before * _GROWN:
        return True
    told = {name: counts for name, *counts in basis["aspects"][:_MOST_ASPECTS]}
    top = {count.aspect.value: count.counts for count in now.aspects[:_MOST_ASPECTS]}
    if set(top) != set(told):
        return True
    shifts = [
        abs(new / now.readers - old / before)
        for name in top
        for new, old in zip(top[name], told[name], strict=True)
    ]
    shifts.append(abs((now.ratings.average or 3) - (basis["average"] or 3)) / 4)
    return any(shift > _MOVED for shift in shifts)


def is_sound(text: str, facts: Sequence[str]) -> bool:
    """Whether a model's text can be shown: a few words that do not go round in circles, whole
    sentences, no number that was not counted, nothing of our marks and no address."""
    counted = set(_NUMBER.findall(" ".join(facts)))
    words = _WORD.findall(text.lower())
    return (
        len(words) >= 4
        and len(set(words)) > len(words) / 4
        and _SENTENCE_END.search(text.strip()) is not None
        and set(_NUMBER.findall(text)) <= counted
        and "<data:" not in text
        and "://" not in text
    )


def quotes_for(count: AspectCount, exemplars: Sequence[Exemplar]) -> list[Exemplar]:
    """Two sentences about the aspect at most: the view most readers hold speaks first, then
    the next one, so that both sides are heard where there are two."""
    held = dict(zip(Polarity, count.counts, strict=True))
    views = sorted(Polarity, key=lambda polarity: -held[polarity])
    mine = [e for e in exemplars if e.aspect is count.aspect]
    return list(_in_turns([e for e in mine if e.polarity is view] for view in views))[:2]


def _facts(count: AspectCount, readers: int) -> Iterator[str]:
    what = _SPOKEN.get(count.aspect, f"the {count.aspect}")
    for polarity, number in zip(Polarity, count.counts, strict=True):
        if number:
            verb = _VERBS[polarity][number > 1]
            yield f"{number} of {readers} reader{'s' * (readers > 1)} {verb} {what}."


def _readers(count: int) -> str:
    return "1 reader gives" if count == 1 else f"{count} readers give"


def _in_turns(groups: Any) -> Iterator[Exemplar]:
    for turn in zip_longest(*groups):
        yield from (exemplar for exemplar in turn if exemplar is not None)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_VOICE else line[: _LONGEST_VOICE - 1] + "…"
