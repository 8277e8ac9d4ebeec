"""From numbers to words: facts for the model, a text without one, and when to tell anew."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, TypeAlias

from app.domains.reviews.model import AspectCount, Exemplar, Polarity, Source, Standing
from app.domains.reviews.service.orders import speaks_to_a_machine
from app.domains.reviews.service.phrases import Phrases, phrases_for, readers_of

Heard: TypeAlias = dict[str, set[Polarity]]

TOLD_BY_NUMBERS = Source("library", "template", "consensus_by_numbers@2", degraded=True)

MENTIONED_FROM = 0.10
HEARD_FROM = 0.15
_MOST_ASPECTS = 6
_FACTS = 8
_MOVED = 0.10
_GROWN = 1.5
_VOICES_BYTES = 750
_LONGEST_VOICE = 160
# Told a little earlier than it must be, so that it need not be told anew one review later.
MARGIN = 0.8
_VERBS = {
    Polarity.POSITIVE: "praise",
    Polarity.NEGATIVE: "criticise",
    Polarity.MIXED: "are divided over",
}
_HOW_MANY = ((0.51, "most readers"), (0.3, "many readers"), (0.15, "some"), (0.0, "a few"))


def told_of(standing: Standing) -> list[AspectCount]:
    """What a text speaks of: the aspects most spoken of, and every one that a tenth of the
    readers speak of."""
    return [
        count
        for place, count in enumerate(standing.aspects)
        if place < _FACTS or _share(count.readers, standing) >= MENTIONED_FROM * MARGIN
    ]


def owed(standing: Standing, *, margin: float = 1.0) -> Heard:
    """What a text must speak of, and which sides must be heard: aspects a tenth of the
    readers speak of, a side of it that 15 % of those who speak of it hold; both times
    `margin`."""
    return {
        count.aspect: set(_sides(count, HEARD_FROM * margin))
        for count in standing.aspects
        if _share(count.readers, standing) >= MENTIONED_FROM * margin
    }


def facts_of(standing: Standing) -> list[str]:
    """Lines for the model, one for each sentence it is to write: `plot (positive): most
    readers praise the plot`. In words: small models copy numbers to where they do not belong."""
    return [_overall(standing), *chain(*(_lines(c, standing) for c in told_of(standing)))]


def text_by_numbers(standing: Standing) -> str:
    """What readers think without any model, in the language most of them write in: every
    aspect and every side that must be heard, with its number."""
    words, ratings = phrases_for(standing.language), standing.ratings
    average = words.number(ratings.average or 0)
    sentences = [words.stars[ratings.count > 1].format(n=ratings.count, average=average)]
    for polarity in Polarity:
        if sentence := _listed(polarity, standing, words):
            sentences.append(sentence)
    return " ".join(sentences)


def voices_of(exemplars: Sequence[Exemplar]) -> list[Exemplar]:
    """Sentences to show the model: one for each view first, a second one where there is
    room; 750 bytes in all, and none that speaks to a machine."""
    by_view: dict[tuple[str, Polarity], list[Exemplar]] = {}
    for exemplar in exemplars:
        if not speaks_to_a_machine(exemplar.text):
            by_view.setdefault((exemplar.aspect, exemplar.polarity), []).append(exemplar)
    voices, room = [], _VOICES_BYTES
    for exemplar in _in_turns(by_view.values()):
        size = len(line_of(exemplar).encode()) + 1
        if size <= room:
            room -= size
            voices.append(exemplar)
    return voices


def line_of(voice: Exemplar) -> str:
    name = AspectCount(voice.aspect, 0, 0, 0).name
    return f"{name} ({voice.polarity}): {_shortened(voice.text)}"


def matters(basis: Mapping[str, Any], now: Standing) -> bool:
    """Whether what is counted now differs enough from what a text was told from: half as
    many readers more or fewer, another aspect among the six most spoken of, one or a side of
    one that must be heard and was not, one nobody speaks of any more, or a tenth of the
    readers (or of the scale of stars) elsewhere than before."""
    before: int = basis.get("readers", 0)
    if not before or not before / _GROWN < now.readers < before * _GROWN:
        return True
    told = {name: tuple(counts) for name, *counts in basis["aspects"]}
    counts = {count.aspect: count.counts for count in now.aspects}
    top = {count.aspect for count in now.aspects[:_MOST_ASPECTS]}
    return (
        not top <= set(told)
        or not set(told) <= set(counts)
        or not _is_heard(basis["heard"], owed(now))
        or any(_shifts(before, told, now, counts, basis["average"]))
    )


def basis_of(
    standing: Standing, voices: Sequence[Exemplar], heard: Mapping[str, set[Polarity]]
) -> dict[str, Any]:
    """What a text rests on and what of it is `heard`: to be compared with what is counted
    later, and to ask the same question again. It holds no word of a review, only which
    sentences were shown."""
    ratings = standing.ratings
    return {
        "readers": standing.readers,
        "average": ratings.average,
        "ratings": [ratings.count, ratings.total, list(ratings.histogram)],
        "language": standing.language,
        "aspects": [[count.aspect, *count.counts] for count in told_of(standing)],
        "heard": {aspect: sorted(sides) for aspect, sides in heard.items()},
        "voices": sorted({str(voice.review_id) for voice in voices}),
        "shown": [[str(v.review_id), v.sentence, v.aspect, v.polarity.value] for v in voices],
    }


def quotes_for(count: AspectCount, exemplars: Sequence[Exemplar]) -> list[Exemplar]:
    """Two sentences about the aspect at most: the view most readers hold speaks first, then
    the next one, so that both sides are heard where there are two."""
    held = dict(zip(Polarity, count.counts, strict=True))
    views = sorted(Polarity, key=lambda polarity: -held[polarity])
    mine = [e for e in exemplars if e.aspect == count.aspect]
    return list(_in_turns([e for e in mine if e.polarity is view] for view in views))[:2]


def _overall(standing: Standing) -> str:
    average = standing.ratings.average or 3
    if 2.5 < average < 3.5:
        return "overall (mixed): readers are divided over the book"
    if average > 3:
        return "overall (positive): readers like the book"
    return "overall (negative): readers do not like the book"


def _lines(count: AspectCount, standing: Standing) -> Iterator[str]:
    sides = list(_sides(count, HEARD_FROM * MARGIN)) or [_leading(count)]
    if len(sides) > 1 and len(told_of(standing)) > _FACTS:
        sides = [Polarity.MIXED]
    for side in sides:
        number = count.counts[list(Polarity).index(side)]
        what = phrases_for("en").aspect(count)
        yield f"{count.name} ({side}): {_many(number, standing)} {_VERBS[side]} {what}"


def _leading(count: AspectCount) -> Polarity:
    return max(Polarity, key=lambda side: count.counts[list(Polarity).index(side)])


def _many(number: int, standing: Standing) -> str:
    share = _share(number, standing)
    return next(words for least, words in _HOW_MANY if share >= least)


def _share(readers: int, standing: Standing) -> float:
    return readers / standing.readers if standing.readers else 0.0


def _sides(count: AspectCount, share: float) -> Iterator[Polarity]:
    for polarity, number in zip(Polarity, count.counts, strict=True):
        if polarity is not Polarity.MIXED and number >= share * count.readers:
            yield polarity


def _is_heard(told: Mapping[str, Sequence[str]], now: Heard) -> bool:
    return all(aspect in told and sides <= set(told[aspect]) for aspect, sides in now.items())


def _shifts(
    before: int,
    told: Mapping[str, Sequence[int]],
    now: Standing,
    counts: Mapping[str, Sequence[int]],
    average: float | None,
) -> Iterator[bool]:
    for aspect, old in told.items():
        for was, new in zip(old, counts[aspect], strict=True):
            yield abs(new / now.readers - was / before) > _MOVED
    yield abs((now.ratings.average or 3) - (average or 3)) / 4 > _MOVED


def _listed(polarity: Polarity, standing: Standing, words: Phrases) -> str | None:
    """`14 of 20 readers praise the plot, 9 the writing and 5 the humour.`"""
    place = list(Polarity).index(polarity)
    counts = [count for count in told_of(standing) if count.counts[place]]
    counts.sort(key=lambda count: -count.counts[place])
    if not counts:
        return None
    said = [
        _view(count.counts[place], words.aspect(count), polarity, standing, words, first=not n)
        for n, count in enumerate(counts)
    ]
    return words.joined.join(filter(None, [", ".join(said[:-1]), said[-1]])) + "."


def _view(
    number: int, what: str, polarity: Polarity, standing: Standing, words: Phrases, *, first: bool
) -> str:
    form = words.stance(polarity, several=number > 1) if first else words.another(polarity)
    readers = readers_of(words, standing.readers)
    return form.format(n=number, all=standing.readers, readers=readers, what=what)


def _in_turns(groups: Iterable[Iterable[Exemplar]]) -> Iterator[Exemplar]:
    for turn in zip_longest(*groups):
        yield from (exemplar for exemplar in turn if exemplar is not None)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_VOICE else line[: _LONGEST_VOICE - 1] + "…"
