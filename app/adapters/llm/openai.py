"""Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, LM Studio, OpenRouter …"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Literal

import httpx
from typing_extensions import override

from app.adapters.llm.http import client_options, translated
from app.adapters.llm.pieces import opened, until
from app.adapters.llm.structure import AnswerBroken, parse_answer
from app.adapters.llm.tokens import TokenEstimate, estimate_tokens
from app.ports.llm import (
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
_WAYS: tuple["Way", ...] = ("json_schema", "json_object", "text")
_REASONS: Mapping[str, FinishReason] = {"length": "length", "content_filter": "filter"}

Way = Literal["json_schema", "json_object", "text"]


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
        self._ways = list(_WAYS)
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
            usage = self._usage(request, text, answer.get("usage") or {})
        return self._completion(request, text, reason, usage)

    @override
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        self._fitting(request)
        while True:
            way = self._ways[0]
            try:
                return await opened(self._pieces(request, way))
            except FormatRefused:
                self._give_up(way)

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
        expected = self._estimate.of(_messages(request, "text"))
        if expected + request.max_output_tokens > self._card.context:
            raise ContextOverflow(
                f"About {expected} tokens and {request.max_output_tokens} for the answer do not "
                f"fit the window of {self._card.context}."
            )

    async def _posted(self, request: CompletionRequest) -> dict[str, Any]:
        while True:
            way = self._ways[0]
            try:
                response = await self._client.post(
                    "chat/completions", json=self._body(request, way, stream=False)
                )
                return dict(response.json())
            except FormatRefused:
                self._give_up(way)

    def _give_up(self, way: Way) -> None:
        """Leave this way of asking for good; re-raises when it was the last one."""
        if len(self._ways) == 1:
            raise
        if way in self._ways:
            self._ways.remove(way)

    def _body(self, request: CompletionRequest, way: Way, *, stream: bool) -> dict[str, Any]:
        return {
            "model": self._card.model,
            "messages": [
                {"role": m.role, "content": m.content} for m in _messages(request, way)
            ],
            "max_tokens": request.max_output_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "stream": stream,
            **_response_format(request, way),
        }

    async def _pieces(self, request: CompletionRequest, way: Way) -> AsyncGenerator[str, None]:
        limit = min(request.deadline, self._timeout)
        with translated(self._address):
            async with aclosing(until(limit, self._parts(request, way))) as pieces:
                async for piece in pieces:
                    yield piece

    async def _parts(self, request: CompletionRequest, way: Way) -> AsyncGenerator[str, None]:
        body = self._body(request, way, stream=True)
        async with self._client.stream("POST", "chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                data = line.removeprefix("data:").strip()
                if not line.startswith("data:") or not data:
                    continue
                if data == "[DONE]":
                    return
                if piece := _delta(json.loads(data)):
                    yield piece
        raise ModelUnavailable("The connection to the model broke off.")

    def _usage(self, request: CompletionRequest, text: str, counts: Mapping[str, Any]) -> Usage:
        counted = int(counts.get("prompt_tokens") or 0)
        written = int(counts.get("completion_tokens") or 0)
        self._estimate.learn(request.messages, counted)
        if counted and written:
            return Usage(counted, written, estimated=False)
        expected = self._estimate.of(request.messages)
        return Usage(counted or expected, written or estimate_tokens(text), estimated=True)

    def _completion(
        self, request: CompletionRequest, text: str, reason: FinishReason, usage: Usage
    ) -> Completion:
        if request.output_schema is None:
            return Completion(text, reason, usage, self._card.reference)
        if reason == "filter":
            raise ModelRefused("The model's server filtered the answer.")
        if reason == "length":
            raise AnswerBroken("it is longer than allowed and was cut off", answer=text)
        parsed = parse_answer(text, request.output_schema)
        return Completion(text, "stop", usage, self._card.reference, parsed)


def _messages(request: CompletionRequest, way: Way) -> list[Any]:
    return list(request.messages)


def _response_format(request: CompletionRequest, way: Way) -> dict[str, Any]:
    if request.output_schema is None or way == "text":
        return {}
    if way == "json_object":
        return {"response_format": {"type": "json_object"}}
    schema = {"name": request.task, "schema": dict(request.output_schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _explained(status: int, body: str) -> ModelFailure | None:
    if status in (400, 422, 500) and ("response_format" in body or "json_schema" in body):
        return FormatRefused("The model's server refuses every way to ask for a structure.")
    return None


def _delta(part: Any) -> str:
    """The text in one streamed part; the last one may hold usage and no choice."""
    if "error" in part:
        raise ModelUnavailable("The model's server broke off its answer.")
    return (part["choices"][0]["delta"].get("content") or "") if part.get("choices") else ""
