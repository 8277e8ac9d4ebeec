"""How many tokens a text is, without the model's tokenizer.

Tokenizers want files from a network, and Ollama has no endpoint that counts; characters per
token, corrected by what the server reports, is near enough to keep a prompt inside a window.
"""

import math
import re
from collections.abc import Sequence

from app.ports.llm import Message

STARTING_RATIO = 3.6
SAFETY = 1.12
_LEARNING_RATE = 0.2
_ENOUGH_TO_LEARN_FROM = 400
_PER_MESSAGE = 6

# Scripts without spaces cost about a token per character, other foreign ones about half of one.
_IDEOGRAPHIC = re.compile(
    r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+"
)
_OTHER_SCRIPTS = re.compile(r"[\u0370-\u1fff\ua000-\uabff\U00010000-\U0001ffff]+")


def estimate_tokens(text: str, *, ratio: float = STARTING_RATIO) -> int:
    """A careful guess (12 % above the likely count) at `ratio` Latin characters per token."""
    return math.ceil(_weight(text) / ratio * SAFETY)


class TokenEstimate:
    """The estimate for one model, learning its characters per token from reported usage."""

    def __init__(self) -> None:
        self.ratio = STARTING_RATIO

    def of(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt, chat template included, rounded up with the safety margin."""
        texts = sum(estimate_tokens(message.content, ratio=self.ratio) for message in messages)
        return texts + _PER_MESSAGE * len(messages)

    def learn(self, messages: Sequence[Message], reported: int) -> None:
        """Move towards what the server counted; a count far too low is a cached prefix."""
        weight = sum(_weight(message.content) for message in messages)
        counted = reported - _PER_MESSAGE * len(messages)
        if weight < _ENOUGH_TO_LEARN_FROM or counted < weight / self.ratio / 2:
            return
        seen = min(max(weight / counted, 1.0), 6.0)
        self.ratio += _LEARNING_RATE * (seen - self.ratio)


def _weight(text: str) -> float:
    """Length of the text in Latin characters' worth of tokens."""
    if text.isascii():
        return float(len(text))
    wide = sum(map(len, _IDEOGRAPHIC.findall(text)))
    other = sum(map(len, _OTHER_SCRIPTS.findall(text)))
    return len(text) + wide * (STARTING_RATIO - 1) + other * 0.8
