"""The real library over a real database, for tests: every adapter as in production but the
slow password hash and the model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from app.api.application import create_api
from app.api.gate import Limits
from app.bootstrap.library import Library, open_library
from app.bootstrap.settings import Settings, read_settings

UPLOAD_LIMIT = 2 * 2**20


def settings_for_tests(database_url: str, home: Path, **given: Any) -> Settings:
    groups: dict[str, Any] = {
        "database": {"url": database_url, "pool": 6},
        "lumina": {"home": home},
        "llm": {"provider": "extractive"},
        "accounts": {"bcrypt_rounds": 4},
        "jobs": {"heartbeat": 1, "stalled_after": 4},
    }
    return read_settings(_env_file=None, **{**groups, **given})


@asynccontextmanager
async def opened_library(settings: Settings) -> AsyncIterator[Library]:
    async with open_library(settings, migrating=False) as library:
        yield library


def api_of(library: Library, *, upload_limit: int = UPLOAD_LIMIT) -> ASGIApp:
    async def kick() -> None:
        """Jobs run when a test says so."""

    return create_api(library.services, limits=Limits(upload=upload_limit), kick=kick)


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    """A client that gets a crash as the answer a stranger would see."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://library")
