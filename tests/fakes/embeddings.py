"""A model of meanings without a model: texts are alike when they share words."""

import math
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

from typing_extensions import override

from app.ports.embeddings import EmbeddingCard, EmbeddingProvider, Kind
from app.shared.words import WORD, stems


class HashedWords(EmbeddingProvider):
    """Each word's stem has a dimension of its own (Weinberger et al. 2009, feature hashing),
    so likeness means something and is the same in every process. `failure` is raised instead
    of an answer while it is set; `embedded` is every text it was given."""

    def __init__(self, *, dimensions: int = 256, model: str = "hashed-words") -> None:
        self._card = EmbeddingCard("fake", model, dimensions)
        self.failure: Exception | None = None
        self.embedded: list[tuple[Kind, str]] = []
        self.closed = False

    @override
    async def card(self) -> EmbeddingCard:
        self._fail()
        return self._card

    @override
    async def embed(self, texts: Sequence[str], *, kind: Kind) -> Sequence[Sequence[float]]:
        self._fail()
        self.embedded.extend((kind, text) for text in texts)
        return [hashed_words(text, self._card.dimensions) for text in texts]

    @override
    async def close(self) -> None:
        self.closed = True

    def _fail(self) -> None:
        if self.failure:
            raise self.failure


def hashed_words(text: str, dimensions: int) -> list[float]:
    """A vector of length 1; of a text without words always the same one."""
    counts = Counter(stem for word in WORD.findall(text) for stem in stems(word))
    sums = [0.0] * dimensions
    for stem, count in counts.items():
        number = int.from_bytes(blake2b(stem.encode(), digest_size=8).digest())
        sums[number % dimensions] += math.sqrt(count) * (1 if number >> 63 else -1)
    length = math.hypot(*sums)
    return [x / length for x in sums] if length else [1.0] + [0.0] * (dimensions - 1)
