"""The gate, the problem documents, and the routes for whoever runs the library."""

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
from starlette.types import ASGIApp, Message

from app.api.application import create_api
from app.api.gate import MEBIBYTE, Gate, Limits
from app.bootstrap.library import Library
from app.ports.storage import StorageUnavailable
from app.services import Part
from tests.api.conftest import PASSWORD, Headers, SignIn
from tests.library import UPLOAD_LIMIT, api_of, client_of

SECRET = "tell nobody about the lighthouse"
PROTECTED = {"content-security-policy", "referrer-policy", "x-content-type-options"}


def stored_under(home: Path) -> list[Path]:
    return [path for path in home.rglob("books/*") if path.is_file()]


async def no_kick() -> None:
    return


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    wanted = {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert wanted <= document.keys()
    assert document["type"] == f"/problems/{document['code']}"
    assert document["status"] == answer.status_code
    assert document["instance"] == answer.request.url.path
    assert document["request_id"] == answer.headers["x-request-id"]
    return answer.status_code, document["code"]


class Call:
    """A request as the server hands it over; counts the bytes that are taken of its body."""

    def __init__(
        self,
        path: str,
        *,
        body: bytes = b"",
        chunks: int = 1,
        announced: str | None = None,
        method: str = "POST",
        headers: Headers | None = None,
    ) -> None:
        given = dict(headers or {})
        if announced is not None:
            given["Content-Length"] = announced
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(n.lower().encode(), v.encode()) for n, v in given.items()],
            "server": ("library", 80),
            "client": ("reader", 1),
            "http_version": "1.1",
            "asgi": {"version": "3.0"},
        }
        self.taken = 0
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self._chunk, self._left = body, chunks

    async def receive(self) -> Message:
        if self._left == 0:
            return {"type": "http.disconnect"}
        self._left -= 1
        self.taken += len(self._chunk)
        return {"type": "http.request", "body": self._chunk, "more_body": self._left > 0}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {n.decode(): v.decode() for n, v in message["headers"]}
        else:
            self.body += message.get("body", b"")

    async def through(self, app: ASGIApp) -> "Call":
        await app(self.scope, self.receive, self.send)
        return self


# Alive, ready, measured


async def test_the_process_is_alive_without_a_database(api: httpx.AsyncClient) -> None:
    answer = await api.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_a_ready_library_names_its_parts(api: httpx.AsyncClient) -> None:
    answer = await api.get("/readyz")
    assert answer.status_code == 200
    parts = answer.json()["parts"]
    assert {name: part["ok"] for name, part in parts.items()} == {
        "database": True,
        "storage": True,
        "model": True,
    }
    assert parts["model"]["detail"].startswith("extractive:")


async def _broken() -> NoReturn:
    raise StorageUnavailable("The bucket is gone.")


async def _crashing() -> NoReturn:
    raise RuntimeError(SECRET)


def api_with_parts(library: Library, *parts: Part) -> httpx.AsyncClient:
    there = {part.name: part for part in (*library.services.parts, *parts)}
    services = replace(library.services, parts=tuple(there.values()))
    return client_of(create_api(services, limits=Limits(upload=UPLOAD_LIMIT), kick=no_kick))


async def test_a_library_that_is_not_ready_names_what_is_missing(library: Library) -> None:
    missing = Part("storage", _broken), Part("database", _crashing)
    async with api_with_parts(library, *missing) as client:
        answer = await client.get("/readyz")
        assert (await client.get("/healthz")).status_code == 200
    assert problem(answer) == (503, "unavailable")
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["detail"] == "Not ready: database, storage."
    assert answer.json()["parts"]["storage"] == {"ok": False, "detail": "The bucket is gone."}
    assert SECRET not in answer.text


async def test_a_model_that_is_away_leaves_the_library_ready(library: Library) -> None:
    async with api_with_parts(library, Part("model", _broken, needed=False)) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert not answer.json()["parts"]["model"]["ok"]


async def test_measures_count_by_route_and_not_by_path(api: httpx.AsyncClient) -> None:
    await api.get("/healthz")
    answer = await api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'lumina_requests_total{method="GET",route="/healthz",status="200"}' in answer.text


