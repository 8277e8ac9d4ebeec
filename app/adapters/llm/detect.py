"""Is there an Ollama at this address?"""

import asyncio

import httpx

from app.adapters.llm.http import client_options, translated
from app.ports.llm import ModelFailure


async def ollama_answers(base_url: str, *, timeout: float = 1.0) -> list[str] | None:
    """The names of the models an Ollama at this address holds; None when none answers
    within `timeout` seconds."""
    try:
        with translated(base_url):
            async with asyncio.timeout(timeout), httpx.AsyncClient(**client_options()) as client:
                answer = await client.get(f"{base_url.rstrip('/')}/api/tags")
                return [model["name"] for model in answer.json()["models"]]
    except ModelFailure:
        return None
