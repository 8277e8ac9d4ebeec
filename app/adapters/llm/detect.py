"""Is there an Ollama at this address, and how old is it?"""

import asyncio
import re
from typing import Any

import httpx

from app.adapters.llm.http import client_options, translated
from app.ports.llm import ModelFailure


async def ollama_answers(base_url: str, *, timeout: float = 1.0) -> list[str] | None:
    """The names of the models an Ollama at this address holds; None when none answers
    within `timeout` seconds."""
    try:
        with translated(base_url):
            listed = await _got(base_url, "/api/tags", timeout)
            return [model["name"] for model in listed["models"]]
    except ModelFailure:
        return None


async def ollama_version(base_url: str, *, timeout: float = 5.0) -> tuple[int, ...]:
    """Its version as numbers, (0, 33, 0); empty where it does not say. Raises ModelFailure."""
    with translated(base_url):
        answer = await _got(base_url, "/api/version", timeout)
        return tuple(map(int, re.findall(r"\d+", str(answer.get("version", "")))[:3]))


async def _got(base_url: str, path: str, timeout: float) -> Any:
    async with asyncio.timeout(timeout), httpx.AsyncClient(**client_options()) as client:
        return (await client.get(f"{base_url.rstrip('/')}{path}")).json()
