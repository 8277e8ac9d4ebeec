"""What the tests of the adapters ask."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.adapters.llm.ollama import OllamaLLM
from app.adapters.llm.openai import OpenAILLM
from app.ports.llm import CompletionRequest, Message

STORY = "Every evening old Martha Hale climbed the stairs and lit the lamp for the ships. " * 5
SUMMARY: dict[str, Any] = {
    "type": "object",
    "required": ["summary"],
    "properties": {"summary": {"type": "string", "minLength": 1}},
}
ASK = CompletionRequest([Message("user", STORY)], task="ask", prompt="ask@1")
STRUCTURED = replace(ASK, output_schema=SUMMARY)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a server on another thread sets no event
            await asyncio.sleep(0.01)


async def drained(model: OllamaLLM | OpenAILLM, request: CompletionRequest) -> str:
    return "".join([piece async for piece in await model.stream(request)])
