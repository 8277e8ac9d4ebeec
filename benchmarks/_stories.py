"""Stories with the summaries people wrote of them, and what a summary is measured by."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from rouge_score.rouge_scorer import RougeScorer

from app.adapters.llm.extractive.words import content_words
from app.shared.sentences import sentence_spans, sentences

METRICS = ("rouge1", "rouge2", "rougeL")
_KEY_CHARACTERS, _FEWEST_USES, _RARELY = 8, 3, 0.1
_WORD = re.compile(r"[^\W\d_]+")

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Story:
    text: str
    references: tuple[str, ...]


def read_stories(path: Path) -> list[Story]:
    """A file of SQuALITY: one story a line; the first question asks for the plot."""
    return [_story(json.loads(line)) for line in path.read_text("utf-8").splitlines() if line]


def _story(row: Mapping[str, Any]) -> Story:
    answers = row["questions"][0]["responses"]
    return Story(row["document"], tuple(answer["response_text"].strip() for answer in answers))


def halves(stories: Sequence[Story]) -> tuple[Sequence[Story], Sequence[Story]]:
    """(for tuning, for figures): every other one."""
    return stories[::2], stories[1::2]


def rouge(summary: str, references: Sequence[str], *, stems: bool) -> Triple:
    """F1 of ROUGE-1, 2 and L in percent, each the best over the references."""
    best = _scorer(stems).score_multi(references, summary)
    one, two, longest = (100 * best[metric].fmeasure for metric in METRICS)
    return one, two, longest


@cache
def _scorer(stems: bool) -> RougeScorer:
    return RougeScorer(list(METRICS), use_stemmer=stems)


def coverage(story: Story, summary: str) -> float:
    """Share of the key characters that are named, in percent: the 8 most frequent words of
    the story with a capital, used 3 times or more and rarely written small."""
    named = set(_WORD.findall(summary))
    key = _key_characters(story.text)
    return 100 * sum(name in named for name in key) / len(key) if key else 100.0


def name_precision(story: Story, summary: str) -> float:
    """Share of the summary's words with a capital that occur in the story, in percent."""
    known = set(_WORD.findall(story.text))
    large = [word for word in _WORD.findall(summary) if word[0].isupper()]
    return 100 * sum(word in known for word in large) / len(large) if large else 100.0


def fifths(story: Story, summary: str) -> Counter[int]:
    """How many sentences of the summary have their nearest sentence in which fifth (0 to 4)
    of the story: by cosine of the words that carry a subject, rare ones counting more."""
    near = _Nearest.within(story.text)
    places = (near.place(sentence) for sentence in sentences(summary))
    return Counter(min(4, int(5 * place)) for place in places if place is not None)


def _key_characters(text: str) -> list[str]:
    words = _WORD.findall(text)
    small = Counter(word for word in words if word[0].islower())
    large = Counter(w for w in words if w[0].isupper() and len(w) > 1 and not w.isupper())
    names = [
        name
        for name, n in large.items()
        if n >= _FEWEST_USES and small[name.lower()] <= _RARELY * n
    ]
    return sorted(names, key=lambda name: (-large[name], name))[:_KEY_CHARACTERS]


@dataclass(frozen=True, slots=True)
class _Nearest:
    """`bags`: where in the text each sentence begins, 0 to 1, and its words by weight."""

    bags: Sequence[tuple[float, Mapping[str, float]]]
    rarity: Mapping[str, float]

    @classmethod
    @lru_cache(maxsize=2)
    def within(cls, text: str) -> "_Nearest":
        found = [
            (start / len(text), set(content_words(text[start:end])))
            for start, end in sentence_spans(text)
        ]
        spread = Counter(word for _, words in found for word in words)
        rarity = {word: math.log(1 + len(found) / n) for word, n in spread.items()}
        return cls([(start, {w: rarity[w] for w in words}) for start, words in found], rarity)

    def place(self, sentence: str) -> float | None:
        """Where the nearest sentence begins; None where none has a word of it."""
        wanted = {w: self.rarity[w] for w in content_words(sentence) if w in self.rarity}
        nearest = max(self.bags, key=lambda bag: _cosine(wanted, bag[1]))
        return nearest[0] if _cosine(wanted, nearest[1]) else None


def _cosine(wanted: Mapping[str, float], found: Mapping[str, float]) -> float:
    shared = sum(weight * weight for word, weight in wanted.items() if word in found)
    size = math.sqrt(sum(weight * weight for weight in found.values()))
    return shared / size if size else 0.0
