"""OpenAI's chat completions protocol in front of the extractive stand-in.

    python -m tests.fakes.openai_server --port N --log FILE [--delay S] [--fault NAME …]

`knows` is the most that the server understands of `response_format`.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

from typing_extensions import override

from tests.fakes.embedding_routes import EmbeddingModel, openai_embeddings
from tests.fakes.model_server import Call, Fault, ModelServer, Reply, as_script, in_pieces, spoilt

_MODEL = {"id": "llama3", "object": "model", "created": 1_767_225_600, "owned_by": "library"}
_ENVELOPE = {"id": "chatcmpl-1", "created": 1_767_225_600, "model": "llama3"}
_SCHEMA_IN_WORDS = "JSON schema:\n"


class OpenAIServer(ModelServer):
    chat_path = "/v1/chat/completions"

    def __init__(
        self,
        *,
        knows: Literal["json_schema", "json_object", "text"] = "json_schema",
        api_key: str | None = None,
        context: int = 8192,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.knows = knows
        self.api_key = api_key
        self.context = context
        self.embeddings = EmbeddingModel()

    @override
    async def respond(self, call: Call, fault: Fault | None) -> Reply:
        if self.api_key and call.headers.get("authorization") != f"Bearer {self.api_key}":
            return _error(401, "Incorrect API key provided")
        match call.path:
            case "/v1/models":
                return Reply(200, [json.dumps({"data": [_MODEL], "object": "list"})])
            case "/v1/chat/completions":
                return await self._chat(call.body, fault)
            case "/v1/embeddings":
                return openai_embeddings(self.embeddings, call.body, fault)
            case _:
                return _error(404, "not found")

    async def _chat(self, body: dict[str, Any], fault: Fault | None) -> Reply:
        way = body.get("response_format", {}).get("type", "text")
        if way not in ("text", self.knows):
            return _error(400, f"'response_format.type' {way} is not supported")
        counted = sum(self.tokens(m["content"]) for m in body["messages"])
        if counted + body.get("max_tokens", 0) > self.context:
            return _error(400, f"This model's maximum context length is {self.context} tokens")
        text = await self.answer_text(body["messages"], _schema(body), 512)
        return self._reply(body, spoilt(text, fault), counted, fault)

    def _reply(self, body: dict[str, Any], text: str, counted: int, fault: Fault | None) -> Reply:
        limit = body.get("max_tokens", 0)
        reason = "stop"
        if 0 < limit < self.tokens(text):
            text, reason = text[: round((limit - 1) * self.characters_per_token)], "length"
        cut = fault == Fault.CUT
        if body.get("stream"):
            events = _events(text, reason, _usage(body, counted, self.tokens(text)))
            if fault in (Fault.UNFINISHED, Fault.BROKE_OFF):
                events = events[: len(events) // 2]
            if fault == Fault.BROKE_OFF:
                events.append(f"data: {json.dumps({'error': {'message': 'CUDA error'}})}\n\n")
            return Reply(200, events, content_type="text/event-stream", cut=cut)
        if fault == Fault.BROKE_OFF:
            return _error(500, "CUDA error")
        whole = json.dumps(
            {
                "choices": [{"index": 0, "finish_reason": reason, "message": _said(text)}],
                "usage": _counted(counted, self.tokens(text)),
                **_ENVELOPE,
                "object": "chat.completion",
            }
        )
        if fault == Fault.UNFINISHED:
            return Reply(200, [whole[: len(whole) // 2]])
        return Reply(200, in_pieces(whole, 64) if cut else [whole], cut=cut)


def _said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def _counted(read: int, written: int) -> dict[str, int]:
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }


def _usage(body: dict[str, Any], read: int, written: int) -> list[dict[str, Any]]:
    """What ends a stream for whoever asked for it."""
    wanted = body.get("stream_options", {}).get("include_usage")
    return [{"choices": [], "usage": _counted(read, written)}] if wanted else []


def _events(text: str, reason: str, last: Sequence[dict[str, Any]]) -> list[str]:
    deltas: list[dict[str, Any]] = [{"delta": {"content": piece}} for piece in in_pieces(text)]
    deltas.append({"delta": {}, "finish_reason": reason})
    parts = [*({"choices": [{"index": 0, **delta}]} for delta in deltas), *last]
    lines = [json.dumps(_ENVELOPE | {"object": "chat.completion.chunk"} | part) for part in parts]
    return [": hello\n\n", *(f"data: {line}\n\n" for line in lines), "data: [DONE]\n\n"]


def _schema(body: dict[str, Any]) -> Any:
    """The schema as the server was given it: as a parameter or in words."""
    given = body.get("response_format", {}).get("json_schema", {}).get("schema")
    words: Sequence[str] = [m["content"] for m in body["messages"]]
    for text in words:
        if not given and _SCHEMA_IN_WORDS in text:
            return json.loads(text.split(_SCHEMA_IN_WORDS)[1])
    return given


def _error(status: int, message: str) -> Reply:
    return Reply(status, [json.dumps({"error": {"message": message, "type": "error"}})])


if __name__ == "__main__":
    as_script(OpenAIServer)
