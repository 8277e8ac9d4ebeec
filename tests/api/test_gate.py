"""What the gate makes of requests that are none, of failures nobody thought of, and what it
counts and says on the way out."""

import asyncio
import json
import logging
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from asyncpg.exceptions import DataError
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import problems
from app.api.gate import Gate, Limits
from app.api.measures import Measures
from app.api.policy import POLICY
from app.shared.errors import LibraryError
from tests.api.conftest import Headers, SignIn
from tests.api.test_hostile_input import NOBODY
from tests.api.test_operations import Call, problem
from tests.library import client_of

SECRET = "the keeper's own words"
FAILURES: list[BaseException] = [
    DBAPIError(SECRET, {"word": SECRET}, DataError(SECRET)),
    OSError(5, SECRET),
    ConnectionResetError(SECRET),
    TimeoutError(SECRET),
    RecursionError(SECRET),
    MemoryError(SECRET),
    KeyError(SECRET),
    UnicodeEncodeError("utf-8", SECRET, 0, 1, SECRET),
    StopAsyncIteration(SECRET),
    AssertionError(SECRET),
    LibraryError(SECRET),
    asyncio.CancelledError(SECRET),
    ExceptionGroup(SECRET, [KeyError(SECRET), OSError(SECRET)]),
    BaseExceptionGroup(SECRET, [asyncio.CancelledError(SECRET)]),
]
Protect = Callable[[ASGIApp], Gate]


@pytest.fixture
def protect() -> Protect:
    async def nobody(token: str) -> Any:
        raise AssertionError("Everything is public here.")

    def protected(app: ASGIApp) -> Gate:
        return Gate(app, authenticate=nobody, limits=Limits(upload=1), public={"/books"})

    return protected


def raising(error: BaseException) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return app


def failing_route(error: BaseException) -> ASGIApp:
    api = FastAPI(openapi_url=None)
    problems.install(api)

    @api.get("/books")
    async def fail() -> None:
        raise error

    return api


def failing_midway(error: BaseException) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    return app


# Failures


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("inside", [raising, failing_route])
async def test_no_failure_is_more_than_an_id_to_who_asked(
    protect: Protect,
    caplog: pytest.LogCaptureFixture,
    inside: Callable[[BaseException], ASGIApp],
    error: BaseException,
) -> None:
    with caplog.at_level(logging.ERROR):
        call = Call("/books", method="GET", headers={"X-Request-ID": "find-me"})
        await call.through(protect(inside(error)))
    assert call.status == 500
    said = json.loads(call.body)
    assert (said["code"], said["request_id"]) == ("internal_error", "find-me")
    for told in (SECRET, type(error).__name__, "Traceback"):
        assert told not in call.body.decode()
    logged = [record for record in caplog.records if record.exc_info]
    assert [record.exc_info[1] for record in logged if record.exc_info] == [error]
    assert "find-me" in logged[0].getMessage()


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
async def test_a_failure_in_the_middle_of_an_answer_ends_it_without_a_word(
    protect: Protect, error: BaseException
) -> None:
    call = await Call("/books", method="GET").through(protect(failing_midway(error)))
    assert (call.status, call.body) == (200, b"")


async def test_whoever_cancels_a_request_is_obeyed(protect: Protect) -> None:
    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    call = Call("/books", method="GET")
    asking = asyncio.create_task(call.through(protect(waits)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert call.status == 0


# What is no request


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/books?q=%", 400, "malformed_request"),
        ("/books?q=%zz", 400, "malformed_request"),
        ("/books?%0", 400, "malformed_request"),
        ("/books?q=a%00b", 400, "malformed_request"),
        ("/books?q=%ff", 400, "malformed_request"),
        ("/books?q=%c0%af", 400, "malformed_request"),
        ("/books?q=%ed%a0%80", 400, "malformed_request"),
        ("/books/%00", 400, "malformed_request"),
        ("/books/%e2%28%a1", 400, "malformed_request"),
        ("/books%", 400, "malformed_request"),
        ("http://elsewhere/books", 400, "malformed_request"),
        ("*", 400, "malformed_request"),
        ("/books?q=" + "x" * 8_192, 414, "address_too_long"),
        ("/" + "x" * 9_000, 414, "address_too_long"),
    ],
)
async def test_an_address_that_is_none_is_refused_before_anybody_reads_it(
    protect: Protect, target: str, status: int, code: str
) -> None:
    call = Call(target.partition("?")[0], method="GET")
    call.scope["query_string"] = target.partition("?")[2].encode()
    await call.through(protect(raising(AssertionError())))
    assert (call.status, json.loads(call.body)["code"]) == (status, code)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("authorization", "Bearer a"), ("authorization", "Bearer b")], 400),
        ([("content-length", "1"), ("content-length", "2")], 400),
        ([("content-type", "application/json"), ("content-type", "text/plain")], 400),
        ([("host", "a"), ("host", "b")], 400),
        ([("content-length", "1"), ("transfer-encoding", "chunked")], 400),
        ([("x-nothing", "x" * 17_000)], 431),
        ([(f"x-{n}", "x") for n in range(101)], 431),
    ],
)
async def test_headers_that_two_would_read_differently_are_refused(
    protect: Protect, headers: list[tuple[str, str]], status: int
) -> None:
    call = Call("/books")
    call.scope["headers"] = [(name.encode(), value.encode()) for name, value in headers]
    await call.through(protect(raising(AssertionError())))
    assert call.status == status
    assert call.taken == 0


