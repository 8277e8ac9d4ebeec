"""The audit log over HTTP: what is in it, who may read it, and that nobody rewrites it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from app.bootstrap.library import Library
from app.domains.accounts.model.audit import AuditQuery
from app.domains.accounts.service import AuditService
from app.domains.catalog.jobs import SweepOrphans
from app.ports.audit import Act, Subject
from app.shared.pages import PageRequest
from tests.api.conftest import PASSWORD, Drain, Headers, Shelve, SignIn


async def events(api: httpx.AsyncClient, admin: Headers, **query: Any) -> list[dict[str, Any]]:
    answer = await api.get("/admin/audit", params=query, headers=admin)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def id_of(api: httpx.AsyncClient, headers: Headers) -> str:
    return str((await api.get("/users/me", headers=headers)).json()["id"])


async def test_a_change_of_role_says_who_whom_from_what_to_what(
    api: httpx.AsyncClient, admin: Headers, sign_in: SignIn
) -> None:
    reader = await id_of(api, await sign_in("ada"))
    for change in ({"role": "librarian"}, {"role": "librarian"}, {"disabled": True}):
        await api.patch(f"/users/{reader}", json=change, headers=admin)
    disabled, promoted = await events(api, admin, object_id=reader)
    assert (disabled["act"], promoted["act"]) == ("user_disabled", "role_changed")
    assert promoted["details"] == {"before": "member", "after": "librarian"}
    assert promoted["actor_id"] == await id_of(api, admin)
    assert promoted["session_id"]
    assert (promoted["door"], promoted["address"]) == ("http", "127.0.0.1")
    assert (promoted["object_kind"], promoted["outcome"]) == ("user", "done")


async def test_what_did_not_happen_is_not_in_the_log(
    api: httpx.AsyncClient, admin: Headers
) -> None:
    me = await id_of(api, admin)
    answer = await api.patch(f"/users/{me}", json={"role": "member"}, headers=admin)
    assert answer.json()["code"] == "last_admin"
    said = await events(api, admin, object_id=me, act="role_changed")
    assert [event["details"]["after"] for event in said] == ["admin"]


async def test_what_librarians_do_to_the_things_of_others_is_noted(
    api: httpx.AsyncClient,
    admin: Headers,
    librarian: Headers,
    sign_in: SignIn,
    shelve: Shelve,
    drain: Drain,
) -> None:
    reader = await sign_in("ada")
    book = (await shelve("Emma", headers=reader))["id"]
    await api.post(f"/books/{book}/borrow", headers=reader)
    said = {"rating": 1, "text": "Never again."}
    review = (await api.post(f"/books/{book}/reviews", json=said, headers=reader)).json()["id"]
    job = (await api.post(f"/books/{book}/summary", headers=reader)).json()["job_id"]
    await api.put(f"/books/{book}", json={"title": "Mine"}, headers=reader)
    await api.get(f"/jobs/{job}", headers=reader)
    keeper = await id_of(api, librarian)
    assert await events(api, admin, actor_id=keeper) == []

    await api.put(f"/books/{book}", json={"title": "Emma"}, headers=librarian)
    await api.get(f"/jobs/{job}", headers=librarian)
    await api.delete(f"/books/{book}/reviews/{review}", headers=librarian)
    await api.post(f"/books/{book}/return", headers=reader)
    await api.delete(f"/books/{book}", headers=librarian)
    noted = await events(api, admin, actor_id=keeper)
    assert [(event["act"], event["object_id"]) for event in noted] == [
        ("book_withdrawn", book),
        ("review_withdrawn", review),
        ("job_seen", job),
        ("book_changed", book),
    ]
    assert noted[-1]["details"] == {"title": "Emma", "fields": ["title"]}


async def test_a_stolen_refresh_token_is_noted_without_the_token(
    api: httpx.AsyncClient, admin: Headers
) -> None:
    body = {"email": "ada@library.test", "password": PASSWORD}
    await api.post("/auth/signup", json=body)
    held = (await api.post("/auth/login", json=body)).json()
    spent = {"refresh_token": held["refresh_token"]}
    assert (await api.post("/auth/refresh", json=spent)).status_code == 200
    for _ in range(2):
        assert (await api.post("/auth/refresh", json=spent)).status_code == 401
    (event,) = await events(api, admin, act="session_robbed")
    assert event["details"]["user"]
    assert held["refresh_token"] not in str(event)


async def test_guesses_over_the_limit_are_noted_once(
    api: httpx.AsyncClient, admin: Headers, sign_in: SignIn
) -> None:
    reader = await id_of(api, await sign_in("ada"))
    for _ in range(14):
        body = {"email": "ada@library.test", "password": "a guess like any other"}
        await api.post("/auth/login", json=body)
    (event,) = await events(api, admin, act="sign_in_throttled")
    assert (event["object_id"], event["outcome"]) == (reader, "refused")
    assert "guess" not in str(event)


async def test_only_admins_read_the_log_and_that_is_in_it(
    api: httpx.AsyncClient, admin: Headers, librarian: Headers, sign_in: SignIn
) -> None:
    for headers in (librarian, await sign_in("ada")):
        answer = await api.get("/admin/audit", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await api.get("/admin/audit")).status_code == 401
    await events(api, admin)
    read = await events(api, admin, act="audit_read")
    assert [event["actor_id"] for event in read] == [await id_of(api, admin)]


async def test_the_log_comes_in_pages_the_newest_first(
    api: httpx.AsyncClient, admin: Headers, library: Library
) -> None:
    for number in range(5):
        await library.services.audit.record(Act.JOB_SEEN, Subject("job", str(number)))
    found: list[str] = []
    query: dict[str, Any] = {"act": "job_seen", "limit": 2}
    for _ in range(3):
        page = (await api.get("/admin/audit", params=query, headers=admin)).json()
        assert page["total"] == 5
        found += [event["object_id"] for event in page["items"]]
        query["cursor"] = page["next_cursor"]
    assert (found, page["next_cursor"]) == (["4", "3", "2", "1", "0"], None)
    answer = await api.get("/admin/audit?cursor=WzFd", headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize(
    "query",
    [
        {"act": "anything"},
        {"actor_id": "me"},
        {"since": "yesterday"},
        {"since": "0.5"},
        {"until": "1700000000"},
        {"since": "2026-01-01T00:00:00"},
        {"object_id": "x" * 201},
        {"outcome": "well"},
        {"limit": "0"},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    api: httpx.AsyncClient, admin: Headers, query: dict[str, str]
) -> None:
    answer = await api.get("/admin/audit", params=query, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_events_are_found_by_time(api: httpx.AsyncClient, admin: Headers) -> None:
    (granted,) = await events(api, admin, act="role_changed")
    assert len(await events(api, admin, act="role_changed", since=granted["at"])) == 1
    assert await events(api, admin, act="role_changed", until=granted["at"]) == []


async def test_a_command_is_noted_as_one(
    api: httpx.AsyncClient, admin: Headers, sign_in: SignIn
) -> None:
    """The fixture makes its admin as the command line does, without a request."""
    (granted,) = await events(api, admin, act="role_changed")
    assert (granted["actor_id"], granted["session_id"], granted["address"]) == (None, None, None)


def change(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET act = 'nothing'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
    ],
)
async def test_nobody_changes_what_is_in_the_log(
    api: httpx.AsyncClient, admin: Headers, database_url: str, statement: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        change(database_url, statement)
    assert len(await events(api, admin, act="role_changed")) == 1


async def test_after_its_time_an_event_is_swept(
    api: httpx.AsyncClient, admin: Headers, library: Library, drain: Drain, database_url: str
) -> None:
    for days in (364, 366):
        change(
            database_url,
            "INSERT INTO audit_events (id, at, door, act, object_kind, object_id, outcome, details)"
            f" VALUES (gen_random_uuid(), now() - interval '{days} days', 'job', 'job_seen',"
            f" 'job', '{days}', 'done', '{{}}')",
        )
    async with library.adapters.catalog_work() as work:
        await work.jobs.enqueue(SweepOrphans())
    await drain()
    assert [one["object_id"] for one in await events(api, admin, act="job_seen")] == ["364"]


async def test_the_log_says_nothing_secret(
    api: httpx.AsyncClient, admin: Headers, sign_in: SignIn, database_url: str
) -> None:
    reader = await sign_in("ada")
    body = {"current_password": PASSWORD, "new_password": "another quiet place"}
    await api.post("/users/me/password", json=body, headers=reader)
    await api.get("/users?q=ada@library.test", headers=admin)
    with psycopg.connect(database_url) as connection:
        rows: Sequence[Any] = connection.execute("SELECT a::text FROM audit_events a").fetchall()
    said = str(rows)
    assert "password_changed" in said
    assert "users_listed" in said
    for secret in (PASSWORD, "another quiet place", "library.test", "bcrypt"):
        assert secret not in said


async def test_who_runs_the_machine_reads_the_log_too(library: Library) -> None:
    service: AuditService = library.services.audit
    await service.record(Act.JOB_SEEN, Subject("job", str(UUID(int=1))))
    found = await service.events(None, AuditQuery(act=Act.JOB_SEEN), PageRequest())
    assert [event.subject.id for event in found.items] == [str(UUID(int=1))]
