"""Which language a text is in, and how many words it has."""

import re
from functools import cache
from typing import Any

_NAMES = """
ar arabic ara|bg bulgarian bul|ca catalan cat|cs czech ces cze|cy welsh cym wel|da danish dan
de german deu ger deutsch|el greek ell gre|en english eng|eo esperanto epo|es spanish spa español
et estonian est|eu basque eus baq|fa persian fas per|fi finnish fin|fr french fra fre français
ga irish gle|gl galician glg|he hebrew heb|hi hindi hin|hr croatian hrv|hu hungarian hun
id indonesian ind|is icelandic isl ice|it italian ita italiano|ja japanese jpn|ko korean kor
la latin lat|lt lithuanian lit|lv latvian lav|nl dutch nld dum|no norwegian nor|pl polish pol
pt portuguese por português|ro romanian ron rum|ru russian rus|sk slovak slk slo|sl slovenian slv
sr serbian srp|sv swedish swe|tl tagalog tgl|tr turkish tur|uk ukrainian ukr|vi vietnamese vie
zh chinese zho chi
"""
_CODES = {
    name: names.split()[0]
    for names in _NAMES.strip().replace("\n", "|").split("|")
    for name in names.split()
}
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:['’][^\W_{_CJK}]+)*")
_SAMPLES = (0.05, 0.35, 0.6, 0.85)
_SAMPLE_CHARACTERS = 2_000
_LEAST_LETTERS = 40
_LEAST_PROBABILITY = 0.5


def count_words(text: str) -> int:
    """Runs of letters and digits, apostrophes inside them included; each Chinese or
    Japanese character is one."""
    return sum(1 for _ in _WORD.finditer(text))


def language_code(name: str | None) -> str | None:
    """The ISO 639-1 code for what a file says: `en-GB`, `eng`, `English`; None if unknown."""
    words = re.split(r"[^\w]+", name.strip().lower()) if name else [""]
    first = words[0]
    if first in _CODES:
        return _CODES[first]
    return first if re.fullmatch(r"[a-z]{2}", first) else None


def guess_language(text: str) -> str | None:
    """The most likely ISO 639-1 code of a text, None where too little speaks for any."""
    sample = "\n".join(_samples(text))
    if sum(map(str.isalpha, sample)) < _LEAST_LETTERS:
        return None
    code, probability = _identifier().classify(sample)
    return language_code(str(code)) if probability >= _LEAST_PROBABILITY else None


@cache
def _identifier() -> Any:
    # Loading the model takes half a second and a temporary file, which a child has not.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _samples(text: str) -> list[str]:
    if len(text) <= _SAMPLE_CHARACTERS * len(_SAMPLES):
        return [text]
    places = [int(len(text) * part) for part in _SAMPLES]
    return [text[place : place + _SAMPLE_CHARACTERS] for place in places]
