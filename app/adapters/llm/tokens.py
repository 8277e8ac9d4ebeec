"""How many tokens a text is, without the model's tokenizer.

Tokenizers want files from a network, and Ollama has no endpoint that counts; an estimate,
corrected by what the server reports, is near enough to keep a prompt inside a window.
"""

import json
import math
import re
from collections import deque
from collections.abc import Sequence
from statistics import median

from app.ports.llm import CompletionRequest, Message, Usage

STARTING_RATIO = 3.6
SAFETY = 1.12
_REMEMBERED = 20
_ENOUGH_ANSWERS = 3
_ENOUGH_TO_LEARN_FROM = 100
_PER_MESSAGE = 6
# At most what chat templates put around a message, and what some put in front of all.
_TEMPLATE_PER_MESSAGE = 16
_TEMPLATE_IN_FRONT = 64

# Scripts without spaces cost about a token per character, other foreign ones about half of one.
_IDEOGRAPHIC = re.compile(
    r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+"
)
_OTHER_SCRIPTS = re.compile(r"[\u0370-\u1fff\ua000-\uabff\U00010000-\U0001ffff]+")
# Words of scripts with spaces, single digits, runs of line ends, and marks.
_PIECES = re.compile(r"[A-Za-z\u00aa-\u024f]+|\d|\n+|[^\w\s]|_")
_EVERYDAY = frozenset(
    "the and of to a in that he was it his with as i for had you is not be at on her but all him "
    "by they this she which from have so were my them what or there one are we".split()
)


def most_tokens(request: CompletionRequest) -> int:
    """More than the request can cost, its answer included, with any tokenizer: none makes
    more tokens than bytes."""
    schema = json.dumps(dict(request.output_schema)) if request.output_schema else ""
    written = sum(len(m.content.encode()) + _TEMPLATE_PER_MESSAGE for m in request.messages)
    return written + len(schema) + _TEMPLATE_IN_FRONT + request.max_output_tokens


def estimate_tokens(text: str) -> int:
    """A careful guess (12 % above the likely count) at 3.6 Latin characters per token."""
    return math.ceil(_weight(text) / STARTING_RATIO * SAFETY)


class TokenEstimate:
    """The estimate for one model, learning from the usage its server reports.

    At first it counts characters. Once a few answers have been counted it counts pieces of
    text as tokenizers cut them, scaled by the median of what the last answers showed: one
    count that is off (a cached prefix) moves it little.
    """

    def __init__(self) -> None:
        self._seen: deque[float] = deque(maxlen=_REMEMBERED)
        self._scale = 1.0

    @property
    def calibrated(self) -> bool:
        return len(self._seen) >= _ENOUGH_ANSWERS

    def of(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt, chat template included, rounded up with the safety margin."""
        if self.calibrated:
            return math.ceil(self.likely(messages) * SAFETY)
        texts = sum(estimate_tokens(message.content) for message in messages)
        return texts + _PER_MESSAGE * len(messages)

    def likely(self, messages: Sequence[Message]) -> float:
        """The same without the margin."""
        return self._scale * _pieces_of(messages) + _PER_MESSAGE * len(messages)

    def usage(self, messages: Sequence[Message], *, counted: int, written: int, said: int) -> Usage:
        """What the server counted, learnt from. What it left out is estimated, and so is a
        prompt that it counts at less than half of what is likely: that is what a cached prefix
        left to be read. `said` estimates the answer."""
        believed = counted if counted >= self.likely(messages) / 2 else 0
        if believed:
            self._learn(messages, believed)
        known = bool(believed and written)
        return Usage(believed or self.of(messages), written or said, estimated=not known)

    def _learn(self, messages: Sequence[Message], counted: int) -> None:
        pieces = _pieces_of(messages)
        if pieces < _ENOUGH_TO_LEARN_FROM:
            return
        self._seen.append(min(max(counted - _PER_MESSAGE * len(messages), 1) / pieces, 4.0))
        self._scale = median(self._seen)


def _pieces_of(messages: Sequence[Message]) -> float:
    return sum(token_pieces(message.content) for message in messages)


def token_pieces(text: str) -> float:
    """About how many tokens a byte-pair tokenizer makes of the text.

    The weights are a least-squares fit to the tokenizers of SmolLM2 and Qwen2.5 on 425
    passages of 17 books, prose, verse and tables, English and German.
    """
    count = 0.0
    for piece in _PIECES.findall(text):
        first = piece[0]
        if first.isalpha():
            count += _word(piece)
        elif first.isdigit():
            count += 0.7
        else:
            count += 0.56 if not first.isspace() else 0.0
    wide = sum(map(len, _IDEOGRAPHIC.findall(text)))
    return count + wide + 0.5 * sum(map(len, _OTHER_SCRIPTS.findall(text)))


def _word(word: str) -> float:
    if word.lower() in _EVERYDAY:
        return 0.56
    shout = 0.16 * len(word) if len(word) > 1 and word.isupper() else 0.0
    accents = 0.11 * sum(c > "\x7f" for c in word) if not word.isascii() else 0.0
    name = 0.15 if word[0].isupper() else 0.0
    return max(1.0, 1.83 - 0.06 * max(0, len(word) - 5)) + name + shout + accents


def _weight(text: str) -> float:
    """Length of the text in Latin characters' worth of tokens."""
    if text.isascii():
        return float(len(text))
    wide = sum(map(len, _IDEOGRAPHIC.findall(text)))
    other = sum(map(len, _OTHER_SCRIPTS.findall(text)))
    return len(text) + wide * (STARTING_RATIO - 1) + other * 0.8
