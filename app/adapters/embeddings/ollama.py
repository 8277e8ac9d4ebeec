"""A model in Ollama, which cuts a text that is too long unless it is told not to."""

import asyncio
from collections.abc import Sequence

import httpx
from ollama import AsyncClient
from typing_extensions import override

from app.adapters.embeddings.http import explained, translated
from app.adapters.embeddings.instructions import instruction
from app.adapters.embeddings.whole import WholeTextEmbeddings
from app.adapters.llm.http import client_options
from app.ports.embeddings import Kind
from app.ports.llm import ModelFailure, ModelUnavailable


class OllamaEmbeddings(WholeTextEmbeddings):
    """`timeout` is for the vectors of 16 texts, in seconds; `keep_alive` is how long the model
    stays loaded."""

    def __init__(
        self, *, base_url: str, model: str, timeout: float = 120.0, keep_alive: str = "30m"
    ) -> None:
        super().__init__(provider="ollama", model=model.removesuffix(":latest"))
        self._address = base_url
        self._timeout = timeout
        self._keep_alive = keep_alive
        options = client_options(self._explained)
        # The client would send a key meant for Ollama's cloud to any address.
        options["event_hooks"]["request"] = [_without_key]
        self._client = AsyncClient(base_url, **options)

    @override
    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    @override
    async def _encoded(self, texts: Sequence[str], kind: Kind) -> Sequence[Sequence[float]]:
        said = instruction(self._model, kind)
        with translated(self._address):
            async with asyncio.timeout(self._timeout):
                answer = await self._client.embed(
                    self._model,
                    [said + text for text in texts],
                    truncate=False,
                    keep_alive=self._keep_alive,
                )
        return answer.embeddings

    def _explained(self, status: int, body: str) -> ModelFailure | None:
        if status == 404 and "model" in body:
            return ModelUnavailable(
                f"Ollama does not have the model {self._model} (yet): `ollama pull {self._model}`.",
                retry_after=30,
            )
        return explained(status, body)


async def _without_key(request: httpx.Request) -> None:
    request.headers.pop("authorization", None)