@pytest.mark.parametrize(
    "target", ["/books?q=100%25&r=%C3%A9%F0%9F%98%80+a", "/books?" + "q" * 8_000]
)
async def test_what_is_spelled_well_goes_in(protect: Protect, target: str) -> None:
    seen: list[bytes] = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["query_string"])

    call = Call("/books", method="GET", headers={"Host": "a", "Content-Type": "text/plain"})
    call.scope["query_string"] = target.partition("?")[2].encode()
    await call.through(protect(look))
    assert seen == [call.scope["query_string"]]


async def test_who_comes_when_too_many_are_there_waits_but_the_process_is_alive(
    protect: Protect,
) -> None:
    late = Call("/books", method="GET")
    late.scope["state"] = {"crowded": True}
    await late.through(protect(raising(AssertionError())))
    assert (late.status, late.headers["retry-after"]) == (503, "1")
    assert json.loads(late.body)["code"] == "unavailable"

    async def alive(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    probe = Call("/healthz", method="GET")
    probe.scope["state"] = {"crowded": True}
    gate = Gate(alive, authenticate=_never, limits=Limits(upload=1), public={"/healthz"})
    assert (await probe.through(gate)).status == 200


async def _never(token: str) -> Any:
    raise AssertionError


# What is counted


async def test_what_the_gate_refuses_is_counted_under_one_name(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    ann = await sign_in("ann")
    before = await _counted(api)
    await api.get(f"/nowhere/{NOBODY}")
    await api.get("/books/one/two", headers={"Authorization": "Bearer nonsense"})
    await api.post("/auth/login", headers={"Content-Length": "99999999"})
    await api.get("/books?q=%zz", headers=ann)
    await api.get("/" + "x" * 9_000)
    await api.get("/healthz", headers={"X-Long": "x" * 17_000})
    await api.request("BREW", "/books", headers={"Idempotency-Key": "a"})
    await api.post("/books", headers={**ann, "Idempotency-Key": "two words"})
    after = await _counted(api)
    more = {name: after[name] - before.get(name, 0) for name in after if "refused" in name}
    assert {name: count for name, count in more.items() if count} == {
        "GET refused 401": 2,
        "POST refused 413": 1,
        "GET refused 400": 1,
        "GET refused 414": 1,
        "GET refused 431": 1,
        "other refused 401": 1,
        "POST refused 422": 1,
    }


async def test_an_answer_given_again_is_counted_as_that(
    api: httpx.AsyncClient, shelve: Any, sign_in: SignIn
) -> None:
    ann = {**await sign_in("ann"), "Idempotency-Key": "once"}
    path = f"/books/{(await shelve())['id']}/borrow"
    before = await _counted(api)
    assert [(await api.post(path, headers=ann)).status_code for _ in range(2)] == [201, 201]
    after = await _counted(api)
    assert after["POST replayed 201"] - before.get("POST replayed 201", 0) == 1


async def test_no_word_of_a_stranger_becomes_a_name_of_a_measure(api: httpx.AsyncClient) -> None:
    for word in ("zqmeasure", "%7Bzq%7D"):
        await api.request(word.upper().replace("%", ""), f"/{word}")
    assert "zq" not in (await api.get("/metrics")).text.lower()


async def _counted(api: httpx.AsyncClient) -> dict[str, float]:
    text = (await api.get("/metrics")).text
    sample = re.compile(
        r'lumina_requests_total\{method="(.+?)",route="(.+?)",status="(.+?)"\} (.+)'
    )
    return {f"{found[1]} {found[2]} {found[3]}": float(found[4]) for found in sample.finditer(text)}


async def test_a_failure_is_counted_where_it_happened(protect: Protect) -> None:
    app = Measures(protect(failing_route(KeyError(SECRET))))
    async with client_of(app) as client:
        assert problem(await client.get("/books")) == (500, "internal_error")


# What every answer carries


@pytest.fixture
async def everywhere(api: httpx.AsyncClient, admin: Headers) -> list[httpx.Response]:
    answers = []
    for route in POLICY:
        method, _, path = route.partition(" ")
        path = re.sub(r"\{\w+\}", NOBODY, path)
        for headers in ({}, admin):
            if (method, path) not in (("DELETE", "/users/me"), ("POST", "/auth/signout")):
                answers.append(await api.request(method, path, headers=headers))
    return answers


async def test_every_answer_of_every_route_is_protected(
    everywhere: list[httpx.Response],
) -> None:
    for answer in everywhere:
        where, headers = f"{answer.request.method} {answer.url.path}", answer.headers
        assert headers["x-content-type-options"] == "nosniff", where
        assert headers["x-frame-options"] == "DENY", where
        assert headers["referrer-policy"] == "no-referrer", where
        assert "frame-ancestors 'none'" in headers["content-security-policy"], where
        if answer.url.path not in ("/docs", "/redoc", "/docs/oauth2-redirect"):
            assert headers["content-security-policy"].startswith("default-src 'none'"), where
        if answer.url.path.startswith(("/auth/", "/users", "/admin")):
            assert headers["cache-control"] == "no-store", where
        assert "server" not in headers, where
        assert len(headers["x-request-id"]) == 36, where
