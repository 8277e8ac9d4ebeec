"""A model's text held against the counts: what is wrong with it, and the text to be shown."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domains.reviews.model import AspectCount, Exemplar, Polarity, Standing
from app.domains.reviews.model.languages import language_of
from app.domains.reviews.prompts import OVERALL
from app.domains.reviews.service.phrases import phrases_for
from app.domains.reviews.service.telling import MARGIN, Heard, owed, told_of

_COPIED_WORDS = 6
_COPIED_SIGNS = 12
_MOST_REPEATED = 0.35
# Words, and a character each in scripts that do not part them.
_WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]|\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]」』]*$")
_FOREIGN = re.compile(r"<data:|</|://|www\.|\S@\S|[{}\[\]<>`|]|\n")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Told:
    """One sentence of an answer, and what it says of which aspect (None: of the book)."""

    count: AspectCount | None
    stance: Polarity
    text: str


def told_in(answer: Mapping[str, Any], standing: Standing) -> list[Told]:
    """The sentences of an answer; those about what nobody speaks of are left out."""
    known = {count.name: count for count in told_of(standing)}
    found = []
    for item in answer.get("sentences", ()):
        text = " ".join(str(item["text"]).split())
        if text and (item["aspect"] == OVERALL or item["aspect"] in known):
            told = Told(known.get(item["aspect"]), Polarity(item["stance"]), _ended(text))
            found.append(told)
    return found


def faults(told: Sequence[Told], standing: Standing, voices: Sequence[Exemplar]) -> list[str]:
    """What is wrong with an answer, in words for the model; nothing when it may be shown."""
    return [*_missing(told, standing), *_wrong(told, standing), *_unsound(told, standing, voices)]


def heard_in(told: Sequence[Told]) -> Heard:
    heard: Heard = {}
    for each in told:
        if each.count is not None:
            heard.setdefault(each.count.aspect, set()).update(_sides_of(each))
    return heard


def text_of(told: Sequence[Told], standing: Standing) -> str:
    """The sentences in the order of the aspects most spoken of, with our numbers."""
    places = {count.aspect: place for place, count in enumerate(standing.aspects)}
    ordered = sorted(told, key=lambda each: places[each.count.aspect] if each.count else -1)
    return " ".join(_numbered(each, standing) for each in ordered)


def _missing(told: Sequence[Told], standing: Standing) -> Iterator[str]:
    heard = heard_in(told)
    names = {count.aspect: count.name for count in standing.aspects}
    for aspect, sides in owed(standing, margin=MARGIN).items():
        if aspect not in heard:
            yield f"nothing is said of {names[aspect]}"
        for side in sorted(sides - heard.get(aspect, sides)):
            yield f"the {side} side of {names[aspect]} is not told"


def _wrong(told: Sequence[Told], standing: Standing) -> Iterator[str]:
    for each in told:
        name = each.count.name if each.count else OVERALL
        if not _agrees(each, standing):
            yield f"readers are not {each.stance} about {name}"
        if not set(_NUMBER.findall(each.text)) <= _numbers(each, standing):
            yield f"a number about {name} was not counted"
        if _claims_most(each, standing):
            yield f"not that many readers are {each.stance} about {name}"


def _unsound(told: Sequence[Told], standing: Standing, voices: Sequence[Exemplar]) -> Iterator[str]:
    text = " ".join(each.text for each in told)
    words = _WORD.findall(text.lower())
    if len(words) < 4 or len(set(words)) == 1 or _repeats(words) > _MOST_REPEATED:
        yield "too little is said, or the same again and again"
    if _FOREIGN.search(text):
        yield "there are addresses, marks or brackets in it"
    if any(_copies(each.text, voice.text) for each in told for voice in voices):
        yield "a reader's sentence is repeated word for word"
    spoken = language_of(text)
    if standing.language and spoken and spoken != standing.language:
        yield f"it is not written in {phrases_for(standing.language).language}"


def _agrees(told: Told, standing: Standing) -> bool:
    if told.count is None:
        average = standing.ratings.average or 3
        return {"positive": average > 3, "negative": average < 3, "mixed": True}[told.stance]
    positive, negative, mixed = told.count.counts
    if told.stance is Polarity.MIXED:
        return bool(mixed or (positive and negative))
    return bool(positive if told.stance is Polarity.POSITIVE else negative)


def _numbers(told: Told, standing: Standing) -> set[str]:
    average = f"{standing.ratings.average or 0:.1f}"
    if told.count is None:
        return {str(standing.ratings.count), "5", average, average.replace(".", ",")}
    return {str(_number(told)), str(standing.readers)}


def _claims_most(told: Told, standing: Standing) -> bool:
    words = phrases_for(standing.language)
    return (
        told.count is not None
        and told.stance is not Polarity.MIXED
        and _number(told) * 2 <= standing.readers
        and re.search(words.most, told.text.lower()) is not None
    )


def _number(told: Told) -> int:
    assert told.count is not None
    return dict(zip(Polarity, told.count.counts, strict=True))[told.stance]


def _sides_of(told: Told) -> set[Polarity]:
    """Who says that readers are divided has named both sides."""
    return set(Polarity) if told.stance is Polarity.MIXED else {told.stance}


def _numbered(told: Told, standing: Standing) -> str:
    if told.count is None or not _number(told) or _NUMBER.search(told.text):
        return told.text
    end = _SENTENCE_END.search(told.text)
    place = end.start() if end else len(told.text)
    return f"{told.text[:place]} ({_number(told)}/{standing.readers}){told.text[place:]}"


def _copies(text: str, voice: str) -> bool:
    """Whether a run of words of the voice stands in the text: 6 of them, or 12 signs."""
    mine, theirs = (_WORD.findall(each.lower()) for each in (text, voice))
    run = _COPIED_SIGNS if _UNSPACED.search(voice) else _COPIED_WORDS
    known = {tuple(theirs[n : n + run]) for n in range(len(theirs) - run + 1)}
    return any(tuple(mine[n : n + run]) in known for n in range(len(mine) - run + 1))


def _repeats(words: Sequence[str]) -> float:
    """The share of runs of three words that stood there before."""
    runs = [tuple(words[n : n + 3]) for n in range(len(words) - 2)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def _ended(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if _SENTENCE_END.search(text) else f"{text}."
