"""A model in Ollama, over its own API (the OpenAI-compatible one ignores `num_ctx`).

Ollama cuts a prompt that does not fit, and says so nowhere. Four fences against that: the
prompt is estimated before, the request forbids cutting (`truncate: false`, an error since
0.12.6), and for older servers, which ignore that, their own count is checked after, and a
conversation they might drop the oldest messages of is not sent.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
from ollama import AsyncClient, ChatResponse, ResponseError
from typing_extensions import override

from app.adapters.llm.answers import completion, refuse_overflow
from app.adapters.llm.detect import ollama_version
from app.adapters.llm.http import ServerBusy, client_options, translated
from app.adapters.llm.pieces import Meter, opened, until
from app.adapters.llm.tokens import TokenEstimate, estimate_tokens, most_tokens
from app.ports.llm import (
    NOTHING,
    Completion,
    CompletionRequest,
    ContextOverflow,
    FinishReason,
    LLMProvider,
    ModelCard,
    ModelFailure,
    ModelRefused,
    ModelUnavailable,
    Usage,
)

_CHECK_SECONDS = 5.0
_OBEYS_SINCE = (0, 12, 6)


class OllamaLLM(LLMProvider):
    """`context` is the window asked for in every request, in tokens; `timeout` caps every
    request's deadline, in seconds; `keep_alive` is how long the model stays loaded."""

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        context: int,
        timeout: float = 600.0,
        keep_alive: str = "30m",
    ) -> None:
        self._card = ModelCard("ollama", model, context)
        self._address = base_url
        self._timeout = timeout
        self._keep_alive = keep_alive
        self._estimate = TokenEstimate()
        self._obeys: bool | None = None
        options = client_options(self._explained)
        # The client would send a key meant for Ollama's cloud to any address.
        options["event_hooks"]["request"] = [_without_key]
        self._client = AsyncClient(base_url, **options, transport=_UncutTransport())

    @property
    @override
    def card(self) -> ModelCard:
        return self._card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        await self._fitting(request)
        with translated(self._address):
            async with asyncio.timeout(min(request.deadline, self._timeout)):
                answer = await self._client.chat(**self._body(request), stream=False)
            text = answer.message.content or ""
        usage = self._usage(request, answer, estimate_tokens(text))
        reason: FinishReason = "length" if answer.done_reason == "length" else "stop"
        return completion(request, text=text, reason=reason, usage=usage, card=self._card)

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        await self._fitting(request)
        meter = Meter()
        return await opened(self._pieces(request, meter), meter)

    @override
    async def check(self) -> None:
        try:
            with translated(self._address):
                async with asyncio.timeout(_CHECK_SECONDS):
                    await self._client.show(self._card.model)
        except ModelRefused as error:
            raise ModelUnavailable(error.detail) from error

    async def aclose(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    async def _fitting(self, request: CompletionRequest) -> None:
        expected = self._estimate.of(request.messages)
        refuse_overflow(request, expected=expected, window=self._card.context)
        if self._may_lose_messages(request) and not await self._obeys_us():
            raise ContextOverflow(
                "An Ollama before 0.12.6 might drop the beginning of this conversation.",
                usage=NOTHING,
            )

    def _may_lose_messages(self, request: CompletionRequest) -> bool:
        """The system's and the last message are always kept."""
        earlier = [message for message in request.messages[:-1] if message.role != "system"]
        return bool(earlier) and most_tokens(request) > self._card.context

    async def _obeys_us(self) -> bool:
        if self._obeys is None:
            version = await ollama_version(self._address)
            # A build of one's own says 0.0.0.
            self._obeys = not any(version) or version >= _OBEYS_SINCE
        return self._obeys

    def _body(self, request: CompletionRequest) -> dict[str, Any]:
        return {
            "model": self._card.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "format": request.output_schema and dict(request.output_schema),
            "think": False,
            "keep_alive": self._keep_alive,
            "options": {
                "num_ctx": self._card.context,
                "num_predict": request.max_output_tokens,
                "temperature": request.temperature,
                **({} if request.seed is None else {"seed": request.seed}),
            },
        }

    async def _pieces(self, request: CompletionRequest, meter: Meter) -> AsyncGenerator[str, None]:
        limit = min(request.deadline, self._timeout)
        with translated(self._address):
            async with aclosing(until(limit, self._parts(request, meter))) as pieces:
                async for piece in pieces:
                    yield piece

    async def _parts(self, request: CompletionRequest, meter: Meter) -> AsyncGenerator[str, None]:
        parts, said = await self._client.chat(**self._body(request), stream=True), 0
        try:
            async with aclosing(_generator(parts)) as answers:
                async for part in answers:
                    if part.message.content:
                        said += estimate_tokens(part.message.content)
                        yield part.message.content
                    if part.done:
                        meter.usage = self._usage(request, part, said)
                        return
        except ResponseError as error:
            raise ModelUnavailable("Ollama broke off its answer.") from error
        raise ModelUnavailable("The connection to Ollama broke off.")

    def _usage(self, request: CompletionRequest, answer: ChatResponse, said: int) -> Usage:
        """What it cost; raises ContextOverflow when the server's counts betray a cut."""
        counted, written = answer.prompt_eval_count or 0, answer.eval_count or 0
        usage = self._estimate.usage(request.messages, counted=counted, written=written, said=said)
        # Servers up to 0.12.5 cut all the same, and what is left of the prompt fills the window.
        if counted + written >= self._card.context:
            detail = "Text and answer fill Ollama's window: some of it was cut."
            raise ContextOverflow(detail, usage=usage)
        return usage

    def _explained(self, status: int, body: str) -> ModelFailure | None:
        if status == 404 and "model" in body:
            model = self._card.model
            return ModelUnavailable(
                f"Ollama does not have the model {model} (yet): `ollama pull {model}`.",
                retry_after=30,
                usage=NOTHING,
            )
        if status == 503 and "maximum pending requests" in body:
            return ServerBusy("Ollama's queue is full (OLLAMA_MAX_QUEUE); try again later.")
        return None


async def _generator(parts: AsyncIterator[ChatResponse]) -> AsyncGenerator[ChatResponse, None]:
    """The client's parts; closing this closes the client's generator and its connection."""
    try:
        async for part in parts:
            yield part
    finally:
        if isinstance(parts, AsyncGenerator):
            await parts.aclose()


async def _without_key(request: httpx.Request) -> None:
    request.headers.pop("authorization", None)


class _UncutTransport(httpx.AsyncHTTPTransport):
    """Adds `truncate: false` to chats, which the official client has no argument for."""

    def __init__(self) -> None:
        super().__init__(trust_env=False)

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/api/chat"):
            body = json.loads(await request.aread()) | {"truncate": False}
            headers = {k: v for k, v in request.headers.items() if k != "content-length"}
            request = httpx.Request(
                "POST", request.url, headers=headers, json=body, extensions=request.extensions
            )
        return await super().handle_async_request(request)
