"""The embedding routes of the model servers: feature hashes instead of a model's vectors."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fakes.embeddings import hashed_words
from tests.fakes.model_server import Fault, Reply, in_pieces

Vectors = list[list[float]]


@dataclass
class EmbeddingModel:
    """`window` is in characters; a server that `cuts` answers for the beginning of a text that
    is longer, and one that `counts` says how many tokens it read. `spoil` changes what is
    answered."""

    dimensions: int = 64
    window: int = 8000
    cuts: bool = False
    counts: bool = True
    spoil: Callable[[Vectors], Any] = list

    def fits(self, texts: Sequence[str]) -> bool:
        return self.cuts or all(len(text) <= self.window for text in texts)

    def vectors(self, texts: Sequence[str]) -> Any:
        # Real models answer vectors of any length.
        found = [hashed_words(text[: self.window], self.dimensions) for text in texts]
        return self.spoil([[3 * x for x in vector] for vector in found])

    def tokens(self, texts: Sequence[str]) -> int:
        return sum(len(text[: self.window]) // 4 + 1 for text in texts) if self.counts else 0


def ollama_embed(model: EmbeddingModel, body: dict[str, Any], fault: Fault | None) -> Reply:
    texts = _texts(body)
    if not model.fits(texts):
        if body.get("truncate") is not False:
            texts = [text[: model.window] for text in texts]
        else:
            return _json(400, {"error": "the input length exceeds the context length"})
    answer = {"model": body["model"], "embeddings": model.vectors(texts)}
    return _answered(answer | {"prompt_eval_count": model.tokens(texts)}, fault)


def openai_embeddings(model: EmbeddingModel, body: dict[str, Any], fault: Fault | None) -> Reply:
    texts = _texts(body)
    if "" in texts:
        return _refused("'$.input' is invalid: an empty string.")
    if not model.fits(texts):
        return _refused(f"This model's maximum context length is {model.window // 4} tokens.")
    vectors = model.vectors(texts)
    data = [
        {"object": "embedding", "index": number, "embedding": vector}
        for number, vector in enumerate(vectors)
    ]
    counted = model.tokens(texts)
    usage = {"prompt_tokens": counted, "total_tokens": counted}
    # In no order, as the protocol has an index for it.
    return _answered({"object": "list", "data": data[::-1], "usage": usage}, fault)


def _texts(body: dict[str, Any]) -> list[str]:
    given = body["input"]
    return [given] if isinstance(given, str) else given


def _refused(message: str) -> Reply:
    return _json(400, {"error": {"message": message, "type": "invalid_request_error"}})


def _answered(body: Any, fault: Fault | None) -> Reply:
    whole = json.dumps(body)
    match fault:
        case Fault.BROKE_OFF:
            return _json(500, {"error": "do embedding request: EOF"})
        case Fault.UNFINISHED:
            return Reply(200, [whole[: len(whole) // 2]])
        case Fault.CUT:
            return Reply(200, in_pieces(whole, 64), cut=True)
        case _:
            return Reply(200, [whole])


def _json(status: int, body: Any) -> Reply:
    return Reply(status, [json.dumps(body)])
