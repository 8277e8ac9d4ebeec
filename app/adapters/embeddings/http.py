"""What a server of embeddings refuses, in the port's terms."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.adapters.embeddings.whole import TextTooLong
from app.adapters.llm import http as llm_http
from app.ports.embeddings import EmbeddingsRefused, EmbeddingsUnavailable
from app.ports.llm import ContextOverflow, ModelFailure, ModelRefused, ModelUnavailable


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Whatever goes wrong with the server at the address: EmbeddingsUnavailable,
    EmbeddingsRefused or TextTooLong."""
    try:
        with llm_http.translated(address):
            yield
    except ContextOverflow as failure:
        raise TextTooLong from failure
    except ModelUnavailable as failure:
        raise EmbeddingsUnavailable(failure.detail, retry_after=failure.retry_after) from failure
    except ModelFailure as failure:
        raise EmbeddingsRefused(failure.detail) from failure


def explained(status: int, body: str) -> ModelFailure | None:
    if status in (401, 403):
        return ModelRefused(f"The model's server answers {status}: check EMBEDDINGS_API_KEY.")
    if 300 <= status < 400:
        detail = "The model's address only redirects; set EMBEDDINGS_BASE_URL to its target."
        return ModelRefused(detail)
    # llama.cpp's words for a text beyond its batch.
    if "too large to process" in body:
        return ContextOverflow()
    return None
