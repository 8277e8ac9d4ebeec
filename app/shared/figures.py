"""Numbers as a text writes them: in digits of any script, or in English words."""

import re
from collections.abc import Iterator

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
).split()
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_VALUES = {
    **{word: value for value, word in enumerate(_UNITS)},
    **{word: value for value, word in enumerate(_ORDINALS)},
    **{word: 10 * value for value, word in enumerate(_TENS, start=2)},
    **{f"{word[:-1]}ieth": 10 * value for value, word in enumerate(_TENS, start=2)},
}
_NAMES = "|".join(sorted([*_VALUES, *_SCALES, *(f"{s}th" for s in _SCALES)], key=len, reverse=True))
_NUMBER = re.compile(
    r"(?P<digits>\d+(?:[.,'’\u00a0\u202f]\d+)*)"
    rf"|\b(?P<words>(?:{_NAMES})(?:(?:\s+and\s+|[\s-]+)(?:{_NAMES})){{0,24}})\b",
    re.I,
)
_GROUPED = re.compile(r"\d{1,3}(?:[.,'’\u00a0\u202f]\d{3})+")
_LONGEST = 4_000
_SEPARATORS = re.compile(r"[.,'’\u00a0\u202f]")


def figures(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, str]]:
    """(start, end, value) of each number: `1,851`, `1851` and `1.851` have the value `1851`,
    `twenty-first` and `21` the value `21`; what is no whole number keeps its parts: `3.5`."""
    for found in _NUMBER.finditer(text, start, len(text) if end is None else end):
        value = _of_digits(found["digits"]) if found["digits"] else _of_words(found["words"])
        yield found.start(), found.end(), value


def _of_digits(digits: str) -> str:
    if _GROUPED.fullmatch(digits):
        return _plain(_SEPARATORS.sub("", digits))
    return ".".join(map(_plain, _SEPARATORS.split(digits)))


def _plain(digits: str) -> str:
    # Python reads no longer number: the first six thousand digits of π stay as they stand
    return str(int(digits)) if len(digits) < _LONGEST else digits


def _of_words(words: str) -> str:
    total, part = 0, 0
    for word in re.split(r"[\s-]+", words.lower()):
        scale = _SCALES.get(word.removesuffix("th"))
        if scale == 100:
            part = max(1, part) * 100
        elif scale:
            total, part = total + max(1, part) * scale, 0
        elif word != "and":
            part = _next(part, _VALUES[word])
    return str(total + part)


def _next(part: int, value: int) -> int:
    # eighteen fifty-one is a year
    if 10 <= part < 100 and value >= 10:
        return part * 100 + value
    return part + value
