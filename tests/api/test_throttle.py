"""Guessing passwords over HTTP: the same counts for every process, and whose word about the
client's address is believed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from app.adapters.passwords.zxcvbn_list import common_passwords
from app.api.application import create_api
from app.api.gate import Limits
from app.bootstrap.library import Library
from tests.api.conftest import PASSWORD
from tests.library import opened_library, settings_for_tests

WRONG = "quite another sentence"
PROXY, CLIENT, OTHER = "10.0.0.1", "203.0.113.7", "198.51.100.9"


async def _no_kick() -> None:
    """No jobs here."""


def caller(app: ASGIApp, address: str, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://library", headers=headers)


def app_of(library: Library, *trusted: str) -> ASGIApp:
    limits = Limits(upload=2**20)
    return create_api(library.services, limits=limits, kick=_no_kick, trusted_proxies=trusted)


@pytest.fixture
async def two(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[Library, Library]]:
    """Two processes' libraries on one database; a network may fail eight times."""
    accounts = {"bcrypt_rounds": 4, "tries_per_address": 8}
    settings = settings_for_tests(database_url, tmp_path, accounts=accounts)
    async with AsyncExitStack() as stack:
        libraries = [await stack.enter_async_context(opened_library(settings)) for _ in range(2)]
        yield libraries[0], libraries[1]


async def sign_in(api: httpx.AsyncClient, name: str, password: str = WRONG) -> httpx.Response:
    body = {"email": f"{name}@library.test", "password": password}
    return await api.post("/auth/login", json=body)


async def signed_up(api: httpx.AsyncClient, name: str = "ada") -> None:
    body = {"email": f"{name}@library.test", "password": PASSWORD}
    (await api.post("/auth/signup", json=body)).raise_for_status()


async def test_ten_guesses_on_an_account_are_ten_whichever_process_is_asked(
    two: tuple[Library, Library],
) -> None:
    apps = [app_of(library) for library in two]
    async with caller(apps[0], OTHER) as api:
        await signed_up(api)
    statuses = []
    for number in range(12):
        async with caller(apps[number % 2], f"192.0.2.{number}") as api:
            statuses.append((await sign_in(api, "ada")).status_code)
    assert statuses == [401] * 10 + [429] * 2
    async with caller(apps[1], OTHER) as api:
        owner = await sign_in(api, "ada", PASSWORD)
    assert (owner.status_code, owner.json()["code"]) == (429, "too_many_requests")
    assert 0 < int(owner.headers["retry-after"]) <= 900


async def test_guesses_at_both_processes_at_once_learn_no_more_than_ten(
    two: tuple[Library, Library],
) -> None:
    apps = [app_of(library) for library in two]
    async with caller(apps[0], OTHER) as api:
        await signed_up(api)
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(caller(apps[n % 2], f"192.0.2.{n}")) for n in range(30)
        ]
        answers = await asyncio.gather(*(sign_in(api, "ada") for api in callers))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [401] * 10 + [429] * 20


async def test_a_network_that_guesses_on_many_accounts_has_to_wait_everywhere(
    two: tuple[Library, Library],
) -> None:
    apps = [app_of(library) for library in two]
    async with caller(apps[0], CLIENT) as one, caller(apps[1], CLIENT) as another:
        await signed_up(one)
        apis = [one, another]
        statuses = [(await sign_in(apis[n % 2], f"r{n}")).status_code for n in range(9)]
        assert statuses == [401] * 8 + [429]
        assert (await sign_in(another, "ada", PASSWORD)).status_code == 429
    async with caller(apps[0], OTHER) as api:
        assert (await sign_in(api, "ada", PASSWORD)).status_code == 200


async def test_who_is_signed_in_is_not_signed_out_by_guesses(two: tuple[Library, Library]) -> None:
    app = app_of(two[0])
    async with caller(app, OTHER) as owner:
        await signed_up(owner)
        held = (await sign_in(owner, "ada", PASSWORD)).json()
        for number in range(12):
            async with caller(app, f"192.0.2.{number}") as api:
                await sign_in(api, "ada")
        headers = {"Authorization": f"Bearer {held['access_token']}"}
        assert (await owner.get("/users/me", headers=headers)).status_code == 200
        body = {"refresh_token": held["refresh_token"]}
        assert (await owner.post("/auth/refresh", json=body)).status_code == 200


@pytest.mark.parametrize("trusted", [(), ("10.9.9.9",)])
async def test_a_stranger_says_in_vain_to_be_somebody_else(
    two: tuple[Library, Library], trusted: tuple[str, ...]
) -> None:
    app = app_of(two[0], *trusted)
    statuses = []
    for number in range(10):
        forwarded = {"X-Forwarded-For": f"192.0.2.{number}", "X-Real-IP": f"192.0.2.{number}"}
        async with caller(app, CLIENT, **forwarded) as api:
            statuses.append((await sign_in(api, f"r{number}")).status_code)
    assert statuses == [401] * 8 + [429] * 2


async def test_a_trusted_proxy_is_believed_of_the_hop_before_it_only(
    two: tuple[Library, Library],
) -> None:
    app = app_of(two[0], "10.0.0.0/8")
    statuses = []
    for number in range(10):
        # What stands further left the client itself may have written.
        forwarded = {"X-Forwarded-For": f"192.0.2.{number}, {CLIENT}"}
        async with caller(app, PROXY, **forwarded) as api:
            statuses.append((await sign_in(api, f"r{number}")).status_code)
    assert statuses == [401] * 8 + [429] * 2
    async with caller(app, PROXY, **{"X-Forwarded-For": OTHER}) as api:
        assert (await sign_in(api, "r10")).status_code == 401


async def test_a_full_queue_of_hashes_is_said_and_reading_goes_on(
    two: tuple[Library, Library],
) -> None:
    app = app_of(two[0])
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(caller(app, f"192.0.{n // 200}.{n % 200}"))
            for n in range(300)
        ]
        await signed_up(callers[0])
        held = (await sign_in(callers[0], "ada", PASSWORD)).json()
        headers = {"Authorization": f"Bearer {held['access_token']}"}
        tries = [asyncio.create_task(sign_in(api, f"r{n}")) for n, api in enumerate(callers)]
        read = await callers[0].get("/users/me", headers=headers)
        answers = await asyncio.gather(*tries)
    assert read.status_code == 200
    assert {answer.status_code for answer in answers} <= {401, 503}
    refused = [answer for answer in answers if answer.status_code == 503]
    assert all(answer.headers["retry-after"] for answer in refused)


@pytest.mark.parametrize("password", ["hardcore", "elephant2024", "4815162342", "Liverpool!"])
async def test_a_listed_password_is_refused(two: tuple[Library, Library], password: str) -> None:
    async with caller(app_of(two[0]), CLIENT) as api:
        body = {"email": "ada@library.test", "password": password}
        answer = await api.post("/auth/signup", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")


def test_the_list_is_as_long_as_it_is_said_to_be() -> None:
    listed: Any = common_passwords()
    assert len(listed) == 30_000
    assert all(password == password.lower() for password in listed)
