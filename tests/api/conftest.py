"""The API over a real database: who asks, and a book to ask for."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.bootstrap.library import Library
from app.domains.accounts.model import Role
from tests.library import api_of, client_of, opened_library, settings_for_tests

PASSWORD = "a quiet place to read"
Headers = dict[str, str]
SignIn = Callable[[str], Awaitable[Headers]]
Shelve = Callable[..., Awaitable[dict[str, Any]]]
Drain = Callable[[], Awaitable[None]]


@pytest.fixture
async def library(database_url: str, tmp_path: Path) -> AsyncIterator[Library]:
    async with opened_library(settings_for_tests(database_url, tmp_path)) as library:
        yield library


@pytest.fixture
async def api(library: Library) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(api_of(library)) as client:
        yield client


@pytest.fixture
def sign_in(api: httpx.AsyncClient) -> SignIn:
    """Sign somebody up and in; the headers of their requests."""

    async def signed_in(name: str) -> Headers:
        email = f"{name}@library.test"
        body = {"email": email, "password": PASSWORD, "display_name": name.title()}
        (await api.post("/auth/signup", json=body)).raise_for_status()
        answer = await api.post("/auth/login", json={"email": email, "password": PASSWORD})
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    return signed_in


@pytest.fixture
async def librarian(sign_in: SignIn, library: Library) -> Headers:
    headers = await sign_in("librarian")
    await library.services.accounts.grant("librarian@library.test", Role.LIBRARIAN)
    return headers


@pytest.fixture
async def admin(sign_in: SignIn, library: Library) -> Headers:
    headers = await sign_in("governor")
    await library.services.accounts.grant("governor@library.test", Role.ADMIN)
    return headers


@pytest.fixture
def drain(library: Library) -> Drain:
    """Run all jobs that are due, and those they leave behind."""

    async def drained() -> None:
        await library.runner.kick()

    return drained


@pytest.fixture
def shelve(api: httpx.AsyncClient, drain: Drain, sign_in: SignIn) -> Shelve:
    """Add a small book as somebody called Owner (or with the given headers) and read it;
    the Book as the API shows it. Texts differ by title."""
    owner: Headers = {}

    async def shelved(
        title: str = "The Lighthouse",
        *,
        headers: Headers | None = None,
        text: str | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        if headers is None:
            owner.update(owner or await sign_in("owner"))
        asking = headers or owner
        body = text or f"{title} is a book about {title}. Its keeper reads it every night."
        added = await api.post(
            "/books",
            files={"file": (f"{title}.txt", body.encode())},
            data={"title": title, **{name: str(value) for name, value in fields.items()}},
            headers=asking,
        )
        added.raise_for_status()
        await drain()
        return dict((await api.get(f"/books/{added.json()['id']}", headers=asking)).json())

    return shelved
