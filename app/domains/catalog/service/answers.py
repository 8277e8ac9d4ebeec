"""Whether a model's summary may be shown: small models fail by degenerating, into one word,
into loops, into an echo of the question."""

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache

from app.domains.catalog.service.faithfulness import Sources
from app.domains.catalog.service.particulars import particulars_of
from app.shared.languages import language_of, script_of
from app.shared.sentences import sentence_spans, sentences

# Scripts without spaces: a character counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
_DATA = re.compile(r"<data:([a-z_]+) ([0-9a-f]{12})>.*?</data:\1 \2>", re.S)
_MARK = re.compile(r"</?data:|between data marks|one json object", re.I)
_SAME_AGAIN = re.compile(r"\b(\w+)\b(?:\W+\1\b){3}|(\w{1,12}?)\2{6}", re.I)
_REFUSAL = re.compile(
    r"^\W*(?:i(?:'m| am) (?:sorry|unable|not able)|i (?:cannot|can't|can not|apologi[sz]e)"
    r"|sorry,|unfortunately,? i|es tut mir leid|ich kann (?:leider|dies|das|keine)"
    r"|je suis désolé|je ne peux pas|lo siento|no puedo|mi dispiace|non posso|sajnálom"
    r"|desculpe|het spijt me|przepraszam|извините|к сожалению, я|申し訳|抱歉|对不起)"
    r"|\bas an? (?:ai\b|artificial intelligence|(?:large )?language model)",
    re.I,
)
_PREAMBLE = re.compile(
    r"\A\W*(?:(?:sure|certainly|of course|absolutely|okay|ok|gladly)\b[^.:!\n]{0,40}[.:!,]\s*)?"
    r"(?:(?:here(?:'s|’s| is)|below is|the following is)\b"
    r"[^.:\n]{0,60}\b(?:summary|version|answer|passage|text|book|it is|you go)\b[^.:\n]{0,60}:\s*"
    r"|\**(?:a |the )?(?:brief |short )?(?:summary|zusammenfassung|résumé|resumen|riassunto|resumo"
    r"|samenvatting|összefoglal[áó]s?|streszczenie|краткое содержание|摘要|要約)"
    r"(?: of [^.:\n]{1,80})?\s?\**\s?[:：]\s*\**\s*)?",
    re.I,
)
_FAREWELL = re.compile(
    r"(?<!\s)\s*(?:let me know if|i hope (?:this|that) helps|would you like me to|feel free to ask)"
    r"[^\n]*\Z",
    re.I,
)
_GRAM = 8
_FEWEST_FOURS, _DISTINCT_FOURS = 6, 0.8
_SAMPLE = 6000
_NAMES_FOUNDED = 0.9


class Fault(StrEnum):
    """Why an answer cannot be shown."""

    SHORT = "It says next to nothing."
    LONG = "It is far longer than asked for."
    BROKEN_OFF = "It breaks off."
    LOOP = "It repeats itself."
    MARKS = "It gives away how it was asked."
    ECHO = "It repeats the question."
    REFUSAL = "It refuses to answer."
    SCRIPT = "It is in another script than the text."
    LANGUAGE = "It is in another language than the text."
    NAMES = "It names people or places the text does not have."


def fault_of(text: str, *, source: str, words: int, asked: str = "") -> Fault | None:
    """What is wrong with a summary of at most so many `words` of the source, the first thing
    found. `asked` is the whole prompt: without it nobody can tell an echo, nor an invented
    name from one in the title."""
    return next((fault for fault, found in _faults(text, source, words, asked) if found), None)


def told(text: str) -> str:
    """The text without what models say before and after an answer: "Sure, here it is:"."""
    bare = _FAREWELL.sub("", _PREAMBLE.sub("", text.strip(), count=1)).strip()
    return bare if _WORD.search(bare) else text.strip()


def evidence_for(summary: str, passage: str) -> str:
    """The sentence of the passage (240 characters at most) that says most of what the
    summary says: by words in common, longer words counting more."""
    wanted = {word for word in _WORD.findall(summary.lower()) if len(word) > 3 or word > "\u3040"}

    def support(sentence: str) -> float:
        found = set(_WORD.findall(sentence.lower()))
        return sum(len(word) for word in wanted & found) / (8 + len(found))

    candidates = [s for s in sentences(passage) if len(s) <= 240]
    return " ".join(max(candidates, key=support, default="").split())


def _faults(text: str, source: str, words: int, asked: str) -> Iterator[tuple[Fault, bool]]:
    """From the cheapest to the dearest check."""
    count = len(_WORD.findall(text))
    enough = min(8, len(_WORD.findall(source[:2000])) // 4)
    yield Fault.SHORT, count < enough or not text
    yield Fault.LONG, count > 3 * words + 40
    yield Fault.MARKS, bool(_MARK.search(text)) and not _MARK.search(source)
    yield Fault.REFUSAL, bool(_REFUSAL.search(text)) and not _REFUSAL.search(source)
    yield Fault.BROKEN_OFF, count >= 8 and breaks_off(text)
    yield Fault.LOOP, _loops(text, source)
    yield Fault.SCRIPT, _is_in_another_script(text, source)
    yield Fault.LANGUAGE, _is_in_another_language(text, source)
    if asked:
        yield Fault.ECHO, _echoes(text, source, asked)
        yield Fault.NAMES, _invents(text, asked)


def breaks_off(text: str) -> bool:
    """Ends in the middle; scripts without case may well end without a full stop."""
    last = text[-1]
    return last in ",;:-–—" or last.isdecimal() or last.lower() != last.upper()


def _loops(text: str, source: str) -> bool:
    again = _SAME_AGAIN.search(text)
    if again and not _SAME_AGAIN.search(source):
        return True
    words = _WORD.findall(text.lower())
    fours = _grams(words, 4)
    return len(words) - 3 >= _FEWEST_FOURS and len(fours) < _DISTINCT_FOURS * (len(words) - 3)


def _is_in_another_script(text: str, source: str) -> bool:
    own, found = script_of(source[:_SAMPLE]), script_of(text)
    return own is not None and found is not None and own != found


def _is_in_another_language(text: str, source: str) -> bool:
    found = language_of(text)
    return found is not None and language_of(source[:_SAMPLE]) not in (None, found)


def _echoes(text: str, source: str, asked: str) -> bool:
    echoed = _grams(_WORD.findall(text.lower()), _GRAM) & _instructions(_DATA.sub(" ", asked))
    return bool(echoed) and not echoed <= _grams(_WORD.findall(source.lower()), _GRAM)


@lru_cache(maxsize=64)
def _instructions(prompt: str) -> frozenset[tuple[str, ...]]:
    return _grams(_WORD.findall(prompt.lower()), _GRAM)


def _grams(words: list[str], size: int) -> frozenset[tuple[str, ...]]:
    return frozenset(zip(*(words[start:] for start in range(size)), strict=False))


def _invents(text: str, asked: str) -> bool:
    """More than one name, and more than one in ten. A sentence with a single one is better
    left out than the whole answer."""
    named = sum(
        particular.value is None
        for start, end in sentence_spans(text)
        for particular in particulars_of(text, start, end)
    )
    found = [name for s in Sources([(0, asked)]).statements(text) for name in s.unfounded]
    invented = [name for name in found if not name[0].isdecimal()]
    return len(invented) > 1 and len(invented) > (1 - _NAMES_FOUNDED) * named
