"""Texts as vectors whose angle says how alike their meanings are."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.shared.errors import LibraryError, Unavailable

# What a text is for: many models embed what is looked for unlike what is found.
Kind = Literal["passage", "query"]


class EmbeddingsUnavailable(Unavailable):
    """`retry_after` is in seconds."""

    code = "embeddings_unavailable"
    title = "The embedding model does not answer"


class EmbeddingsRefused(LibraryError):
    """The request or the answer is of no use, and will not be when repeated: key, model name,
    number or length of the vectors. `detail` says which."""

    code = "embeddings_refused"
    title = "The embedding model refused the request"


@dataclass(frozen=True, slots=True)
class EmbeddingCard:
    """Which space the vectors lie in; those of different cards cannot be compared."""

    provider: str
    model: str
    dimensions: int

    @property
    def reference(self) -> str:
        return f"{self.provider}:{self.model}:{self.dimensions}"


class EmbeddingProvider(ABC):
    """A model of meanings somewhere. Raises EmbeddingsUnavailable or EmbeddingsRefused."""

    @abstractmethod
    async def card(self) -> EmbeddingCard:
        """Ask the model who it is, once, and remember; EmbeddingsUnavailable while it is away."""

    @abstractmethod
    async def embed(self, texts: Sequence[str], *, kind: Kind) -> Sequence[Sequence[float]]:
        """One vector of length 1 (L2) and `card().dimensions` numbers per text, in the same
        order, for any text, an empty one too.

        No text is cut: one longer than the model's window is split, and its vector is the
        mean of its pieces' vectors, weighted by their lengths. Calls may overlap.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release what the model holds; it is not asked again."""
