"""What a question means to the model, if it says so in time."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from app.ports.embeddings import EmbeddingProvider
from app.shared.errors import LibraryError

# Whoever searches waits no longer for it; passages by their words come in about half of that.
_PATIENCE = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Meaning:
    """A vector of length 1 in the space of the model of that reference."""

    reference: str
    vector: Sequence[float]


class Meanings:
    """Asks a model, or none. While an answer is late nobody else asks, so a model that hangs
    costs one searcher his patience, and not all of them."""

    def __init__(self, model: EmbeddingProvider | None, *, patience: float = _PATIENCE) -> None:
        self._model = model
        self._patience = patience
        self._late: asyncio.Task[Meaning | None] | None = None

    async def of(self, question: str) -> Meaning | None:
        """None without a model, and when it is away, slow or does not want the question."""
        if self._model is None or (self._late and not self._late.done()):
            return None
        asked = asyncio.create_task(_asked(self._model, question))
        # Not cancelled: a model that is loading would never come to its first answer.
        done, _ = await asyncio.wait({asked}, timeout=self._patience)
        if done:
            return asked.result()
        self._late = asked
        return None


async def _asked(model: EmbeddingProvider, question: str) -> Meaning | None:
    try:
        card = await model.card()
        (vector,) = await model.embed([question], kind="query")
    except LibraryError as error:
        log.warning("Passages are looked for by their words alone: %s", error)
        return None
    return Meaning(card.reference, vector)
