"""Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, LM Studio, OpenRouter …"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Literal

import httpx
from typing_extensions import override

from app.adapters.llm.answers import completion, refuse_overflow
from app.adapters.llm.http import client_options, translated
from app.adapters.llm.pieces import Meter, opened, until
from app.adapters.llm.tokens import TokenEstimate, estimate_tokens
from app.ports.llm import (
    NOTHING,
    Completion,
    CompletionRequest,
    ContextOverflow,
    FinishReason,
    LLMProvider,
    Message,
    ModelCard,
    ModelFailure,
    ModelRefused,
    ModelUnavailable,
    Usage,
)

_CHECK_SECONDS = 5.0
_IN_WORDS = "Answer with one JSON object that satisfies this JSON schema:"
_REASONS: Mapping[str, FinishReason] = {"length": "length", "content_filter": "filter"}

Way = Literal["json_schema", "json_object", "text"]
_NEXT_WAY: Mapping[Way, Way] = {"json_schema": "json_object", "json_object": "text"}


class FormatRefused(ModelRefused):
    """The server does not know this way of asking for a structure."""


class OpenAILLM(LLMProvider):
    """`base_url` ends before `/chat/completions` (usually in `/v1`); `context` is the
    model's window in tokens; `timeout` caps every request's deadline, in seconds.

    How a structure is asked for (JSON schema, JSON object, words alone) is found out on the
    first refusal and remembered.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        context: int,
        api_key: str | None = None,
        timeout: float = 600.0,
    ) -> None:
        self._card = ModelCard("openai", model, context)
        self._address = base_url
        self._timeout = timeout
        self._estimate = TokenEstimate()
        self._way: Way = "json_schema"
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            **client_options(_explained),
        )

    @property
    @override
    def card(self) -> ModelCard:
        return self._card

    @override
    async def complete(self, request: CompletionRequest) -> Completion:
        self._fitting(request)
        with translated(self._address):
            async with asyncio.timeout(min(request.deadline, self._timeout)):
                answer = await self._posted(request)
            choice = answer["choices"][0]
            text: str = choice["message"].get("content") or ""
            reason = _REASONS.get(choice.get("finish_reason") or "stop", "stop")
            usage = self._usage(request, answer.get("usage") or {}, estimate_tokens(text))
        return completion(request, text=text, reason=reason, usage=usage, card=self._card)

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        self._fitting(request)
        way, meter = self._way, Meter()
        try:
            return await opened(self._pieces(request, way, meter), meter)
        except FormatRefused:
            self._step_down(way)
            return await self.stream(request)

    @override
    async def check(self) -> None:
        try:
            with translated(self._address):
                async with asyncio.timeout(_CHECK_SECONDS):
                    await self._client.get("models")
        except ModelRefused as error:
            raise ModelUnavailable(error.detail) from error

    async def aclose(self) -> None:
        await self._client.aclose()

    def _fitting(self, request: CompletionRequest) -> None:
        expected = self._estimate.of(_messages(request, self._way))
        refuse_overflow(request, expected=expected, window=self._card.context)

    async def _posted(self, request: CompletionRequest) -> Mapping[str, Any]:
        way = self._way
        try:
            body = self._body(request, way, stream=False)
            response = await self._client.post("chat/completions", json=body)
        except FormatRefused:
            self._step_down(way)
            return await self._posted(request)
        return dict(response.json())

    def _step_down(self, way: Way) -> None:
        """Remember the next way of asking; re-raises when there is none."""
        if way not in _NEXT_WAY:
            raise
        self._way = _NEXT_WAY[way]

    def _body(self, request: CompletionRequest, way: Way, *, stream: bool) -> dict[str, Any]:
        return {
            "model": self._card.model,
            "messages": [{"role": m.role, "content": m.content} for m in _messages(request, way)],
            "max_tokens": request.max_output_tokens,
            "temperature": request.temperature,
            **({} if request.seed is None else {"seed": request.seed}),
            "stream": stream,
            **({"stream_options": {"include_usage": True}} if stream else {}),
            **_response_format(request, way),
        }

    async def _pieces(
        self, request: CompletionRequest, way: Way, meter: Meter
    ) -> AsyncGenerator[str, None]:
        limit = min(request.deadline, self._timeout)
        with translated(self._address):
            async with aclosing(until(limit, self._parts(request, way, meter))) as pieces:
                async for piece in pieces:
                    yield piece

    async def _parts(
        self, request: CompletionRequest, way: Way, meter: Meter
    ) -> AsyncGenerator[str, None]:
        body, said = self._body(request, way, stream=True), 0
        counts: Mapping[str, Any] = {}
        async with self._client.stream("POST", "chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                data = line.removeprefix("data:").strip()
                if not line.startswith("data:") or not data:
                    continue
                if data == "[DONE]":
                    meter.usage = self._usage(request, counts, said)
                    return
                part = json.loads(data)
                counts = part.get("usage") or counts
                if piece := _delta(part):
                    said += estimate_tokens(piece)
                    yield piece
        raise ModelUnavailable("The connection to the model broke off.")

    def _usage(self, request: CompletionRequest, counts: Mapping[str, Any], said: int) -> Usage:
        """What it cost; raises ContextOverflow when the server's counts betray a cut."""
        counted = int(counts.get("prompt_tokens") or 0)
        written = int(counts.get("completion_tokens") or 0)
        usage = self._estimate.usage(
            _messages(request, self._way), counted=counted, written=written, said=said
        )
        if counted + written >= self._card.context:
            detail = "Text and answer fill the model's window: some of it may be cut."
            raise ContextOverflow(detail, usage=usage)
        return usage


def _messages(request: CompletionRequest, way: Way) -> list[Message]:
    """The messages, with the schema in words where the server cannot be given it."""
    messages = list(request.messages)
    if request.output_schema is not None and way != "json_schema":
        schema = json.dumps(request.output_schema, ensure_ascii=False)
        first = messages[0]
        messages[0] = Message(first.role, f"{first.content}\n\n{_IN_WORDS}\n{schema}")
    return messages


def _response_format(request: CompletionRequest, way: Way) -> dict[str, Any]:
    if request.output_schema is None or way == "text":
        return {}
    if way == "json_object":
        return {"response_format": {"type": "json_object"}}
    schema = {"name": request.task, "schema": dict(request.output_schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _explained(status: int, body: str) -> ModelFailure | None:
    if status in (400, 422, 500) and ("response_format" in body or "json_schema" in body):
        detail = "The model's server refuses every way to ask for a structure."
        return FormatRefused(detail, usage=NOTHING)
    return None


def _delta(part: Any) -> str:
    """The text in one streamed part; the last one may hold usage and no choice."""
    if "error" in part:
        raise ModelUnavailable("The model's server broke off its answer.")
    return (part["choices"][0]["delta"].get("content") or "") if part.get("choices") else ""
