"""Ollama's HTTP protocol in front of the extractive stand-in.

    python -m tests.fakes.ollama_server --port N --log FILE [--delay S] [--fault NAME …]

Like the real one it cuts a prompt beyond `num_ctx` without a word, unless the request says
`truncate: false`; `generation` chooses between the servers that ignore that and drop the oldest
messages, then fill the window with what is left ("old", up to 0.12.5), and those that obey it
and otherwise keep half ("new"). `cuts` counts the prompts that were cut.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

from typing_extensions import override

from tests.fakes.embedding_routes import EmbeddingModel, ollama_embed
from tests.fakes.model_server import Call, Fault, ModelServer, Reply, as_script, in_pieces, spoilt

_WHEN = "2026-01-01T00:00:00.0Z"
_DEFAULT_WINDOW = 4096
_BROKE_OFF = "an error was encountered while running the model: CUDA error"


class OllamaServer(ModelServer):
    chat_path = "/api/chat"

    def __init__(
        self,
        *,
        models: Sequence[str] = ("llama3:latest",),
        generation: Literal["old", "new"] = "new",
        counts: bool = True,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.models = models
        self.generation = generation
        self.counts = counts
        self.cuts = 0
        self.embeddings = EmbeddingModel()

    @override
    async def respond(self, call: Call, fault: Fault | None) -> Reply:
        match call.path:
            case "/":
                return Reply(200, ["Ollama is running"], content_type="text/plain")
            case "/api/version":
                return _json(200, {"version": "0.12.5" if self.generation == "old" else "0.33.0"})
            case "/api/tags":
                return _json(200, {"models": [_listed(name) for name in self.models]})
            case "/api/show" | "/api/chat" | "/api/embed" if not self._has(
                call.body.get("model", "")
            ):
                return _json(404, {"error": f"model '{call.body.get('model')}' not found"})
            case "/api/show":
                return _json(200, {"details": {}, "model_info": {"llama.context_length": 8192}})
            case "/api/chat":
                return await self._chat(call.body, fault)
            case "/api/embed":
                return ollama_embed(self.embeddings, call.body, fault)
            case _:
                return _json(404, {"error": "not found"})

    def _has(self, model: str) -> bool:
        return (model if ":" in model else f"{model}:latest") in self.models

    async def _chat(self, body: dict[str, Any], fault: Fault | None) -> Reply:
        options = body.get("options", {})
        window = options.get("num_ctx", _DEFAULT_WINDOW)
        messages = body["messages"]
        counted = self._size(messages)
        if counted > window:
            if self.generation == "new" and body.get("truncate") is False:
                return _too_long(counted, window)
            self.cuts += 1
            messages, counted = self._cut(messages, window)
        schema = body["format"] if isinstance(body.get("format"), dict) else None
        text = spoilt(await self.answer_text(messages, schema, 512), fault)
        return self._reply(body, text, counted, options.get("num_predict", -1), fault)

    def _cut(
        self, messages: Sequence[dict[str, str]], window: int
    ) -> tuple[Sequence[dict[str, str]], int]:
        """What is left of a prompt that does not fit, and its tokens."""
        kept = list(messages)
        while self.generation == "old" and self._size(kept) > window:
            oldest = next((m for m in kept[:-1] if m["role"] != "system"), None)
            if oldest is None:
                break
            kept.remove(oldest)
        if self._size(kept) <= window:
            return kept, self._size(kept)
        size = window if self.generation == "old" else window // 2 + 2
        last = kept[-1]["content"][-round(size * self.characters_per_token) :]
        return [{"role": "user", "content": last}], size

    def _size(self, messages: Sequence[dict[str, str]]) -> int:
        return sum(self.tokens(m["content"]) for m in messages)

    def _reply(
        self, body: dict[str, Any], text: str, counted: int, limit: int, fault: Fault | None
    ) -> Reply:
        reason = "stop"
        if 0 < limit < self.tokens(text):
            text, reason = text[: round((limit - 1) * self.characters_per_token)], "length"
        last = {"done": True, "done_reason": reason, "total_duration": 1_000}
        if self.counts:
            last |= {"prompt_eval_count": counted, "eval_count": self.tokens(text)}
        cut = fault == Fault.CUT
        if not body.get("stream", True):
            if fault == Fault.BROKE_OFF:
                return _json(500, {"error": _BROKE_OFF})
            whole = json.dumps(_said(body["model"], text) | last)
            if fault == Fault.UNFINISHED:
                return Reply(200, [whole[: len(whole) // 2]])
            return Reply(200, in_pieces(whole, 64) if cut else [whole], cut=cut)
        lines = [_said(body["model"], piece) | {"done": False} for piece in in_pieces(text)]
        if fault == Fault.BROKE_OFF:
            lines.append({"error": _BROKE_OFF})
        elif fault != Fault.UNFINISHED:
            lines.append(_said(body["model"], "") | last)
        pieces = [json.dumps(line) + "\n" for line in lines]
        return Reply(200, pieces, content_type="application/x-ndjson", cut=cut)


def _json(status: int, body: Any) -> Reply:
    return Reply(status, [json.dumps(body)])


def _said(model: str, text: str) -> dict[str, Any]:
    return {
        "model": model,
        "created_at": _WHEN,
        "message": {"role": "assistant", "content": text},
    }


def _listed(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "modified_at": _WHEN,
        "size": 4_661_224_676,
        "digest": "0" * 64,
        "details": {"format": "gguf", "family": "llama", "parameter_size": "8.0B"},
    }


def _too_long(counted: int, window: int) -> Reply:
    error = {
        "code": 400,
        "message": f"request ({counted} tokens) exceeds the available context size "
        f"({window} tokens), try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": counted,
        "n_ctx": window,
    }
    return _json(400, {"error": json.dumps({"error": error})})


if __name__ == "__main__":
    as_script(OllamaServer)
