"""The small model in its child, with one thread, and a book short enough for it."""

from collections.abc import AsyncIterator

import pytest

from app.adapters.llm.llamacpp.provider import LlamaCppLLM
from tests.real_model.weights import small_model


@pytest.fixture
async def model() -> AsyncIterator[LlamaCppLLM]:
    model = LlamaCppLLM(model=str(small_model()), context=2048, threads=1)
    yield model
    await model.aclose()
