"""What all embedding models have in common: every text gets a vector, and of all of it."""

import asyncio
import math
from abc import abstractmethod
from collections.abc import Sequence

from typing_extensions import override

from app.ports.embeddings import EmbeddingCard, EmbeddingProvider, EmbeddingsRefused, Kind
from app.shared.sentences import sentence_spans

_AT_ONCE = 16
_PROBE = "How many dimensions?"


class TextTooLong(EmbeddingsRefused):
    """One of the texts does not fit the window, nobody says which."""

    title = "The text does not fit the embedding model's window"


class WholeTextEmbeddings(EmbeddingProvider):
    """Takes care of what a model cannot: blank texts, long ones, many of them. An adapter
    encodes a few texts that fit, or says that they do not."""

    def __init__(self, *, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._card: EmbeddingCard | None = None
        self._introduction = asyncio.Lock()

    @abstractmethod
    async def _encoded(self, texts: Sequence[str], kind: Kind) -> Sequence[Sequence[float]]:
        """What the model answers for at most 16 texts that are not blank. Raises TextTooLong
        rather than cut one."""

    @override
    async def card(self) -> EmbeddingCard:
        async with self._introduction:
            if self._card is None:
                (vector,) = await self._directions([_PROBE], "query")
                self._card = EmbeddingCard(self._provider, self._model, len(vector))
            return self._card

    @override
    async def embed(self, texts: Sequence[str], *, kind: Kind) -> Sequence[Sequence[float]]:
        if not texts:
            return []
        size = (await self.card()).dimensions
        plain = [_plain(text) for text in texts]
        vectors = iter(await self._vectors([text for text in plain if text], kind))
        return [_direction(next(vectors) if text else [], size) for text in plain]

    async def _vectors(self, texts: Sequence[str], kind: Kind) -> list[Sequence[float]]:
        """Of any number of texts of any length, not normalised."""
        vectors: list[Sequence[float]] = []
        for first in range(0, len(texts), _AT_ONCE):
            vectors += await self._few(texts[first : first + _AT_ONCE], kind)
        return vectors

    async def _few(self, texts: Sequence[str], kind: Kind) -> list[Sequence[float]]:
        try:
            return await self._directions(texts, kind)
        except TextTooLong:
            if len(texts) > 1:
                return [vector for text in texts for vector in await self._few([text], kind)]
            halves = _halves(texts[0])
            return [_mean(halves, await self._few(halves, kind))]

    async def _directions(self, texts: Sequence[str], kind: Kind) -> list[Sequence[float]]:
        vectors = await self._encoded(texts, kind)
        if len(vectors) != len(texts):
            detail = f"The embedding model answers {len(vectors)} vectors for {len(texts)} texts."
            raise EmbeddingsRefused(detail)
        size = self._card.dimensions if self._card else len(vectors[0])
        return [_direction(vector, size) for vector in vectors]


def _plain(text: str) -> str:
    """The text as every model can be given it: no NUL, no half of a character."""
    return " ".join(text.replace("\0", " ").encode("utf-8", "replace").decode().split())


def _halves(text: str) -> tuple[str, str]:
    """Cut at the end of the sentence nearest to the middle, else between words."""
    middle = len(text) // 2
    if not middle:
        raise EmbeddingsRefused("Not one character fits the embedding model's window.")
    ends = [end for _, end in sentence_spans(text) if middle < 2 * end < 3 * middle]
    space = text.rfind(" ", 0, middle + 1)
    place = min(ends, key=lambda end: abs(end - middle), default=space if space > 0 else middle)
    return text[:place].strip(), text[place:].strip()


def _mean(texts: Sequence[str], vectors: Sequence[Sequence[float]]) -> list[float]:
    """Weighted by the texts' lengths. Means of means are left unnormalised, so that they are
    the mean of all pieces."""
    whole = sum(map(len, texts))
    weights = [len(text) / whole for text in texts]
    return [sum(map(float.__mul__, weights, column)) for column in zip(*vectors, strict=True)]


def _direction(vector: Sequence[float], size: int) -> Sequence[float]:
    """The vector at length 1; of nothing and of what has no direction, one that is always the
    same."""
    if vector and len(vector) != size:
        raise EmbeddingsRefused(
            f"The embedding model answers {len(vector)} numbers instead of {size}."
        )
    length = math.hypot(*vector)
    if not math.isfinite(length):
        raise EmbeddingsRefused("The embedding model answers what is no number.")
    return [x / length for x in vector] if length else [1.0] + [0.0] * (size - 1)