async def test_private_measures_need_a_sign_in(library: Library, sign_in: SignIn) -> None:
    headers = await sign_in("ann")
    limits = Limits(upload=UPLOAD_LIMIT)
    private = create_api(library.services, limits=limits, kick=no_kick, public_metrics=False)
    async with client_of(private) as client:
        assert problem(await client.get("/metrics")) == (401, "not_authenticated")
        assert (await client.get("/metrics", headers=headers)).status_code == 200
        document = (await client.get("/openapi.json")).json()
    assert "401" in document["paths"]["/metrics"]["get"]["responses"]


# Every answer


@pytest.mark.parametrize("sent", ["abc-1.2_Z", "0" * 64])
async def test_a_request_id_is_echoed(api: httpx.AsyncClient, sent: str) -> None:
    answer = await api.get("/users/me", headers={"X-Request-ID": sent})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == sent


@pytest.mark.parametrize("sent", ["", "0" * 65, "a b", "<script>", "é"])
async def test_a_request_id_that_is_none_is_replaced(api: httpx.AsyncClient, sent: str) -> None:
    answer = await api.get("/healthz", headers=[(b"X-Request-ID", sent.encode())])
    assert answer.headers["x-request-id"] not in ("", sent)
    assert len(answer.headers["x-request-id"]) == 36


@pytest.fixture
async def crashing(library: Library) -> AsyncIterator[httpx.AsyncClient]:
    """An API whose catalog has a bug."""
    services = replace(library.services, shelving=None)  # type: ignore[arg-type]
    app = create_api(services, limits=Limits(upload=UPLOAD_LIMIT), kick=no_kick)
    async with client_of(app) as client:
        yield client


async def test_every_answer_is_protected(
    api: httpx.AsyncClient, crashing: httpx.AsyncClient, sign_in: SignIn
) -> None:
    ann = await sign_in("ann")
    large = {**ann, "Content-Length": str(10 * MEBIBYTE)}
    answers = [
        await api.get("/healthz"),
        await api.get("/users/me"),
        await api.get("/nowhere", headers=ann),
        await api.put("/users/me", headers=ann),
        await api.post("/auth/login", headers=large),
        await api.post("/auth/signup", json={}),
        await api.post("/auth/login", content=b"x", headers={"Content-Type": "text/x"}),
        await crashing.get("/books", headers=ann),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 404, 405, 413, 422, 415, 500]
    for answer in answers:
        assert answer.headers.keys() >= PROTECTED | {"x-request-id", "x-frame-options"}
        if not answer.is_success:
            problem(answer)


async def test_tokens_and_passwords_are_not_cached(api: httpx.AsyncClient) -> None:
    answer = await api.post("/auth/login", json={"email": "a@b.test", "password": PASSWORD})
    assert answer.headers["cache-control"] == "no-store"


async def test_the_pages_about_the_api_may_run_their_scripts(api: httpx.AsyncClient) -> None:
    for page in ("/docs", "/redoc"):
        answer = await api.get(page)
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert (await api.get("/")).headers["location"] == "/docs"


# What is nowhere


