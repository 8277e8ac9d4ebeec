"""Any server that speaks OpenAI's embeddings: vLLM, llama.cpp, LM Studio, Infinity …"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from typing_extensions import override

from app.adapters.embeddings.http import explained, translated
from app.adapters.embeddings.instructions import instruction
from app.adapters.embeddings.whole import TextTooLong, WholeTextEmbeddings
from app.adapters.llm.http import client_options
from app.ports.embeddings import Kind

# Prose has four to five characters a token, and so little fits every window.
_MOST_CHARACTERS_PER_TOKEN = 6
_FITS_ANYWHERE = 1000
# Longer ones go alone, so that what is counted is theirs.
_LONGEST_IN_COMPANY = 4000


class OpenAIEmbeddings(WholeTextEmbeddings):
    """`base_url` ends before `/embeddings` (usually in `/v1`); `timeout` is for the vectors of
    16 texts, in seconds. Some servers cut a text that is too long without a word: that is
    noticed by the tokens they count, where they count them."""

    def __init__(
        self, *, base_url: str, model: str, api_key: str | None = None, timeout: float = 120.0
    ) -> None:
        super().__init__(provider="openai", model=model)
        self._address = base_url
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            **client_options(explained),
        )

    @override
    async def close(self) -> None:
        await self._client.aclose()

    @override
    async def _encoded(self, texts: Sequence[str], kind: Kind) -> Sequence[Sequence[float]]:
        if len(texts) > 1 and max(map(len, texts)) > _LONGEST_IN_COMPANY:
            raise TextTooLong
        said = instruction(self._model, kind)
        body = {
            "model": self._model,
            "input": [said + text for text in texts],
            "encoding_format": "float",
        }
        with translated(self._address):
            async with asyncio.timeout(self._timeout):
                answer = (await self._client.post("embeddings", json=body)).json()
            _refuse_cut(texts, answer)
            found = sorted(answer["data"], key=lambda each: int(each["index"]))
            return [[float(x) for x in each["embedding"]] for each in found]


def _refuse_cut(texts: Sequence[str], answer: Mapping[str, Any]) -> None:
    counted = int((answer.get("usage") or {}).get("prompt_tokens") or 0)
    sizes = [len(text) for text in texts]
    most = _MOST_CHARACTERS_PER_TOKEN * counted
    if counted and max(sizes) > _FITS_ANYWHERE and sum(sizes) > most:
        raise TextTooLong