async def test_what_is_nowhere_is_hidden_from_strangers(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    stranger = await api.get("/nowhere")
    assert problem(stranger) == (401, "not_authenticated")
    assert stranger.headers["www-authenticate"] == "Bearer"
    forged = await api.get("/nowhere", headers={"Authorization": "Bearer a.b.c"})
    assert problem(forged) == (401, "invalid_token")
    assert forged.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    ann = await sign_in("ann")
    assert problem(await api.get("/nowhere", headers=ann)) == (404, "not_found")
    wrong = await api.delete("/books", headers=ann)
    assert problem(wrong) == (405, "method_not_allowed")
    assert wrong.headers["allow"]


# Bodies that are too large


@pytest.mark.parametrize(
    ("path", "announced"),
    [
        ("/auth/login", str(MEBIBYTE + 1)),
        ("/auth/signup", "9" * 15),
        ("/auth/signup", "9" * 5000),
        ("/auth/signup", "-1"),
        ("/books", str(UPLOAD_LIMIT + MEBIBYTE + 1)),
        ("/generate-summary", str(16 * MEBIBYTE + 1)),
    ],
)
async def test_too_much_that_is_announced_is_refused_unread(
    library: Library, path: str, announced: str
) -> None:
    call = await Call(path, body=b"x" * 1000, announced=announced).through(api_of(library))
    assert (call.status, call.taken) == (413, 0)
    assert json.loads(call.body)["code"] == "payload_too_large"


async def test_too_much_in_pieces_is_refused_at_the_limit(library: Library) -> None:
    piece = 64 * 1024
    call = Call(
        "/auth/signup", body=b"x" * piece, chunks=1000, headers={"Content-Type": "application/json"}
    )
    await call.through(api_of(library))
    assert call.status == 413
    assert call.taken <= MEBIBYTE + piece
    assert json.loads(call.body)["code"] == "payload_too_large"


async def test_an_upload_in_pieces_is_refused_at_the_limit(
    library: Library, sign_in: SignIn, tmp_path: Path
) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    form = {"Content-Type": "multipart/form-data; boundary=b", **await sign_in("ann")}
    call = Call("/books", body=head + b"x" * 65536, chunks=1000, headers=form)
    await call.through(api_of(library))
    assert call.status == 413
    assert call.taken <= UPLOAD_LIMIT + MEBIBYTE + 2 * 65536
    assert not stored_under(tmp_path)


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Basic YW5uOnh4"])
async def test_a_stranger_sends_no_byte_of_an_upload(
    library: Library, authorization: str | None
) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    if authorization:
        headers["Authorization"] = authorization
    gate = api_of(library, upload_limit=200 * MEBIBYTE)
    size = str(200 * MEBIBYTE)
    whole = Call("/books", body=b"x" * MEBIBYTE, chunks=200, announced=size, headers=headers)
    pieces = Call("/books", body=b"x" * MEBIBYTE, chunks=200, headers=headers)
    for call in (whole, pieces):
        await call.through(gate)
        assert (call.status, call.taken) == (401, 0)


# What must not be said


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/auth/signup", {"email": "ann@library.test", "password": [SECRET]}),
        ("/auth/signup", {"email": 7, "password": SECRET}),
        ("/auth/signup", {"email": "ann@library.test", "passwort": SECRET}),
        ("/auth/login", {"email": "ann@library.test", "password": {"value": SECRET}}),
        ("/auth/login", {"email": "ann@library.test", "password": SECRET, "code": 1}),
        ("/auth/login", [SECRET]),
        ("/auth/login", SECRET),
        ("/auth/refresh", {"refresh_token": {"token": SECRET}}),
    ],
)
async def test_a_refused_body_is_not_repeated(api: httpx.AsyncClient, path: str, body: Any) -> None:
    answer = await api.post(path, json=body)
    assert problem(answer) == (422, "validation_failed")
    assert all(error.keys() == {"loc", "msg", "type"} for error in answer.json()["errors"])
    assert SECRET not in answer.text


async def test_a_weak_password_is_not_repeated_to_who_is_signed_in(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    ann = await sign_in("ann")
    body = {"current_password": SECRET, "new_password": "lighthouse" * 200}
    answer = await api.post("/users/me/password", json=body, headers=ann)
    assert answer.status_code in (401, 422)
    assert SECRET not in answer.text
    assert "lighthouse" not in answer.text


async def test_a_bug_is_an_id_and_nothing_else(
    crashing: httpx.AsyncClient, sign_in: SignIn, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {**await sign_in("ann"), "X-Request-ID": "find-me"}
    with caplog.at_level(logging.ERROR):
        answer = await crashing.get("/books", headers=headers)
    assert problem(answer) == (500, "internal_error")
    assert answer.json()["request_id"] == "find-me"
    assert "shelving" not in answer.text
    assert "NoneType" not in answer.text
    logged = [record for record in caplog.records if "find-me" in record.getMessage()]
    assert len(logged) == 1
    assert logged[0].exc_info


async def test_a_bug_inside_the_gate_is_no_different() -> None:
    async def crash(token: str) -> NoReturn:
        raise RuntimeError(SECRET)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nobody gets here")

    gate = Gate(app, authenticate=crash, limits=Limits(upload=1), public=())
    call = await Call("/books", headers={"Authorization": "Bearer x"}).through(gate)
    assert call.status == 500
    document = json.loads(call.body)
    assert (document["code"], document["request_id"]) == (
        "internal_error",
        call.headers["x-request-id"],
    )
    assert SECRET not in call.body.decode()
